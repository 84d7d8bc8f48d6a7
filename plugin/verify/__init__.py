"""Whether anything was altered: recomputes every score, compares every row with the log, and the log with its signature."""

from plugin.verify.findings import MEANING, Finding, Flaw, Progress
from plugin.verify.recomputing import check_follows, recompute, recompute_again
from plugin.verify.verifier import Verifier

__all__ = [
    "MEANING",
    "Finding",
    "Flaw",
    "Progress",
    "Verifier",
    "check_follows",
    "recompute",
    "recompute_again",
]
