"""Examines an EHR: what works, what will be written and how, what to ask its vendor for."""

from plugin.doctor.examination import Examination, Finding, Level, Verdict
from plugin.doctor.examine import examine

__all__ = ["Examination", "Finding", "Level", "Verdict", "examine"]
