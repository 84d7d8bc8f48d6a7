"""The order of a caseload: accents, equal names, people without a name."""

from datetime import UTC, timedelta

import pytest

from plugin.access.openings import Opening
from plugin.pages import Trend
from plugin.pages.caseload import Sort, Way
from plugin.routes.needs import Known, Need
from plugin.routes.sorting import Case, sort_cases
from tests.pages import samples

NAMES = {
    "Patient/1": "Zoë",
    "Patient/2": "émile",
    "Patient/3": "Emil",
    "Patient/5": "Zoe",
    "Practitioner/1": "Dr Ä",
    "Practitioner/2": "Dr B",
}


def case(number: int, clinician: int, *needs: Need) -> Case:
    first = samples.NOW + timedelta(days=number)
    opening = Opening(
        f"Patient/{number}", f"Practitioner/{clinician}", None, first, first.date(), has_form=True
    )
    return Known(f"Patient/{number}", Trend(), (), (opening,), UTC), needs


CASES = (case(1, 2), case(2, 1), case(3, 1), case(4, 1, Need.RUPTURE), case(5, 2, Need.OVERDUE))


@pytest.mark.parametrize(
    ("sort", "way", "order"),
    [
        (Sort.NEED, Way.UP, [4, 5, 1, 2, 3]),
        (Sort.NAME, Way.UP, [3, 2, 5, 1, 4]),
        (Sort.NAME, Way.DOWN, [5, 1, 2, 3, 4]),
        (Sort.SESSION, Way.DOWN, [5, 4, 3, 2, 1]),
        (Sort.CLINICIAN, Way.UP, [4, 2, 3, 5, 1]),
        (Sort.CLINICIAN, Way.DOWN, [5, 1, 4, 2, 3]),
    ],
)
def test_what_is_equal_stays_in_the_order_of_need(sort: Sort, way: Way, order: list[int]) -> None:
    found = sort_cases(CASES, sort, way, NAMES)
    assert [int(known.patient.removeprefix("Patient/")) for known, _ in found] == order
