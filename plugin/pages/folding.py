"""The x axis of a plot without long pauses between sessions, lest these take the room of the sessions. Pure."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, pairwise

LONG = 90  # days without a session, below which a pause is drawn: a summer is part of a therapy
_TIMES = 6  # how many times as long as the usual interval a pause is, at least
_MONTH = 365.25 / 12  # days
_SIGN = 16.0  # px of the sign between the sessions at both sides
_MOST = 0.6  # the share of the axis that pauses left out may take: the longest come first


@dataclass(frozen=True, slots=True)
class Pause:
    """The time between two sessions that follow each other."""

    before: date
    after: date

    @property
    def days(self) -> int:
        """How long it is."""
        return (self.after - self.before).days

    @property
    def months(self) -> int:
        """How long it is, roundly."""
        return round(self.days / _MONTH)


@dataclass(frozen=True, slots=True)
class Fold:
    """A pause that is left out: its sign lies from `left` to `right`, px, clear of the marks of the sessions beside it."""

    pause: Pause
    left: float
    right: float

    @property
    def middle(self) -> float:
        """Where the words of the sign stand, px."""
        return (self.left + self.right) / 2


class Axis:
    """Where the days from `first` to `last` fall between `start` and `end`, px: by time, but for pauses that are left out."""

    def __init__(
        self,
        first: date,
        last: date,
        start: float,
        end: float,
        *,
        pauses: tuple[Pause, ...] = (),
        aside: float = 0.0,
    ) -> None:
        """Lay the axis out; `aside` is how many px marks reach to the side of their day."""
        width = _SIGN + 2 * aside
        self._aside = aside
        self._pauses = _worth_folding(pauses, (last - first).days, end - start, width)
        self._befores = [each.before for each in self._pauses]
        self._days = [
            first.toordinal(),
            *(each.toordinal() for one in self._pauses for each in (one.before, one.after)),
        ]
        self._days.append(last.toordinal())
        shown = self._days[-1] - self._days[0] - sum(each.days for each in self._pauses)
        room = end - start - width * len(self._pauses)
        self.scale = room / shown if shown else room
        """How many px a day takes."""
        steps = [
            width if place % 2 else (after - before) * self.scale
            for place, (before, after) in enumerate(pairwise(self._days))
        ]
        # A single day stands in the middle.
        self._places = list(accumulate(steps, initial=start if shown else (start + end) / 2))
        self.folds = tuple(
            Fold(pause, self._places[2 * number + 1] + aside, self._places[2 * number + 2] - aside)
            for number, pause in enumerate(self._pauses)
        )
        """The pauses that are left out, in order."""

    def x(self, day: date) -> float:
        """Place a day; one within a pause that is left out lies within its sign."""
        at = min(max(bisect_right(self._days, day.toordinal()), 1), len(self._days) - 1)
        before, after = self._days[at - 1 : at + 1]
        left, right = self._places[at - 1 : at + 1]
        if at % 2 == 0 and before < day.toordinal() < after:  # within a pause
            left, right = left + self._aside, right - self._aside
        return left + (right - left) * (
            (day.toordinal() - before) / (after - before) if after > before else 0.0
        )

    def run(self, day: date) -> int:
        """Tell how many pauses left out lie before a day: only scores of one run are joined by a line."""
        return bisect_left(self._befores, day)


def long_pauses(days: tuple[date, ...]) -> tuple[Pause, ...]:
    """Find the pauses of three months and more that are six times as long as the usual interval (the lower median)."""
    intervals = (Pause(before, after) for before, after in pairwise(days))
    least = max(LONG, _TIMES * usual_interval(days))
    return tuple(each for each in intervals if each.days >= least)


def usual_interval(days: tuple[date, ...]) -> int:
    """Give the days from one session to the next, as they usually are: the lower median; 1 where there is one session."""
    intervals = sorted((after - before).days for before, after in pairwise(days))
    return intervals[(len(intervals) - 1) // 2] if intervals else 1


def _worth_folding(pauses: tuple[Pause, ...], days: int, room: float, width: float) -> tuple[Pause, ...]:
    """Choose the pauses that take more room than their sign would."""
    worth = [each for each in pauses if each.days * room / days > width]
    longest = sorted(worth, key=lambda each: -each.days)[: int(room * _MOST / width)]
    return tuple(each for each in worth if each in longest)
