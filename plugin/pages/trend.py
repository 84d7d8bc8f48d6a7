"""Scores over sessions as the page shows them: one line a rater, never averaged, never interpreted."""

from dataclasses import dataclass
from datetime import date, datetime

# The young person first: the rating of the youth is the one to read first (Roest 2022, J Clin Child Adolesc Psychol).
RATER_ORDER = ("child", "caregiver", "therapist", "observer")


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One session's score on its native scale; `value` is None where it was not computed, and `absent` says why."""

    when: datetime
    value: float | None
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One respondent's scores on one scale, oldest first.

    `measure` names the family of forms whose scores share a scale (the four check-ins are one measure): only series of
    one measure and one range share a plot. `scale` and `scale_label` name the score: total, goal, task, bond.
    """

    rater: str
    name: str
    measure: str
    scale: str
    scale_label: str
    low: float
    high: float
    points: tuple[TrendPoint, ...]
    error: "MeasurementError | None" = None


@dataclass(frozen=True, slots=True)
class MeasurementError:
    """From which difference on two scores differ by more than error explains, in native units, and whose figures say so."""

    smallest_reliable: float
    source: str


@dataclass(frozen=True, slots=True)
class Trend:
    """Everything to plot; the order of the series is the order of the scales."""

    series: tuple[TrendSeries, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: series of one measure with one range."""

    measure: str
    label: str
    low: float
    high: float
    series: tuple[TrendSeries, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """One choice of what to look at: the total, or a subscale."""

    key: str
    label: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """The latest score of one respondent beside the one before it: arithmetic, no more."""

    series: TrendSeries
    last: TrendPoint
    before: TrendPoint | None
    is_today: bool

    @property
    def is_reliable(self) -> bool | None:
        """Whether the two scores differ by more than error explains; None where that is not known."""
        if self.series.error is None or self.before is None:
            return None
        if self.last.value is None or self.before.value is None:
            return None
        return abs(self.last.value - self.before.value) > self.series.error.smallest_reliable


def group(trend: Trend) -> tuple[Scale, ...]:
    """Sort series into scales, and each scale into plots whose series can be compared."""
    by_scale: dict[str, dict[tuple[str, float, float], list[TrendSeries]]] = {}
    for series in trend.series:
        if series.points:
            panels = by_scale.setdefault(series.scale, {})
            panels.setdefault((series.measure, series.low, series.high), []).append(series)
    scales = []
    for key, panels in by_scale.items():
        made = tuple(_panel(found) for found in panels.values())
        scales.append(Scale(key, made[0].label, made))
    return tuple(scales)


def latest(scales: tuple[Scale, ...], today: date) -> tuple[Fact, ...]:
    """Put each respondent's last score beside the one before, for the first scale of each measure."""
    facts: list[Fact] = []
    told: set[str] = set()
    for scale in scales:
        fresh = [panel for panel in scale.panels if panel.measure not in told]
        told.update(panel.measure for panel in fresh)
        for panel in fresh:
            facts += [_fact(series, today) for series in panel.series]
    return tuple(facts)


def sessions(panel: Panel) -> tuple[date, ...]:
    """Every day on which somebody answered, oldest first."""
    return tuple(sorted({point.when.date() for series in panel.series for point in series.points}))


def on_day(series: TrendSeries, day: date) -> tuple[TrendPoint, ...]:
    """What one respondent's form gave on a day: mostly one score, or none."""
    return tuple(point for point in series.points if point.when.date() == day)


def _panel(found: list[TrendSeries]) -> Panel:
    ordered = tuple(sorted(found, key=lambda series: RATER_ORDER.index(series.rater)))
    first = ordered[0]
    return Panel(first.measure, first.scale_label, first.low, first.high, ordered)


def _fact(series: TrendSeries, today: date) -> Fact:
    last = series.points[-1]
    before = next((point for point in reversed(series.points[:-1]) if point.value is not None), None)
    return Fact(series, last, before, last.when.date() == today)
