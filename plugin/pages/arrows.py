"""Places the arrow heads of ruptures and repairs at their marks, clear of the other marks of a plot. Pure."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

from plugin.pages.shapes import SMALL, shape_at
from plugin.pages.trend import Event

_BEGINS = 9.0  # px from a mark to its arrow
_BEYOND = 26.0  # px from a mark to the far side of its arrow's small mark
_ASIDE = 12.0  # px from the middle of an arrow to the middle of another mark, at least, sideways
_CLEAR = 6.0  # the same up and down, from the ends of the arrow
_STEP = 4.0  # px by which an arrow goes further out until it is clear
_FURTHEST = 60.0  # px: further out nobody sees that it belongs to its mark


@dataclass(frozen=True, slots=True)
class EventMark:
    """An arrow head at a mark: downward below a rupture, upward above a repair.

    `whose` is the rater's mark, small, at the arrow's tip: the marks of two raters may cover each other.
    """

    path: str
    event: Event
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A score with an event: its line's number and mark, its place, and to which side the line's marks are moved."""

    order: int
    shape: str
    event: Event
    x: float
    y: float
    shift: float


def place_arrows(
    marked: Iterable[Marked], marks: Iterable[tuple[float, float]], *, top: float, axis_y: float
) -> dict[int, tuple[EventMark, ...]]:
    """Give each line's arrows: as near to their score as no other score's mark lies under them; at it where none is clear.

    `marks` are the places of all marks of the plot. Between `top` and `axis_y` an arrow may be moved.
    """
    taken = sorted(marks)
    made: dict[int, tuple[EventMark, ...]] = {}
    for each in marked:
        further = _clear(each, taken, top, axis_y)
        made[each.order] = (*made.get(each.order, ()), _arrow(each, further, axis_y))
        insort(taken, (each.x, each.y + _down(each) * (_BEYOND - SMALL + further)))
    return made


def single_arrows(marked: Iterable[Marked]) -> dict[int, tuple[EventMark, ...]]:
    """Give the arrows of a plot of one line: nobody asks whose they are."""
    made: dict[int, tuple[EventMark, ...]] = {}
    for each in marked:
        made[each.order] = (*made.get(each.order, ()), EventMark(_head(each, 0.0), each.event))
    return made


def _clear(each: Marked, taken: list[tuple[float, float]], top: float, axis_y: float) -> float:
    """Find how much further out an arrow is clear of other marks; 0 where it is nowhere."""
    near = taken[
        bisect_right(taken, (each.x - _ASIDE, float("inf"))) : bisect_left(taken, (each.x + _ASIDE, 0.0))
    ]
    down = _down(each)
    away = [(y - each.y) * down for x, y in near if (x, y) != (each.x, each.y)]
    further = 0.0
    while further <= _FURTHEST:
        begin, end = _BEGINS + further, _BEYOND + further
        inside = each.y + end <= axis_y if down > 0 else each.y - end >= top
        if not inside:
            break
        if not any(begin - _CLEAR < one < end + _CLEAR for one in away):
            return further
        further += _STEP
    return 0.0


def _down(each: Marked) -> int:
    return 1 if each.event is Event.RUPTURE else -1


def _arrow(each: Marked, further: float, axis_y: float) -> EventMark:
    return EventMark(_head(each, further), each.event, _whose(each, further, axis_y))


def _head(each: Marked, further: float) -> str:
    begins = _BEGINS + further
    if each.event is Event.RUPTURE:
        return f"M{each.x - 6:.1f} {each.y + begins:.1f}l6 7l6 -7"
    return f"M{each.x - 6:.1f} {each.y - begins:.1f}l6 -7l6 7"


def _whose(each: Marked, further: float, axis_y: float) -> str:
    """Put the rater's mark beyond the arrow's tip; outward beside it where that would cover the days below the axis."""
    beyond = _BEYOND - SMALL + further
    if each.event is Event.REPAIR:
        return shape_at(each.shape, each.x, each.y - beyond, small=True)
    if each.y + _BEYOND + further > axis_y:
        return shape_at(each.shape, each.x + (-11 if each.shift < 0 else 11), each.y + 12, small=True)
    return shape_at(each.shape, each.x, each.y + beyond, small=True)
