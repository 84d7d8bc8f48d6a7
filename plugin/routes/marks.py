"""Reads the scores that a site interprets by what it has accepted: marks for the plot, and findings to be told in words."""

from collections.abc import Sequence
from dataclasses import replace

from plugin.interpretation import Interpretation
from plugin.pages import TrendSeries
from plugin.pages.trend import RATER_ORDER, Event
from plugin.trends.agreement import Rating
from plugin.trends.change import Direction, reliable_change
from plugin.trends.findings import Findings, Rated, read_findings
from plugin.trends.sequences import Criterion, Fall, Rule, find_sequences
from questionnaires import Instrument

TOTAL = "total"  # the published criteria are about a scale's total


def is_read(interpretation: Interpretation | None, instrument: Instrument, score: str) -> bool:
    """Tell whether a site reads anything into a score: of the instruments that it names, where higher is better."""
    if interpretation is None or instrument.id not in interpretation.instruments:
        return False
    return all(each.direction != "decrease" for each in instrument.scores if each.link_id == score)


def rule_of(interpretation: Interpretation) -> Rule | None:
    """Give the site's rule; None where it marks no ruptures."""
    if interpretation.rupture == "none":
        return None
    return Rule(
        Criterion(interpretation.rupture),
        interpretation.sessions_before,
        interpretation.smallest_fall,
        interpretation.repair_within,
    )


def falls_of(series: TrendSeries, interpretation: Interpretation | None) -> tuple[Fall, ...]:
    """Find falls and repairs among the scores that were computed; places count those."""
    rule = rule_of(interpretation) if interpretation else None
    if rule is None or series.scale != TOTAL:
        return ()
    between = series.error.sd if series.error else None
    return find_sequences(series.values, rule, low=series.low, high=series.high, between_sd=between)


def mark_events(series: TrendSeries, interpretation: Interpretation | None) -> TrendSeries:
    """Give a series whose points have their marks, and which says since when it is down, if it still is."""
    events: dict[int, Event] = {}
    falls = falls_of(series, interpretation)
    for fall in falls:
        events[fall.fell] = Event.RUPTURE
        if fall.repaired is not None:
            events[fall.repaired] = Event.REPAIR
    marked, place = [], 0
    for point in series.points:
        counts = point.value is not None and not point.is_superseded
        marked.append(replace(point, event=events.get(place) if counts else None))
        place += counts
    computed = [point for point in series.counted if point.value is not None]
    last = computed[-1].value if computed else None
    still = [fall for fall in falls if last is not None and fall.is_open(last) and not series.is_past]
    down_since = computed[still[-1].fell].day if still else None
    return replace(series, points=tuple(marked), down_since=down_since)


def has_dropped(series: TrendSeries) -> bool:
    """Tell whether the last total lies below the one before by more than error explains: after two sessions already."""
    if not series.is_read or series.is_past or series.scale != TOTAL or series.error is None:
        return False
    values = series.values
    return len(values) > 1 and reliable_change(values[-2], values[-1], series.error) is Direction.DOWN


def _sessions_of(series: TrendSeries, *, by_forms: bool) -> tuple[int | None, ...]:
    """Number the computed scores by the record's sessions, or by the forms, computed or not."""
    return tuple(
        place if by_forms else point.session
        for place, point in enumerate(series.counted, 1)
        if point.value is not None
    )


def findings_of(
    series: Sequence[TrendSeries],
    interpretation: Interpretation,
    *,
    scale: str = TOTAL,
    has_sessions: bool = True,
) -> Findings | None:
    """Read what the scores of a scale say, the young person's first; None if nothing that is read has been rated.

    `has_sessions`: whether the record has any; else forms are counted in their place.
    """
    read = [each for each in series if each.is_read and each.scale == scale]
    if not read:
        return None
    rated = []
    for each in sorted(read, key=lambda one: RATER_ORDER.index(one.rater)):
        computed = [(point, point.value) for point in each.counted if point.value is not None]
        rated.append(
            Rated(
                rater=each.rater,
                name=each.name,
                scale=(each.measure, each.low, each.high),
                ratings=tuple(Rating(point.day, value, point.session) for point, value in computed),
                sessions=_sessions_of(each, by_forms=not has_sessions),
                falls=falls_of(each, interpretation),
                sd=each.error.sd if each.error else None,
                is_past=each.is_past,
                by_forms=not has_sessions,
            )
        )
    return read_findings(rated, within=interpretation.repair_within, divergence=interpretation.divergence)
