"""Geometry of what stands below a plot's axis: how sessions were held, and when medicines were taken. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from plugin.pages.trend import Panel
from plugin.trends.medication import Course

CONTACTS = 18.0  # px of the strip of sessions
COURSE = 18.0  # px of one medicine's row
MOST_COURSES = 4  # rows in the drawing; the list has all
_CLEAR = 8.0  # px between two marks of one kind, below which the second is left out
_STUB = 22.0  # px drawn of a course whose end the record does not tell


@dataclass(frozen=True, slots=True)
class ContactMark:
    """A session in person or by video."""

    path: str
    virtual: bool


@dataclass(frozen=True, slots=True)
class CourseBar:
    """A medicine's row. `begins` and `stops` are where it does so within the plot, else None."""

    y: float
    x1: float
    x2: float
    begins: float | None
    stops: float | None
    name: str
    label: str  # the name, cut to the room that there is
    certain: bool  # whether the record tells from when and how long


@dataclass(frozen=True, slots=True)
class Span:
    """The x axis: where days fall, and its ends."""

    x: Callable[[date], float]
    left: float
    right: float


def contact_marks(panel: Panel, span: Span, y: float) -> tuple[ContactMark, ...]:
    """Mark every session whose kind the record tells; what would cover the mark before it is left out."""
    marks: list[ContactMark] = []
    last: dict[bool, float] = {}
    for day, kinds in panel.kinds.items():
        for place, virtual in enumerate(kinds):
            x = span.x(day) + (place - (len(kinds) - 1) / 2) * 2 * _CLEAR
            if x - last.get(virtual, -_CLEAR) >= _CLEAR:
                last[virtual] = x
                marks.append(ContactMark(contact_path(x, y, virtual=virtual), virtual))
    return tuple(marks)


def caregiver_marks(panel: Panel, span: Span, y: float) -> tuple[tuple[float, float], ...]:
    """Place a ring around the mark of every session in which a caregiver took part."""
    return tuple((span.x(day), y) for day in sorted(panel.carers))


def contact_path(x: float, y: float, *, virtual: bool) -> str:
    """Draw a filled square for a session in person, an open triangle, as on a player, for one by video."""
    if virtual:
        return f"M{x - 3.5:.1f} {y - 4.5:.1f}l8 4.5l-8 4.5z"
    return f"M{x - 3:.1f} {y - 3:.1f}h6v6h-6z"


def course_bars(
    courses: tuple[Course, ...], days: tuple[date, ...], span: Span, top: float, characters: int
) -> tuple[CourseBar, ...]:
    """Lay medicines out below each other; `characters` is the room for a name.

    Where there are too many, those that begin or stop within the plot come first, and those without any day last. One whose end
    lies before its start is not drawn.
    """
    drawn = [
        place
        for place, each in enumerate(courses)
        if not each.is_reversed and (each.start is None or each.start <= days[-1])
    ]
    chosen = sorted(drawn, key=lambda place: _weight(courses[place], days))[:MOST_COURSES]
    return tuple(
        _bar(courses[place], days, span, top + COURSE * (row + 0.5), characters)
        for row, place in enumerate(sorted(chosen))
    )


def _weight(course: Course, days: tuple[date, ...]) -> int:
    """Tell what a plot loses least: a change that it could show, a medicine taken throughout, one of unknown days."""
    told = [each for each in (course.start, course.end) if each is not None]
    changes = any(days[0] <= each <= days[-1] for each in told)
    return 0 if changes else 1 if told else 2


def _bar(course: Course, days: tuple[date, ...], span: Span, y: float, characters: int) -> CourseBar:
    begins = span.x(course.start) if course.start is not None and course.start >= days[0] else None
    stops = span.x(course.end) if course.end is not None and course.end <= days[-1] else None
    x1 = span.left if begins is None else begins
    is_end_known = course.ongoing or course.end is not None
    x2 = stops if stops is not None else span.right if is_end_known else min(x1 + _STUB, span.right)
    certain = is_end_known and course.start is not None
    return CourseBar(y, x1, x2, begins, stops, course.name, shorten(course.name, characters), certain)


def shorten(name: str, characters: int) -> str:
    """Cut a name to the room that there is."""
    return name if len(name) <= characters else f"{name[: characters - 1].rstrip()}…"
