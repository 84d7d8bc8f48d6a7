"""Who did what, when, with what result: the audit trail."""

from plugin.audit.kinds import Kind
from plugin.audit.trail import Actor, Trail, end_of_token

__all__ = ["Actor", "Kind", "Trail", "end_of_token"]
