"""SMART App Launch: who asks, for whom, on which server."""
