"""The SMART conformance table: complete, counted right, and every test that it names is there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.docs.smart_conformance import PAGE, STATES, Requirement, counts, page, quirks, requirements

ROOT = Path(__file__).parents[2]
# Of the list of requirements of hl7.fhir.uv.smart-app-launch 2.2.0: those on clients that are not deprecated.
NUMBERS = [
    *range(1, 14),
    *range(20, 24),
    29,
    *range(32, 38),
    *range(39, 48),
    *range(50, 53),
    *range(60, 73),
    *(90, 93, 97, 98),
    *range(105, 109),
    117,
    *(120, 121, 122, 124, 125),
    *(131, 132, 133, 135, 137, 141, 143, 146, 147, 148),
    *range(150, 154),
    *range(155, 159),
    *(161, 162, 166, 191, 193, 195, 196, 201, 202, 211, 215, 216, 218, 219, 220),
    *(225, 226, 227, 229, 230),
    *range(232, 240),
    *(242, 263, 264, 267, 268, 270),
    *range(290, 296),
    *range(298, 305),
    *range(307, 310),
    *range(312, 316),
    *range(317, 326),
    *range(327, 335),
    *(343, 345, 375, 379),
    *range(413, 417),
    *(420, 425, 426, 435),
]


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(each.name for each in tree.body if isinstance(each, kinds))


def test_every_requirement_stands_there_once() -> None:
    assert [each.number for each in requirements()] == NUMBERS
    assert len(NUMBERS) == 164


@pytest.mark.parametrize("requirement", requirements(), ids=lambda each: str(each.number))
def test_what_is_met_names_tests_that_are_there(requirement: Requirement) -> None:
    assert requirement.state in STATES
    assert requirement.where
    assert bool(requirement.tests) is (requirement.state == "met")
    for test in requirement.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


@pytest.mark.parametrize("what", quirks(), ids=lambda each: each[0][:40])
def test_every_quirk_names_tests_that_are_there(what: tuple[str, str, tuple[str, ...]]) -> None:
    assert what[2]
    for test in what[2]:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_the_page_is_made_of_the_data() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it again: python -m tests.docs.smart_conformance"
    )
    total = sum(counts().values())
    assert f"**{total} requirements: {counts()['met']} met, " in page()
