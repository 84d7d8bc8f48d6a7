"""Marks ruptures and repairs on the scores that a site interprets, by the rule that it has accepted."""

from dataclasses import replace

from plugin.interpretation import Interpretation
from plugin.pages import TrendPoint, TrendSeries
from plugin.pages.trend import Event
from plugin.trends.sequences import Criterion, Fall, Rule, find_sequences
from questionnaires import Instrument

TOTAL = "score-total"  # the published criteria are about a scale's total


def is_interpreted(interpretation: Interpretation | None, instrument: Instrument, score: str) -> bool:
    """Tell whether a site reads anything into a score: totals of the instruments that it names, where higher is better."""
    if interpretation is None or score != TOTAL or instrument.id not in interpretation.instruments:
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


def falls_of(
    series: TrendSeries, interpretation: Interpretation | None, between_sd: float | None
) -> tuple[Fall, ...]:
    """Find falls and repairs among the scores that were computed; places count those."""
    rule = rule_of(interpretation) if interpretation else None
    if rule is None:
        return ()
    values = [point.value for point in series.points if point.value is not None]
    return find_sequences(values, rule, low=series.low, high=series.high, between_sd=between_sd)


def mark_events(
    series: TrendSeries, interpretation: Interpretation | None, between_sd: float | None
) -> tuple[TrendPoint, ...]:
    """Give a series' points with their marks. `between_sd`: the SD between people that the site has adopted, native units."""
    events: dict[int, Event] = {}
    for fall in falls_of(series, interpretation, between_sd):
        events[fall.fell] = Event.RUPTURE
        if fall.repaired is not None:
            events[fall.repaired] = Event.REPAIR
    marked, place = [], 0
    for point in series.points:
        marked.append(replace(point, event=events.get(place) if point.value is not None else None))
        place += point.value is not None
    return tuple(marked)
