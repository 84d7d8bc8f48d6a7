"""Scores over sessions as the page shows them: one line a rater, never averaged; marks only where the site accepted a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from plugin.pages.figures import tenths
from plugin.pages.shapes import SHAPES, samples_of
from plugin.pages.worded import Instead, number_of
from plugin.trends.change import Direction, Statistics, band_around, reliable_change
from plugin.trends.findings import Findings
from plugin.trends.medication import Course

# The young person first: the rating of the youth is the one to read first (Roest 2022, J Clin Child Adolesc Psychol).
RATER_ORDER = ("child", "caregiver", "therapist", "observer")
LOOKS = len(SHAPES)  # each is a mark, a dash and a colour, by which lines are told apart


class Event(StrEnum):
    """What a site's rule says of a score among those before it."""

    RUPTURE = "rupture"
    REPAIR = "repair"


class Gap(StrEnum):
    """Why a form that was answered has no value to draw."""

    UNCOMPUTED = "uncomputed"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One session's score on its native scale; `value` is None where it was not computed or is withheld, and `absent` says why.

    `day` is that of `when` at the site. `virtual` is None where the record does not say how the session was held.
    """

    when: datetime
    day: date
    value: float | None
    absent: str | None = None
    virtual: bool | None = None
    event: Event | None = None
    session: int | None = None
    caregiver: bool | None = None  # whether one took part in the session, where the record says
    is_superseded: bool = False  # the same person's later form of the same session counts in its place


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One respondent's scores on one scale, oldest first.

    `measure` names the family of forms whose scores share a scale (the four check-ins are one measure): only series of
    one measure and one range share a plot. `scale` and `scale_label` name the score: total, goal, task, bond.
    `down_since` is the day of the last rupture from which the scores have not come back. `is_bounded` tells whether `low`
    and `high` are what can be reached; where nobody knows that, they are zero and the highest score there was.
    """

    rater: str
    name: str
    measure: str
    scale: str
    scale_label: str
    low: float
    high: float
    points: tuple[TrendPoint, ...]
    error: Statistics | None = None
    is_read: bool = False  # whether the site accepts that something is read out of its instrument's scores
    down_since: date | None = None
    is_bounded: bool = True
    is_past: bool = (
        False  # the same person has answered a later form of this measure since: this line has ended
    )
    is_part: bool = False  # earlier scores may be missing for now: which was the first is not known
    by_day: Mapping[date, tuple[TrendPoint, ...]] = field(init=False, repr=False, compare=False)
    counted: tuple[TrendPoint, ...] = field(init=False, repr=False, compare=False)  # one of each session

    def __post_init__(self) -> None:
        """Sort the points by day once: a page asks for each day many times."""
        object.__setattr__(self, "counted", tuple(each for each in self.points if not each.is_superseded))
        days: dict[date, tuple[TrendPoint, ...]] = {}
        for point in self.points:
            days[point.day] = (*days.get(point.day, ()), point)
        object.__setattr__(self, "by_day", days)

    @property
    def number(self) -> int:
        """By which a respondent without a name is told from others of their kind; 0 where there are none."""
        return number_of(self.name)

    @property
    def most(self) -> float | None:
        """The highest score that can be reached; None where that is not known."""
        return self.high if self.is_bounded else None

    @property
    def values(self) -> tuple[float, ...]:
        """The scores that were computed and count."""
        return tuple(point.value for point in self.counted if point.value is not None)

    @property
    def ruptures(self) -> tuple[date, ...]:
        """The days of its ruptures, oldest first."""
        return tuple(point.day for point in self.points if point.event is Event.RUPTURE)

    @property
    def repairs(self) -> tuple[date, ...]:
        """The days of its repairs, oldest first."""
        return tuple(point.day for point in self.points if point.event is Event.REPAIR)

    @property
    def before(self) -> TrendPoint | None:
        """The last score that was computed before the form that was rated last."""
        return next((point for point in reversed(self.counted[:-1]) if point.value is not None), None)

    @property
    def first(self) -> TrendPoint | None:
        """The first score that was computed."""
        return next((point for point in self.counted if point.value is not None), None)

    @property
    def band(self) -> tuple[float, float] | None:
        """Scores that do not differ reliably from the first, cut to the scale; None where error or the first is not known."""
        if self.is_part or self.error is None or self.first is None or self.first.value is None:
            return None
        return band_around(self.first.value, self.error, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A form that the record dates on a day which is still to come: its scores are named, not drawn and not compared."""

    name: str
    day: date


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A form of the record whose scores have no day, or cannot be read: they are named, too. `written`: what stands for its day."""

    name: str
    written: str
    is_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted for the site that scores are interpreted, and when."""

    by: str
    on: date


@dataclass(frozen=True, slots=True)
class Trend:
    """Everything to plot; the order of the series is the order of the scales.

    `courses` are the medicines, None where the site does not show them. `criterion` is the site's rule for ruptures, of which the
    first `sessions_before` scores are none.
    `findings` is None where the site accepts no interpretation or nothing of what it names has been rated; `accepted` tells
    on whose word they are read. `called` are the names of everybody who rated, by their references.
    """

    series: tuple[TrendSeries, ...] = ()
    courses: tuple[Course, ...] | None = None
    criterion: str | None = None
    findings: Findings | None = None
    repair_within: int = 3
    divergence: float = 1.0
    ahead: tuple[Ahead, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    accepted: Acceptance | None = None
    called: Mapping[str, str] = field(default_factory=dict)
    sessions_before: int = 5


def looks_of(raters: Sequence[str]) -> tuple[int, ...]:
    """Number the looks of a plot's lines: the first of a kind of rater has that of its kind, in whatever company.

    Further people of a kind have what no kind in the plot has; beyond six lines looks come again.
    """
    kinds = {RATER_ORDER.index(each) for each in raters}
    spare = [
        each for each in (*range(len(RATER_ORDER), LOOKS), *range(len(RATER_ORDER))) if each not in kinds
    ]
    looks: list[int] = []
    for place, rater in enumerate(raters):
        own = RATER_ORDER.index(rater)
        looks.append(own if own not in looks else spare.pop(0) if spare else place % LOOKS)
    return tuple(looks)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: series of one measure with one range."""

    measure: str
    label: str
    low: float
    high: float
    series: tuple[TrendSeries, ...]
    is_common: bool = False  # series of different ranges, each on 0 to 100 of its own
    is_bounded: bool = True  # whether `low` and `high` are what can be reached
    days: tuple[date, ...] = field(
        init=False, repr=False, compare=False
    )  # on which somebody answered, oldest first
    kinds: Mapping[date, tuple[bool, ...]] = field(init=False, repr=False, compare=False)
    carers: frozenset[date] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the points once: two drawings, their words and a table ask for each day."""
        days = sorted({day for series in self.series for day in series.by_day})
        kinds: dict[date, set[bool]] = {day: set() for day in days}
        carers = set()
        for series in self.series:
            for day, points in series.by_day.items():
                kinds[day].update(each.virtual for each in points if each.virtual is not None)
                if any(each.caregiver for each in points):
                    carers.add(day)
        object.__setattr__(self, "days", tuple(days))
        object.__setattr__(self, "kinds", {day: tuple(sorted(found)) for day, found in kinds.items()})
        object.__setattr__(self, "carers", frozenset(carers))

    @property
    def has_events(self) -> bool:
        """Whether a rupture or a repair is marked."""
        return any(point.event for series in self.series for point in series.points)

    @property
    def gaps(self) -> frozenset[Gap]:
        """Why there are marks of scores without a value."""
        points = (point for series in self.series for point in series.points)
        return frozenset(
            Gap.WITHHELD if isinstance(point.absent, Instead) else Gap.UNCOMPUTED
            for point in points
            if point.value is None
        )

    @property
    def gap_looks(self) -> tuple[int, ...]:
        """The looks of those whose marks stand for scores without a value."""
        return tuple(look for look, each in self.looked if any(point.value is None for point in each.points))

    @property
    def gap_samples(self) -> tuple[str, ...]:
        """Their marks, as a legend shows them."""
        return samples_of(self.gap_looks)

    @property
    def video(self) -> tuple[int, int]:
        """How many of its days had a session by video, and of how many days the record tells."""
        known = [kinds for kinds in self.kinds.values() if kinds]
        return sum(True in kinds for kinds in known), len(known)

    @property
    def with_caregiver(self) -> int:
        """On how many of its days a caregiver took part."""
        return len(self.carers)

    @property
    def looked(self) -> tuple[tuple[int, TrendSeries], ...]:
        """The series, each with the number of its look."""
        return tuple(zip(looks_of([each.rater for each in self.series]), self.series, strict=True))

    @property
    def banded(self) -> tuple[tuple[int, TrendSeries], ...]:
        """The series whose band can be drawn, each with the number of its look."""
        return tuple((look, each) for look, each in self.looked if each.band is not None)


@dataclass(frozen=True, slots=True)
class Scale:
    """One choice of what to look at: the total, or a subscale."""

    key: str
    label: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """The latest score of one respondent beside the one before it: arithmetic, no more.

    `parts` are the series of the same form's other scores, where the latest was not computed and theirs were.
    """

    series: TrendSeries
    last: TrendPoint
    before: TrendPoint | None
    is_today: bool
    parts: tuple[TrendSeries, ...] = ()

    @property
    def moved(self) -> float | None:
        """By how much the score moved, above zero if it rose; None where there is no pair."""
        if self.before is None or self.before.value is None or self.last.value is None:
            return None
        return round(self.last.value - self.before.value, 2)

    @property
    def is_reliable(self) -> bool | None:
        """Whether the two scores differ by more than error explains; None where that is not known."""
        if self.series.error is None or self.before is None:
            return None
        if self.last.value is None or self.before.value is None:
            return None
        change = reliable_change(self.before.value, self.last.value, self.series.error)  # of unrounded scores
        return change is not Direction.UNCERTAIN

    @property
    def is_told(self) -> bool:
        """Whether the page says what the difference means: of a score that did not move there is nothing to say."""
        return self.is_reliable is not None and self.moved != 0


def group(trend: Trend) -> tuple[Scale, ...]:
    """Sort series into scales, and each scale into plots whose series can be compared."""
    by_scale: dict[str, dict[tuple[str, float, float | None], list[TrendSeries]]] = {}
    for series in trend.series:
        if series.points:
            panels = by_scale.setdefault(series.scale, {})
            panels.setdefault((series.measure, series.low, series.most), []).append(series)
    scales = []
    for key, panels in by_scale.items():
        made = tuple(_panel(found) for found in panels.values())
        scales.append(Scale(key, made[0].label, (*_common(made), *made)))
    return tuple(scales)


def since(series: TrendSeries, first: date) -> TrendSeries:
    """Leave out what was rated before a day; what is marked is judged by the whole history all the same."""
    return replace(series, points=tuple(each for each in series.points if each.day >= first))


def latest(scales: tuple[Scale, ...], today: date) -> tuple[Fact, ...]:
    """Put each respondent's last score beside the one before, for the first scale of each measure."""
    facts: list[Fact] = []
    told: set[str] = set()
    for scale in scales:
        fresh = [panel for panel in scale.panels if not panel.is_common and panel.measure not in told]
        told.update(panel.measure for panel in fresh)
        for panel in fresh:
            facts += [_fact(series, scales, today) for series in panel.series if not series.is_past]
    return tuple(facts)


def on_day(series: TrendSeries, day: date) -> tuple[TrendPoint, ...]:
    """What one respondent's form gave on a day: mostly one score, or none."""
    return series.by_day.get(day, ())


def shown_courses(courses: tuple[Course, ...] | None, panel: Panel, today: date) -> tuple[Course, ...]:
    """The medicines of the time that a plot covers, those begun since then until today, and those whose time cannot be right."""
    first, last = panel.days[0], max(panel.days[-1], today)
    return tuple(
        each
        for each in courses or ()
        if each.is_reversed
        or ((each.end is None or each.end >= first) and (each.start is None or each.start <= last))
    )


def ended_before(courses: tuple[Course, ...] | None, panel: Panel) -> int:
    """Count the medicines that ended before the first session of a plot, and so are none of its time."""
    first = panel.days[0]
    return sum(each.end is not None and each.end < first and not each.is_reversed for each in courses or ())


def _panel(found: list[TrendSeries]) -> Panel:
    ordered = tuple(sorted(found, key=lambda series: RATER_ORDER.index(series.rater)))
    first = ordered[0]
    high = max(series.high for series in ordered)
    return Panel(first.measure, first.scale_label, first.low, high, ordered, is_bounded=first.is_bounded)


def _common(panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
    """Put the series of several measures into one plot, each on 0 to 100 of its own range; nothing where one has a range."""
    panels = tuple(panel for panel in panels if panel.is_bounded)
    if len(panels) < 2:
        return ()
    series = tuple(_on_hundred(each) for panel in panels for each in panel.series)
    return (Panel("", panels[0].label, 0, 100, series, is_common=True),)


def _on_hundred(series: TrendSeries) -> TrendSeries:
    share = 100 / ((series.high - series.low) or 1)
    points = tuple(
        replace(
            point, value=None if point.value is None else float(tenths((point.value - series.low) * share))
        )
        for point in series.points
    )
    error = series.error and replace(series.error, sd=series.error.sd * share, mean=None)
    return replace(
        series, name=f"{series.name}, {series.measure}", low=0, high=100, points=points, error=error
    )


def _fact(series: TrendSeries, scales: tuple[Scale, ...], today: date) -> Fact:
    last = series.counted[-1]
    parts = _parts(series, scales) if last.value is None else ()
    return Fact(series, last, series.before, last.day == today, parts)


def _parts(series: TrendSeries, scales: tuple[Scale, ...]) -> tuple[TrendSeries, ...]:
    """Find what was computed of a form whose first score was not."""
    own, last = (series.rater, series.name, series.measure), series.counted[-1]
    others = (
        each
        for scale in scales
        for panel in scale.panels
        if not panel.is_common
        for each in panel.series
        if (each.rater, each.name, each.measure) == own and each.scale != series.scale
    )
    return tuple(
        each for each in others if each.counted[-1].day == last.day and each.counted[-1].value is not None
    )
