"""Reliable change: whether two scores of one rater differ by more than the instrument's error explains. Pure.

Jacobson NS, Truax P. Clinical significance. J Consult Clin Psychol 1991;59:12-19: RC = (x2 - x1) / Sdiff with
Sdiff = SD * sqrt(2) * sqrt(1 - r); |RC| > 1.96 is rarer than 5 % without change. No index is published for any youth alliance
scale: SD and r are the site's own, and say where they come from.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

LIMIT = 1.96  # two-sided 5 % of the normal distribution (Jacobson & Truax 1991)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of a score in a group of raters: SD and reliability in native units, from `n` people, by `source`.

    `mean` is theirs, None where only the error matters. ValueError unless 0 < sd, 0 < reliability < 1, n >= 2 and the source is named.
    """

    sd: float
    reliability: float
    n: int
    source: str
    mean: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sd) and self.sd > 0):
            raise ValueError(f"The SD is {self.sd}; it must be above 0.")
        if not 0 < self.reliability < 1:
            raise ValueError(f"The reliability is {self.reliability}; it must lie between 0 and 1.")
        if self.n < 2:
            raise ValueError(f"The statistics come from n = {self.n}; two people at least are needed.")
        if not self.source.strip():
            raise ValueError(
                "The statistics name no source: give a citation, or your own data with its date."
            )

    @property
    def error_of_difference(self) -> float:
        """Sdiff, the standard error of the difference of two scores."""
        return self.sd * math.sqrt(2) * math.sqrt(1 - self.reliability)

    @property
    def smallest_reliable(self) -> float:
        """The smallest difference that counts as change, in native units."""
        return LIMIT * self.error_of_difference


class Direction(StrEnum):
    """Which way a score went, if reliably."""

    UP = "up"
    DOWN = "down"
    UNCERTAIN = "uncertain"


def reliable_change(before: float, after: float, statistics: Statistics) -> Direction:
    """Compare two scores of one rater on one scale, in native units: |RC| > 1.96 is a difference above 1.96 Sdiff."""
    difference = after - before
    if abs(difference) <= statistics.smallest_reliable:
        return Direction.UNCERTAIN
    return Direction.UP if difference > 0 else Direction.DOWN


def band_around(value: float, statistics: Statistics, low: float, high: float) -> tuple[float, float]:
    """Give the range around a score within which another is no reliable change, cut to the scale."""
    width = statistics.smallest_reliable
    return max(low, value - width), min(high, value + width)
