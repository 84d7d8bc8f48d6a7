"""Geometry of a trend plot: panel in, coordinates out. Pure; `templates/clinician/plot.html` draws it.

Raters differ by mark and dash, so the plot reads in greyscale; x is time, without long pauses, y the native scale with its full range.
"""

from dataclasses import dataclass, replace
from datetime import date

from plugin.pages.arrows import EventMark, Marked, place_arrows, single_arrows
from plugin.pages.folding import Axis, Fold, long_pauses, usual_interval
from plugin.pages.naming import Label, label_all
from plugin.pages.shapes import SHAPES, shape_at
from plugin.pages.strips import (
    CONTACTS,
    COURSE,
    ContactMark,
    CourseBar,
    Span,
    caregiver_marks,
    contact_marks,
    course_bars,
)
from plugin.pages.trend import Event, Panel, TrendPoint, TrendSeries
from plugin.trends.medication import Course

_DODGE = 7.0  # px between the marks of two raters of one session, so that equal scores stay visible
_LABEL_LINE = 17.0  # px between two labels at the line ends
_NEXT_LINE = 14.0  # px between the lines of one label
_DAY_LABEL = 86.0  # px that a date below the axis takes
_STRIP = 22.0  # px below the axis for scores that were not computed
_MARK = 7.0  # px from the middle of a mark to what stands beside it
_LINE = 4.0  # the same of a line alone
_MARGIN = 10.0  # px between the ends of the axis and the first and last session
_NEAR = 24.0  # px beyond that, from where a line no longer leads to its label: it would go through other people's marks
_CLOSE = 9.0  # px between two sessions below which marks are small, else they would cover each other
_CROWDED = 4.5  # px below which lines stand alone: no mark would be told from the next
_ARROW = 18.0  # px from a mark to the far side of a rupture's arrow, and of the rater's mark beside it
_EDGE = 2.0  # px from the upper edge up to which arrows may be moved
_DASHES = ("", "7 4", "2 4", "10 4 2 4", "5 2", "1 3")


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area, px, and how many lines of how many characters a label at a line's end may have."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    label_characters: int
    label_lines: int = 2


TOP = 28.0  # px above the scale's highest score: a repair's arrow and the rater's mark above it
WIDE = Frame(width=720, height=284, left=66, right=172, top=TOP, bottom=30, label_characters=19)
NARROW = Frame(width=350, height=264, left=58, right=98, top=TOP, bottom=30, label_characters=10)


@dataclass(frozen=True, slots=True)
class Mark:
    """One session of one rater; hollow where the score was not computed or is withheld."""

    path: str
    x: float
    y: float
    hollow: bool


@dataclass(frozen=True, slots=True)
class Band:
    """Where scores lie that do not differ reliably from the first."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """One rater's line, broken where a score is missing or a pause is left out, with its label at the right end."""

    order: int
    look: int
    name: str
    label: Label
    label_y: float  # of its first line
    end_x: float
    end_y: float
    path: str
    dash: str
    marks: tuple[Mark, ...]
    leader: str = ""  # from a line's end to its label
    sign: str = ""  # the rater's mark at the label, where the line ends too far away
    events: tuple[EventMark, ...] = ()
    band: Band | None = None

    @property
    def label_lines(self) -> tuple[tuple[float, str], ...]:
        """Each line of the label, with its height in the drawing."""
        return tuple((self.label_y + _NEXT_LINE * place, words) for place, words in enumerate(self.label))

    @property
    def solid(self) -> str:
        """All marks of computed scores as one path: a long history has hundreds."""
        return "".join([each.path for each in self.marks if not each.hollow])

    @property
    def hollow(self) -> str:
        """All marks of scores that were not computed as one path."""
        return "".join([each.path for each in self.marks if each.hollow])


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    value: float
    common: int | None = None  # the same place on 0 to 100, where the scale is another


