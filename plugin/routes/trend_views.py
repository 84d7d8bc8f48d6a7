"""Scores over sessions for the patient page: what the record holds, what is on its way, and what the site knows of error."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from plugin.delivery.account import Account
from plugin.norming import Norm, statistics_for
from plugin.norms.administrations import band_of
from plugin.pages import Trend, TrendPoint, TrendSeries
from plugin.pages.trend import MeasurementError
from plugin.routes.chart import Chart, Respondent
from plugin.trends.history import Point, read_points
from questionnaires import Catalogue, Instrument, Rater

_ROLE_NAMES = {
    Rater.CHILD: "The young person",
    Rater.CAREGIVER: "Caregiver",
    Rater.THERAPIST: "Therapist",
    Rater.OBSERVER: "Observer",
}


def read_trend(
    catalogue: Catalogue,
    chart: Chart,
    accounts: tuple[Account, ...],
    people: Mapping[str, Respondent],
    norms: tuple[Norm, ...],
) -> Trend:
    """Join what the record holds with what is on its way there."""
    in_record = {address for account in accounts for address in account.locations}
    waiting = [account for account in accounts if not in_record & set(account.locations)]
    # The record may have a score already that the ledger, read a moment before, still has on its way.
    known = {(point.instrument, point.score, point.respondent, point.when) for point in chart.points}
    points = list(chart.points)
    for account in waiting if chart.points or not chart.unread else accounts:
        points += [
            point
            for point in points_of(catalogue, account)
            if (point.instrument, point.score, point.respondent, point.when) not in known
        ]
    by_line: dict[tuple[str, str, str], list[Point]] = {}
    for point in sorted(points, key=lambda each: each.when):
        by_line.setdefault((point.instrument, point.score, point.respondent or ""), []).append(point)
    places = _places(catalogue)
    lines = sorted(by_line.items(), key=lambda each: places[each[0][:2]])
    series = (_series(catalogue, line, found, people) for line, found in lines)
    ids = [line[0][:2] for line in lines]
    return Trend(
        tuple(
            replace(each, error=_error(norms, catalogue.by_id(instrument).canonical, score, each, chart))
            for (instrument, score), each in zip(ids, series, strict=True)
        )
    )


def _error(
    norms: tuple[Norm, ...], instrument: str, score: str, series: TrendSeries, chart: Chart
) -> MeasurementError | None:
    """Say what the site has adopted about a score's error, for the patient's age at the last session."""
    band = band_of(chart.birth_date, series.points[-1].when)
    found = statistics_for(norms, instrument, score, series.rater, band)
    return None if found is None else MeasurementError(found.smallest_reliable, found.source)


def _places(catalogue: Catalogue) -> Mapping[tuple[str, str], tuple[bool, int, int]]:
    """Order scores for the eye: totals first, then the subscales as their instrument lists them."""
    return {
        (instrument.id, score.link_id): (score.link_id != "score-total", place, number)
        for number, instrument in enumerate(catalogue.all())
        for place, score in enumerate(instrument.scores)
    }


def _series(
    catalogue: Catalogue, line: tuple[str, str, str], found: list[Point], people: Mapping[str, Respondent]
) -> TrendSeries:
    instrument_id, score_id, respondent = line
    instrument = catalogue.by_id(instrument_id)
    score = next(each for each in instrument.scores if each.link_id == score_id)
    return TrendSeries(
        rater=instrument.rater,
        name=name_of(people.get(respondent), instrument.rater),
        measure=measure_of(instrument),
        scale=score_id.removeprefix("score-"),
        scale_label=score.display,
        low=float(score.low if score.low is not None else 0),
        high=float(score.high if score.high is not None else max((p.value or 0 for p in found), default=1)),
        points=tuple(TrendPoint(point.when, point.value, point.absent) for point in found),
    )


def points_of(catalogue: Catalogue, account: Account) -> tuple[Point, ...]:
    """Read the scores of a kept response the way those of the record are read."""
    raw = stored_scores(account)
    response = f"QuestionnaireResponse/{account.record.id}"
    for each in raw:
        each["derivedFrom"] = [{"reference": response}]
    sources = {response: account.record.source} if account.record.source else {}
    return read_points(raw, sources, catalogue)


def stored_scores(account: Account) -> list[dict[str, Any]]:
    """Read the Observations that were stored with a response."""
    return [msgspec.json.decode(each) for each in account.record.results.scores]


def measure_of(instrument: Instrument) -> str:
    """Name what forms of one family share: a title's words before its parenthesis, as in "Check-in (child)"."""
    return instrument.title.partition(" (")[0]


def name_of(person: Respondent | None, rater: Rater) -> str:
    """Name the family of forms whose scores share a scale."""
    return (person.name if person else "") or _ROLE_NAMES[rater]
