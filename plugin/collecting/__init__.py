"""Responses that the EHR collected itself: found there, scored here, without any launch."""

from plugin.collecting.collector import Collector, Look

__all__ = ["Collector", "Look"]
