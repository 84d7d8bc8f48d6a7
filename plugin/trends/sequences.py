"""Drops and their repair in one rater's scores over sessions, by criteria that a site chooses. Pure.

There is no standard (Lipner 2022). Offered are the proposal of Gumz A et al., BMC Med Res Methodol 2012;12:10 (a fall of one
or of two standard deviations, within the person and between people, the stricter of both) and Tukey's control chart, used with
children in CBT (values below Q1 - 1.5 IQR of the sessions before; Radboud thesis of 89 children of 7 to 13). What those leave
open is a choice of this project and stands in `Rule` with its reason: each site may set it otherwise.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Criterion(StrEnum):
    """How large a fall counts."""

    ONE_SD = "gumz-1sd"
    TWO_SD = "gumz-2sd"
    TUKEY = "tukey"
    ANY = "any"  # for very brief scales, whose developers look at every fall


@dataclass(frozen=True, slots=True)
class Rule:
    """A criterion with what the literature leaves open.

    `before`: sessions needed before a fall can be judged; a standard deviation of fewer than five is a guess.
    `floor_share`: the smallest fall that counts, as a share of the scale's range: a flat series near the ceiling has an SD
    near zero, and one point is not a rupture. `within`: sessions after the fall in which a return counts as its repair.
    """

    criterion: Criterion = Criterion.ONE_SD
    before: int = 5
    floor_share: float = 1 / 12
    within: int = 3

    def __post_init__(self) -> None:
        if self.before < 3 or self.within < 1 or not 0 <= self.floor_share <= 1:
            raise ValueError("A rule needs before >= 3, within >= 1 and 0 <= floor_share <= 1.")


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall at place `fell` of the series; `repaired` is the place of the return, None while there is none.

    `late` is the place of a return that came after the sessions in which it is a repair: the fall is over, and not repaired.
    `lowest` is the place of the lowest score from the fall until the scores were back or the next fall: a fall may take several
    sessions (up to six in Gumz 2012), and what is lower in them belongs to it.
    """

    fell: int
    best: float
    value: float
    threshold: float
    repaired: int | None
    lowest: int
    late: int | None = None

    def is_open(self, last: float) -> bool:
        """Tell whether the scores never came back, and are, now at `last`, as far below the best as counts for a fall."""
        is_over = self.repaired is not None or self.late is not None
        return not is_over and last < self.best and last <= self.best - self.threshold


def find_sequences(
    values: Sequence[float], rule: Rule, *, low: float, high: float, between_sd: float | None = None
) -> tuple[Fall, ...]:
    """Find falls and repairs in scores, oldest first, of a scale from `low` to `high`.

    `between_sd` is the SD between people of the site's statistics; without it only the person's own is used. After a fall the
    next is looked for once the scores have come back, or `within` sessions later; what lies lower before is the same fall.
    """
    found: list[Fall] = []
    place = rule.before
    while place < len(values):
        fall = _fall(values, place, rule, low, high, between_sd)
        if fall is None:
            place += 1
            continue
        found.append(fall)
        place = (fall.repaired or place + rule.within) + 1
    ends = [*(each.fell for each in found[1:]), len(values)] if found else []
    return tuple(_complete(values, each, end, rule) for each, end in zip(found, ends, strict=True))


def _complete(values: Sequence[float], fall: Fall, end: int, rule: Rule) -> Fall:
    """Add a return that was late, and the lowest score, the first of equal ones: until the return or the next fall, at `end`."""
    after = range(fall.fell + 1, len(values))
    back = next((each for each in after if _is_back(values[each], fall, rule)), len(values))
    is_late = fall.repaired is None and back < len(values)
    lowest = min(range(fall.fell, min(back, end)), key=lambda each: values[each])
    return replace(fall, lowest=lowest, late=back if is_late else None)


def _is_back(value: float, fall: Fall, rule: Rule) -> bool:
    share = 0.5 if rule.criterion is Criterion.TWO_SD else 1.0
    return value > fall.value and value >= fall.best - fall.threshold * share


def _fall(
    values: Sequence[float], place: int, rule: Rule, low: float, high: float, between_sd: float | None
) -> Fall | None:
    earlier = values[:place]
    best, value = max(earlier), values[place]
    floor = rule.floor_share * (high - low)
    if rule.criterion is Criterion.TUKEY:
        first, _, third = statistics.quantiles(earlier, n=4, method="inclusive")
        limit = first - 1.5 * (third - first)
        if not (value < limit and best - value >= floor):
            return None
        threshold = best - limit
    else:
        threshold = _threshold(earlier, rule.criterion, floor, between_sd)
        if value >= earlier[-1] or best - value < threshold:
            return None
    fall = Fall(place, best, value, threshold, None, lowest=place)
    after = range(place + 1, min(len(values), place + 1 + rule.within))
    return replace(fall, repaired=next((each for each in after if _is_back(values[each], fall, rule)), None))


def _threshold(
    earlier: Sequence[float], criterion: Criterion, floor: float, between_sd: float | None
) -> float:
    if criterion is Criterion.ANY:
        return 0.0  # whatever lies below the session before
    times = 2.0 if criterion is Criterion.TWO_SD else 1.0
    return max(times * statistics.stdev(earlier), times * (between_sd or 0.0), floor)