@dataclass(frozen=True, slots=True)
class DayTick:
    """A labelled day on the x axis."""

    at: float
    day: date


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything to draw, in px of `frame`."""

    frame: Frame
    axis_y: float
    strip_y: float | None
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[DayTick, ...]
    lines: tuple[Line, ...]
    one_year: bool  # the days need no year
    height: float
    days_y: float
    contacts: tuple[ContactMark, ...] = ()
    caregivers: tuple[tuple[float, float], ...] = ()  # centres of rings around sessions
    courses: tuple[CourseBar, ...] = ()
    is_crowded: bool = False  # lines alone, and thinner
    folds: tuple[Fold, ...] = ()  # pauses that the axis leaves out

    def is_left_out(self, x: float) -> bool:
        """Whether a place lies within the sign of a pause: nothing is drawn through its words."""
        return any(fold.left <= x <= fold.right for fold in self.folds)

    @property
    def middle_y(self) -> float:
        """Half-way up the scale."""
        return (self.axis_y + self.frame.top) / 2

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """From where to where the grid is drawn: all of the width but for the signs of pauses left out."""
        inner = [each for fold in self.folds for each in (fold.left, fold.right)]
        ends = [self.frame.left, *inner, self.frame.width - self.frame.right]
        return tuple(zip(ends[::2], ends[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where days and values fall."""

    frame: Frame
    axis: Axis
    low: float
    high: float
    axis_y: float
    spacing: float  # px from one session to the next, as they usually are
    is_crowded: bool  # there is no room for marks

    def shift(self, order: int, count: int) -> float:
        """Move a line's marks sideways, so that equal scores of one session stay visible; lines alone stand where they are."""
        return 0.0 if self.is_crowded else (order - (count - 1) / 2) * _DODGE

    def x(self, day: date) -> float:
        """Place a day; a single day stands in the middle."""
        return self.axis.x(day)

    def y(self, value: float) -> float:
        """Place a value; one outside the range stands at its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return self.axis_y - (self.axis_y - self.frame.top) * share


def draw(
    panel: Panel,
    frame: Frame,
    courses: tuple[Course, ...] = (),
    *,
    axis: tuple[date, date] | None = None,
    today: date | None = None,
) -> Plot:
    """Lay a panel out in a frame; sessions' kinds and medicines make it higher.

    `axis` is the first and the last day of the x axis, which lie around the panel's own: days stand by time then. None: the
    panel's own, and pauses far longer than usual are left out. Days have no year where all are of the year of `today`.
    """
    days = panel.days
    first, last = axis or (days[0], days[-1])
    gaps = any(point.value is None for series in panel.series for point in series.points)
    axis_y = frame.height - frame.bottom - (_STRIP if gaps else 0)
    pauses = long_pauses(days) if axis is None else ()
    dodged = _DODGE * (len(panel.series) - 1) / 2
    left, right = frame.left + _MARGIN, frame.width - frame.right - _MARGIN
    across = Axis(first, last, left + dodged, right - dodged, pauses=pauses, aside=dodged + _MARK)
    usual = usual_interval(days)
    is_crowded = usual * across.scale < _CROWDED
    if is_crowded:
        across = Axis(first, last, left, right, pauses=pauses, aside=_LINE)
    placing = _Placing(frame, across, panel.low, panel.high, axis_y, usual * across.scale, is_crowded)
    room = _room(panel, placing)
    frame = replace(frame, height=frame.height + room, bottom=frame.bottom + room)
    strip_y = axis_y + room + _STRIP / 2 + 2 if gaps else None
    lines = [
        _line(series, order, look, len(panel.series), placing, strip_y or axis_y)
        for order, (look, series) in enumerate(panel.looked)
    ]
    arrows = _arrows(panel, lines, placing)
    lines = [replace(line, events=arrows.get(line.order, ())) for line in lines]
    span = Span(placing.x, frame.left, frame.width - frame.right)
    kinds_y = axis_y + room + (_STRIP if gaps else 0) + CONTACTS / 2 + 2
    caregivers = caregiver_marks(panel, span, kinds_y)
    known = bool(caregivers) or any(panel.kinds.values())
    below = frame.height + (CONTACTS if known else 0)
    bars = course_bars(courses, days, span, below, frame.label_characters)
    return Plot(
        frame=frame,
        axis_y=axis_y,
        strip_y=strip_y,
        y_ticks=tuple(_tick(value, panel, placing) for value in _values(panel.low, panel.high)),
        x_ticks=tuple(DayTick(placing.x(day), day) for day in _days(days, placing)),
        lines=_spread(lines, frame, _MARGIN + (0 if is_crowded else 2 * dodged) + _NEAR),
        one_year=days[0].year == days[-1].year == (today or days[-1]).year,
        height=below + COURSE * len(bars),
        days_y=below - 8,
        contacts=contact_marks(panel, span, kinds_y) if known else (),
        caregivers=caregivers,
        courses=bars,
        is_crowded=placing.is_crowded,
        folds=across.folds,
    )


def _room(panel: Panel, placing: _Placing) -> float:
    """Give what the arrows of low ruptures take below the axis, where days, sessions and hollow marks stand else."""
    fallen = [
        placing.y(point.value)
        for series in panel.series
        for point in series.points
        if point.event is Event.RUPTURE and point.value is not None
    ]
    return max(0.0, max(fallen, default=0.0) + _ARROW - placing.axis_y)


def _line(series: TrendSeries, order: int, look: int, count: int, placing: _Placing, strip_y: float) -> Line:
    shift = placing.shift(order, count)
    shape = SHAPES[look]
    pieces: list[str] = []
    marks: list[Mark] = []
    run = -1  # in which the pen is down
    x = y = 0.0
    places = {day: placing.x(day) + shift for day in series.by_day}
    for number, point in enumerate(series.points):
        x = places[point.day]
        y = strip_y if point.value is None else placing.y(point.value)
        is_marked = not placing.is_crowded or _stands_out(series.points, number, placing.axis)
        mark = shape_at(shape, x, y, small=placing.spacing < _CLOSE) if is_marked else ""
        marks.append(Mark(mark, x, y, hollow=point.value is None))
        if point.value is not None:
            pieces.append(f"{'L' if run == placing.axis.run(point.day) else 'M'}{x:.1f} {y:.1f}")
        run = -1 if point.value is None else placing.axis.run(point.day)
    return Line(
        order=order,
        look=look,
        name=series.name,
        label=(series.name,),
        label_y=y,
        end_x=x,
        end_y=y,
        path="".join(pieces),
        dash=_DASHES[look],
        marks=tuple(marks),
        band=_band(series, placing),
    )


def _arrows(panel: Panel, lines: list[Line], placing: _Placing) -> dict[int, tuple[EventMark, ...]]:
    """Place the arrows of all lines: whose is said where there are several."""
    marked = [
        Marked(
            line.order,
            SHAPES[line.look],
            point.event,
            mark.x,
            mark.y,
            placing.shift(line.order, len(lines)),
        )
        for series, line in zip(panel.series, lines, strict=True)
        for point, mark in zip(series.points, line.marks, strict=True)
        if point.event is not None
    ]
    if len(lines) == 1:
        return single_arrows(marked)
    places = [(mark.x, mark.y) for line in lines for mark in line.marks]
    return place_arrows(marked, places, top=_EDGE, axis_y=placing.axis_y)


def _stands_out(points: tuple[TrendPoint, ...], number: int, axis: Axis) -> bool:
    """Tell whether a score keeps its mark among lines alone: the last, a marked one, and one that no line goes through."""
    point = points[number]
    beside = (*points[max(0, number - 1) : number], *points[number + 1 : number + 2])
    run = axis.run(point.day)
    is_joined = point.value is not None and any(
        each.value is not None and axis.run(each.day) == run for each in beside
    )
    return number == len(points) - 1 or point.event is not None or not is_joined


def _band(series: TrendSeries, placing: _Placing) -> Band | None:
    if series.band is None:
        return None
    low, high = series.band
    return Band(placing.y(high), placing.y(low) - placing.y(high))


def _spread(lines: list[Line], frame: Frame, near: float) -> tuple[Line, ...]:
    """Name the lines, and move labels apart so that none covers another, keeping their order from top to bottom.

    A line that ends more than `near` px from the right is told by its mark at the label.
    """
    names = [line.name for line in lines]
    room = frame.height - frame.bottom - frame.top
    labels = label_all(names, frame.label_characters, frame.label_lines)
    if sum(map(_height, labels)) - _LABEL_LINE > room:
        labels = label_all(names, frame.label_characters, 1)
    by_height = sorted(lines, key=lambda line: (line.label_y, line.order))
    placed: dict[int, float] = {}
    least = frame.top
    below = sum(_height(labels[line.order]) for line in lines)
    for line in by_height:
        highest_end = frame.height - frame.bottom + _LABEL_LINE - below
        at = min(max(line.label_y, least), highest_end)
        placed[line.order] = at
        least = at + _height(labels[line.order])
        below -= _height(labels[line.order])
    return tuple(
        _led(replace(line, label=labels[line.order], label_y=placed[line.order]), frame, near)
        for line in lines
    )


def _led(line: Line, frame: Frame, near: float) -> Line:
    right = frame.width - frame.right
    if right - line.end_x > near:
        return replace(line, sign=shape_at(SHAPES[line.look], right + 6, line.label_y, small=True))
    leader = f"M{line.end_x + 8:.1f} {line.end_y:.1f}L{right + 8:.1f} {line.label_y:.1f}"
    return replace(line, leader=leader)


def _height(label: Label) -> float:
    """Give what a label takes, with the gap to the next."""
    return _LABEL_LINE + _NEXT_LINE * (len(label) - 1)


def _tick(value: float, panel: Panel, placing: _Placing) -> Tick:
    """Label a place with the native value and, beside it, the share of the range on 0 to 100 if there is one."""
    is_hundred = (panel.low, panel.high) == (0, 100)
    share = (value - panel.low) / ((panel.high - panel.low) or 1)
    return Tick(placing.y(value), value, None if is_hundred or not panel.is_bounded else round(100 * share))


def _values(low: float, high: float) -> tuple[float, ...]:
    """Divide a range into equal whole steps, four if possible; else name its ends only."""
    for steps in (4, 3, 5, 2):
        step = (high - low) / steps
        if step > 0 and step == int(step):
            return tuple(low + step * each for each in range(steps + 1))
    return (low, high)


def _days(days: tuple[date, ...], placing: _Placing) -> tuple[date, ...]:
    """Choose the days to label: the first, the last, those beside pauses left out, and those between, as there is room."""
    folds = placing.axis.folds
    beside = (*(fold.pause.after for fold in folds), *(fold.pause.before for fold in folds))
    chosen: dict[date, float] = {}
    for day in (days[0], days[-1], *beside, *days[1:-1]):
        x = placing.x(day)
        if all(abs(x - each) >= _DAY_LABEL for each in chosen.values()):
            chosen[day] = x
    return tuple(sorted(chosen))
