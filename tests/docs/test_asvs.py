"""The ASVS table: every requirement of its chapters once, counted right, and every test that it names is there."""

import pytest

from tests.docs.asvs import PAGE, Requirement, page, requirements
from tests.docs.smart_conformance import STATES
from tests.docs.test_smart_conformance import names_in

# Chapter and section -> numbers of levels 1 and 2.
NUMBERS = {
    "1.1": (1, 2),
    "1.2": range(1, 10),
    "1.3": range(1, 12),
    "1.4": range(1, 4),
    "1.5": (1, 2),
    "2.1": range(1, 4),
    "2.2": range(1, 4),
    "2.3": range(1, 5),
    "2.4": (1,),
    "3.2": (1, 2),
    "3.3": range(1, 5),
    "3.4": range(1, 7),
    "3.5": range(1, 6),
    "3.7": (1, 2),
    "4.1": range(1, 4),
    "4.2": (1,),
    "4.3": (1, 2),
    "4.4": range(1, 5),
    "5.1": (1,),
    "5.2": range(1, 4),
    "5.3": (1, 2),
    "5.4": range(1, 4),
    "6.1": range(1, 4),
    "6.2": range(1, 12),
    "6.3": range(1, 4),
    "6.4": range(1, 5),
    "6.5": range(1, 6),
    "6.6": range(1, 4),
    "6.8": range(1, 4),
    "7.1": range(1, 4),
    "7.2": range(1, 5),
    "7.3": (1, 2),
    "7.4": range(1, 6),
    "7.5": (1, 2),
    "7.6": (1, 2),
    "8.1": (1, 2),
    "8.2": range(1, 4),
    "8.3": (1,),
    "8.4": (1,),
    "9.1": range(1, 4),
    "9.2": range(1, 5),
    "10.1": (1, 2),
    "10.2": (1, 2),
    "10.3": range(1, 5),
    "10.4": range(1, 12),
    "10.5": range(1, 6),
    "10.6": (1, 2),
    "10.7": range(1, 4),
    "11.1": (1, 2),
    "11.2": range(1, 4),
    "11.3": range(1, 4),
    "11.4": range(1, 4),
    "11.5": (1,),
    "11.6": (1,),
    "12.1": range(1, 4),
    "12.2": (1, 2),
    "12.3": range(1, 5),
    "13.1": (1,),
    "13.2": range(1, 6),
    "13.3": (1, 2),
    "13.4": range(1, 6),
    "14.1": (1, 2),
    "14.2": range(1, 5),
    "14.3": range(1, 4),
    "15.1": range(1, 4),
    "15.2": range(1, 4),
    "15.3": range(1, 8),
    "16.1": (1,),
    "16.2": range(1, 6),
    "16.3": range(1, 5),
    "16.4": range(1, 4),
    "16.5": range(1, 4),
}


def test_every_requirement_stands_there_once() -> None:
    wanted = [f"{section}.{number}" for section, numbers in NUMBERS.items() for number in numbers]
    assert [each.number for each in requirements()] == wanted


@pytest.mark.parametrize("requirement", requirements(), ids=lambda each: each.number)
def test_what_is_met_names_tests_that_are_there_or_a_page(requirement: Requirement) -> None:
    assert requirement.state in STATES
    assert requirement.level in {1, 2}
    assert requirement.where
    if requirement.state == "met" and not requirement.tests:
        assert requirement.asked.startswith("Documented"), "only documentation is shown by a page"
        assert "](" in requirement.where
    if requirement.state != "met":
        assert not requirement.tests
    for test in requirement.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_the_page_is_made_from_the_data() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.docs.asvs"
