"""The order of a caseload: by need, or by name, last session or clinician as the supervisor chose. Pure."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from plugin.pages.caseload import Sort, Way
from plugin.routes.needs import Known, Need, by_need

Case = tuple[Known, tuple[Need, ...]]
"""A patient with what calls for a look."""


def sort_cases(cases: Sequence[Case], sort: Sort, way: Way, names: Mapping[str, str]) -> list[Case]:
    """Sort; what is equal stays in the order of need, and who has no name, or no session, comes last either way."""
    urgent = by_need(cases)
    if sort is Sort.NEED:
        return urgent
    key: Callable[[Case], str | float]
    has_key: Callable[[Case], object] = lambda _: True  # noqa: E731 -- each of these is a line
    if sort is Sort.SESSION:
        last = {known.patient: each.first.timestamp() for known, _ in cases if (each := known.last_session)}
        key = lambda case: last.get(case[0].patient, 0)  # noqa: E731
        has_key = lambda case: case[0].patient in last  # noqa: E731
    elif sort is Sort.CLINICIAN:
        key = lambda case: _folded(names.get(last := case[0].openings[-1].clinician) or last)  # noqa: E731
    else:
        key = lambda case: _folded(names.get(case[0].patient, ""))  # noqa: E731
        has_key = lambda case: names.get(case[0].patient)  # noqa: E731
    ordered = sorted(urgent, key=key, reverse=way is Way.DOWN)  # stable, reversed too
    return sorted(ordered, key=lambda case: not has_key(case))


def _folded(name: str) -> str:
    """Write a name without accents and capitals, so that Émile stands beside Emil."""
    apart = unicodedata.normalize("NFKD", name)
    return "".join(each for each in apart if not unicodedata.combining(each)).casefold()
