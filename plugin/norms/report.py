"""What a site's own administrations say of each score, by instrument, rater and age band. Pure; needs the extra `statistics`.

People count once. Mean, SD, floor, ceiling, reliability and items are of each person's first form that has the score:
a person's later forms are not independent of it. Test-retest takes each person's first two that are close enough.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from plugin.norms.administrations import Administration, ScoreOf
from plugin.norms.statistics import (
    Interval,
    ItemStatistics,
    Least,
    Location,
    Refused,
    alpha,
    describe_items,
    locate,
    omega,
    retest,
)
from questionnaires import Instrument

_NOT_ASKED = Refused("It was not asked for.")
_ROUNDED = 0.0051  # a mean may have been rounded to two decimals
RETEST_DAYS = 14  # convention of this software: at most two weeks apart


@dataclass(frozen=True, slots=True)
class Report:
    """The statistics of one score in one group; `items` by linkId."""

    instrument: str
    score: str
    label: str
    rater: str
    age_band: str
    low: float
    high: float
    people: int
    administrations: int
    location: Location | Refused
    alpha: Interval | Refused
    omega: Interval | Refused
    retest: Interval | Refused
    items: Mapping[str, ItemStatistics] | Refused


def report(
    administrations: Iterable[Administration],
    instruments: Mapping[str, Instrument],
    least: Least,
    *,
    retest_days: int = RETEST_DAYS,
    only: str | None = None,
    with_omega: bool = True,
) -> Iterator[Report]:
    """Describe every score of every group, groups in the order of their names; or `only` one score, by its linkId.

    Omega takes seconds a score (its interval is a bootstrap) and can be left out.
    """
    groups: dict[tuple[str, str, str], list[Administration]] = defaultdict(list)
    for each in administrations:
        groups[(each.instrument, each.rater, each.age_band)].append(each)
    for (canonical, rater, band), members in sorted(groups.items()):
        members.sort(key=lambda each: each.when)
        instrument = instruments[canonical]
        for score in instrument.scores:
            if score.low is None or score.high is None or only not in {None, score.link_id}:
                continue
            found = [(each, one) for each in members if (one := each.scores[score.link_id]).value is not None]
            first = _first_of_each(found)
            low, high = float(score.low), float(score.high)
            table = _table([one for _, one in first])
            values = np.array([one.value for _, one in first], dtype=float)
            if isinstance(table, Refused):
                reliability: tuple[Interval | Refused, Interval | Refused] = (table, table)
                items: Mapping[str, ItemStatistics] | Refused = table
            else:
                names, answers = table
                reliability = (
                    alpha(answers, least=least),
                    omega(answers, least=least) if with_omega else _NOT_ASKED,
                )
                described = describe_items(answers, least=least)
                items = (
                    described if isinstance(described, Refused) else dict(zip(names, described, strict=True))
                )
            yield Report(
                instrument=canonical,
                score=score.link_id,
                label=score.code.display,
                rater=rater,
                age_band=band,
                low=low,
                high=high,
                people=len(first),
                administrations=len(found),
                location=locate(values, low=low, high=high, least=least),
                alpha=reliability[0],
                omega=reliability[1],
                retest=retest(_pairs(found, timedelta(days=retest_days)), least=least),
                items=items,
            )


_Found = tuple[Administration, ScoreOf]


def _first_of_each(found: Sequence[_Found]) -> list[_Found]:
    first: dict[str, _Found] = {}
    for each in found:
        first.setdefault(each[0].person, each)
    return list(first.values())


def _table(
    scores: Sequence[ScoreOf],
) -> tuple[list[str], "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"] | Refused:
    """Give the items' weights, one row a person; refused where the score is not their sum or mean."""
    names = list(dict.fromkeys(name for each in scores for name in (each.weights or ())))
    if not names or any(each.weights is None for each in scores):
        return Refused("An item of this score can have several answers, or answers without a weight.")
    rows = [[(each.weights or {}).get(name, np.nan) for name in names] for each in scores]
    answers = np.array(rows, dtype=float)
    values = np.array([each.value for each in scores], dtype=float)
    with np.errstate(invalid="ignore"):
        adds_up = np.allclose(values, np.nansum(answers, axis=1), atol=_ROUNDED)
        averages = np.allclose(values, np.nanmean(answers, axis=1), atol=_ROUNDED)
    if not (adds_up or averages):
        return Refused("The score is not the sum or the mean of its items' weights.")
    return names, answers


def _pairs(found: Sequence[_Found], apart: timedelta) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Give each person's first two scores that are on different days and not too far apart."""
    by_person: dict[str, list[_Found]] = defaultdict(list)
    for each in found:
        by_person[each[0].person].append(each)
    pairs = []
    for forms in by_person.values():
        for (before, earlier), (after, later) in itertools.pairwise(forms):
            if before.day != after.day and after.when - before.when <= apart:
                pairs.append((earlier.value, later.value))
                break
    return np.array(pairs, dtype=float).reshape(-1, 2)
