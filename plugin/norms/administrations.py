"""One filled form as the statistics see it: who, when, and what each score was made of. Pure."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from plugin.days import AGES, Born, years_between
from plugin.scores import Score

LEAST_FOR_MEAN = (
    30  # people, as LEAST_FOR_RELIABILITY: conventions of this software (docs/reference/norms.md)
)
LEAST_FOR_RELIABILITY = 100
UNKNOWN_AGE = "unknown"


@dataclass(frozen=True, slots=True)
class ScoreOf:
    """One score: its value and the weights of the items it was made of, by linkId; None where it cannot be told."""

    value: float | None
    weights: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Administration:
    """One filled form. `person` is who answered about whom: the same for every form that one person fills for one patient."""

    instrument: str  # canonical with version
    rater: str
    person: str
    age_band: str
    when: datetime
    day: date  # of `when`, at the site
    scores: Mapping[str, ScoreOf]  # by the linkId of the score


def read_scores(scores: Sequence[Score]) -> dict[str, ScoreOf]:
    """Take from computed scores what the statistics need."""
    return {score.link_id: ScoreOf(_number(score.value), _weights(score)) for score in scores}


def band_of(born: Born | None, day: date, ages: Sequence[int] = AGES) -> str:
    """Name the age band on a day: `0–6`, `7–11`, `12–17`, `18+`; `unknown` where what is known of the birth gives two.

    `ages`, ascending and above 0: where the second band begins, and each after it.
    """
    bands = {_band(each, day, ages) for each in (born.first, born.last)} if born else set()
    return bands.pop() if len(bands) == 1 else UNKNOWN_AGE


def bands_of(ages: Sequence[int]) -> tuple[str, ...]:
    """Name all bands, the youngest first."""
    return (*(f"{low}–{high - 1}" for low, high in pairwise((0, *ages))), f"{ages[-1]}+")


def _band(born: date, day: date, ages: Sequence[int]) -> str:
    age = years_between(born, day)
    return UNKNOWN_AGE if age < 0 else bands_of(ages)[bisect_right(ages, age)]


def _weights(score: Score) -> dict[str, float] | None:
    """Give an item's weight each; None if an item was answered several times or has an answer without a weight."""
    weights: dict[str, float] = {}
    for link_id, _, weight in score.explanation:
        if weight is None or link_id in weights:
            return None
        weights[link_id] = float(weight)
    return weights


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
