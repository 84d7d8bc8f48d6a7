"""What a scope string allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch import Level, Scopes

SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
TYPES = st.sampled_from(["Observation", "Patient", "QuestionnaireResponse", "*"])
LEVELS = st.sampled_from(list(Level))
LETTERS = st.sets(st.sampled_from("cruds"), min_size=1).map(
    lambda chosen: "".join(letter for letter in "cruds" if letter in chosen)
)


@pytest.mark.parametrize(
    ("spelling", "allowed"),
    [
        ("patient/Observation.read", "rs"),
        ("patient/Observation.write", "cud"),
        ("patient/Observation.*", "cruds"),
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.cruds", "cruds"),
        ("patient/*.read", "rs"),
        ("patient/*.c", "c"),
        ("patient/*.*", "cruds"),
    ],
)
def test_both_versions_allow_what_they_say_and_no_more(spelling: str, allowed: str) -> None:
    granted = Scopes.parse(spelling)
    assert {letter for letter in "cruds" if granted.allows("Observation", letter)} == set(allowed)


@pytest.mark.parametrize(
    "malformed",
    [
        "patient/Observation.",
        "patient/Observation.sr",
        "patient/Observation.crudsx",
        "patient/observation.rs",
        "practitioner/Observation.rs",
        "patient/Observation",
        "patient/Observation.rs?",
        "patient/Observation.read?category=survey",
        "patient/Observation.rs?category",
        "xpatient/Observation.rs",
        "patient/Observation.rs\x00",
    ],
)
def test_a_malformed_scope_allows_nothing_and_is_kept(malformed: str) -> None:
    granted = Scopes.parse(malformed)
    if "category" in malformed and "read" not in malformed:
        assert not granted.allows("Observation", "r")
        assert not granted.allows("Observation", "r", category="survey")
    else:
        assert (granted.resources, granted.other) == ((), (malformed,))


@given(LEVELS, TYPES, LETTERS)
def test_every_well_formed_v2_scope_is_understood(level: Level, kind: str, letters: str) -> None:
    asked = "Observation" if kind == "*" else kind
    granted = Scopes.parse(f"openid {level}/{kind}.{letters} launch")
    assert granted.allows(asked, letters)
    assert granted.allows(asked, letters, level=level)
    assert granted.other == ("openid", "launch")


@given(LEVELS, TYPES, LETTERS, st.sampled_from("cruds"))
def test_no_letter_is_allowed_that_is_not_there(level: Level, kind: str, letters: str, asked: str) -> None:
    granted = Scopes.parse(f"{level}/{kind}.{letters}")
    assert granted.allows("Observation", asked) == (asked in letters and kind in {"*", "Observation"})


@given(st.text(max_size=200))
def test_parsing_never_fails_and_loses_no_word(text: str) -> None:
    granted = Scopes.parse(text)
    assert len(granted.resources) + len(granted.other) == len(text.split())


@given(LEVELS, LEVELS)
def test_a_level_reaches_itself_alone(granted: Level, asked: Level) -> None:
    assert Scopes.parse(f"{granted}/Observation.r").allows("Observation", "r", level=asked) == (
        granted == asked
    )


def test_letters_may_come_from_several_scopes() -> None:
    granted = Scopes.parse("patient/Observation.c user/Observation.rs")
    assert granted.allows("Observation", "crs")
    assert not granted.allows("Observation", "crs", level="patient")


def test_nothing_asked_is_nothing_allowed() -> None:
    assert not Scopes.parse("patient/*.cruds").allows("Observation", "")


@pytest.mark.parametrize(
    ("category", "allowed"),
    [("survey", True), (SURVEY, True), ("laboratory", False), ("http://elsewhere.invalid|survey", False)],
)
def test_a_granular_scope_allows_what_meets_its_restriction(category: str, allowed: bool) -> None:
    granted = Scopes.parse(f"patient/Observation.rs?category={SURVEY}")
    assert granted.allows("Observation", "r", category=category) is allowed


def test_a_granular_scope_alone_does_not_allow_the_whole_type() -> None:
    assert not Scopes.parse(f"patient/Observation.rs?category={SURVEY}").allows("Observation", "r")


def test_one_of_several_values_is_enough_but_every_parameter_counts() -> None:
    granted = Scopes.parse("patient/Observation.r?category=survey,exam&status=final")
    assert granted.allows("Observation", "r", category="exam", status="final")
    assert not granted.allows("Observation", "r", category="exam")
    assert not granted.allows("Observation", "r", category="exam", status="amended")


def test_scopes_are_described_in_words() -> None:
    granted = Scopes.parse("patient/Observation.cs?category=survey system/*.r")
    assert granted.describe() == (
        "create, search Observation of the patient in context, where category is survey",
        "read any resource that the system may reach",
    )


def test_other_words_can_be_asked_for() -> None:
    assert "openid" in Scopes.parse("openid patient/*.r")
    assert "fhirUser" not in Scopes.parse("openid patient/*.r")
