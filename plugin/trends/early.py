"""The early alliance: its level over the first sessions, the part that relates to outcome most plainly. Pure.

Measured in sessions 1 to 4 in the studies of youth (for instance McLeod: session 3; Labouliere: 1 and 4; Ormhaug: 1 and 6). The
correlation with outcome is about .2 (Karver 2018: .19, 95 % CI .13 to .25): nothing is predicted for one child.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

EARLY_SESSIONS = 4


@dataclass(frozen=True, slots=True)
class EarlyLevel:
    """The mean of the first sessions in native units, and of how many."""

    mean: float
    sessions: int


def early_level(values: Sequence[float | None]) -> EarlyLevel | None:
    """Average the scores among the first four sessions, oldest first; None if none of them was computed.

    A session without a score keeps its place: the fifth session is never taken for an early one.
    """
    return level_of([value for value in values[:EARLY_SESSIONS] if value is not None])


def level_of(computed: Sequence[float]) -> EarlyLevel | None:
    """Average scores that are known to be of early sessions; None if there are none."""
    return EarlyLevel(fmean(computed), len(computed)) if computed else None
