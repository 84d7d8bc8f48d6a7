"""The scores of a plot as a table: the words of each row, made once, whatever page shows them. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from plugin.pages.trend import Event, Panel, TrendPoint, on_day
from plugin.pages.worded import Instead


@dataclass(frozen=True, slots=True)
class Row:
    """One day: how it is headed, and what each rater's form gave."""

    head: str
    cells: tuple[str, ...]


def table_rows(
    panel: Panel,
    words: Mapping[str, str],
    day_of: Callable[[date], str],
    number: Callable[[float], str],
    unscored: Callable[[str | None], str],
    colon: str,
) -> Iterator[Row]:
    """Give the rows of a plot's table, the latest day first; `words`, `colon` and what the callables give are in the reader's language."""
    kinds = {True: words["video"], False: words["person"]}
    events = {None: "", Event.RUPTURE: f" ({words['rupture']})", Event.REPAIR: f" ({words['repair']})"}

    def cell(point: TrendPoint) -> str:
        if point.value is not None:
            return f"{number(point.value)}{events[point.event]}"
        reason = None if isinstance(point.absent, Instead) else point.absent
        return f"{unscored(point.absent)}{f'{colon} {reason}' if reason else ''}{events[point.event]}"

    for day in reversed(panel.days):
        told = [day_of(day), *(kinds[each] for each in panel.kinds[day])]
        head = ", ".join([*told, words["caregiver"]] if day in panel.carers else told)
        yield Row(head, tuple(", ".join(map(cell, on_day(each, day))) or "–" for each in panel.series))
