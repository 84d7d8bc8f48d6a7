"""Who may do what just now: browser sessions, launches, hand-over, invitations."""
