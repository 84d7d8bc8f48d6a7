"""The order of a caseload: by need, or by name, last session or clinician as the supervisor chose. Pure."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from plugin.pages.caseload import Sort, Way
from plugin.routes.needs import Known, Need, by_need

Case = tuple[Known, tuple[Need, ...]]
"""A patient with what calls for a look."""


def sort_cases(cases: Sequence[Case], sort: Sort, way: Way, names: Mapping[str, str]) -> list[Case]:
    """Sort; what is equal stays in the order of need, and who has no name comes last either way."""
    urgent = by_need(cases)
    if sort is Sort.NEED:
        return urgent
    key: Callable[[Case], str | float]
    if sort is Sort.SESSION:
        key = lambda case: case[0].sessions[-1].first.timestamp()  # noqa: E731 -- one of three, each a line
    elif sort is Sort.CLINICIAN:
        key = lambda case: _folded(names.get(last := case[0].openings[-1].clinician) or last)  # noqa: E731
    else:
        key = lambda case: _folded(names.get(case[0].patient, ""))  # noqa: E731
    ordered = sorted(urgent, key=key, reverse=way is Way.DOWN)  # stable, reversed too
    if sort is Sort.NAME:
        ordered.sort(key=lambda case: not names.get(case[0].patient))
    return ordered


def _folded(name: str) -> str:
    """Write a name without accents and capitals, so that Émile stands beside Emil."""
    apart = unicodedata.normalize("NFKD", name)
    return "".join(each for each in apart if not unicodedata.combining(each)).casefold()
