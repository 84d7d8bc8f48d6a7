"""Who did what, when, with what result: the audit trail."""

from plugin.audit.trail import Actor, Kind, Trail

__all__ = ["Actor", "Kind", "Trail"]
