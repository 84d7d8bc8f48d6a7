"""Finding instruments, a site's own folders, and what is said about files that cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from questionnaires import (
    BadInstrument,
    UnknownQuestionnaire,
    UnversionedQuestionnaire,
    load_catalogue,
)
from questionnaires.check import check_folder
from tests.questionnaires import forms

CHILD = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"
GOOD = forms.form(forms.question("q1"), forms.score("s1", "1"))


def without(form: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in form.items() if key != name}


def test_a_canonical_with_its_version_finds_the_instrument() -> None:
    assert load_catalogue().by_canonical(f"{CHILD}|1.1.0").id == "rapport-checkin-child"


def test_a_canonical_without_version_is_refused_and_the_known_versions_are_named() -> None:
    with pytest.raises(
        UnversionedQuestionnaire, match=r"Known: 1\.0\.0, 1\.1\.0\. .*rapport-checkin-child\|1\.1\.0"
    ):
        load_catalogue().by_canonical(CHILD)


@pytest.mark.parametrize(
    ("canonical", "says"),
    [
        (f"{CHILD}|9.9", "no version 9.9 here. Known: 1.0.0, 1.1.0"),
        ("https://other.invalid/q|1", "no Questionnaire https://other"),
    ],
)
def test_an_unknown_canonical_is_refused(canonical: str, says: str) -> None:
    with pytest.raises(UnknownQuestionnaire, match=says):
        load_catalogue().by_canonical(canonical)


def test_an_unknown_id_names_the_known_ones() -> None:
    with pytest.raises(UnknownQuestionnaire, match="rapport-checkin-child"):
        load_catalogue().by_id("nothing")


def test_a_site_adds_an_instrument_by_a_folder(tmp_path: Path) -> None:
    forms.write(tmp_path / "made-up", GOOD)
    found = load_catalogue(folders=(tmp_path,)).by_canonical(
        "https://site.invalid/Questionnaire/made-up|2.0.0"
    )
    assert (found.id, found.fillable, found.licence_kind, found.validated) == (
        "made-up",
        True,
        "not stated",
        False,
    )
    assert found.scores[0].low is None


def test_the_hash_changes_with_the_key_and_not_with_a_language(tmp_path: Path) -> None:
    first = forms.load(tmp_path / "a", GOOD)
    again = forms.load(tmp_path / "b", GOOD)
    other = forms.load(tmp_path / "c", forms.form(forms.question("q1", (0, 1, 2, 4)), forms.score("s1", "1")))
    assert first.content_hash == again.content_hash
    assert first.content_hash.startswith("sha256:")
    assert other.content_hash != first.content_hash


def test_two_instruments_with_one_canonical_are_refused(tmp_path: Path) -> None:
    forms.write(tmp_path / "one", GOOD)
    forms.write(tmp_path / "two", GOOD)
    with pytest.raises(BadInstrument, match="Another instrument has the canonical"):
        load_catalogue(folders=(tmp_path,))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInstrument, match="There is no such folder"):
        load_catalogue(folders=(tmp_path / "nowhere",))


def _variable(**parts: str) -> dict[str, Any]:
    return {"url": forms.VARIABLE, "valueExpression": {"language": "text/fhirpath", **parts}}


def _weighed(*values: dict[str, Any]) -> dict[str, Any]:
    ordinal = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
    return forms.option("a", 1) | {"extension": [{"url": ordinal, **value} for value in values]}


BAD = [
    (forms.form(forms.question("q1"), forms.question("q1")), "linkId q1: The linkId stands twice"),
    (
        forms.form(forms.question("q1"), variables=(_variable(name="v"),)),
        "The variable %v has no expression",
    ),
    (
        forms.form(forms.question("q1"), variables=(_variable(expression="1"),)),
        "A variable has no name",
    ),
    (
        forms.form(forms.question("q1", extension=[forms.variable("v", "1"), forms.variable("v", "2")])),
        "linkId q1: The variable %v stands there 2 times",
    ),
    (forms.form(forms.question("x" * 256)), "The linkId has 256 characters"),
    (
        forms.form({"linkId": "g", "type": "group", "text": "G"}, forms.question("q")),
        "linkId g: The group is empty",
    ),
    (forms.form({"linkId": "d", "type": "display", "text": "D"}), "Nothing is asked"),
    (
        forms.form(forms.question("q1", answerOption=[{"valueCoding": {"code": "a"}}])),
        "linkId q1: The option “a” has no system",
    ),
    (
        forms.form(forms.question("q1", answerOption=[forms.option("a", 1), forms.option("a", 1)])),
        "linkId q1: The option “a” stands twice",
    ),
    (
        forms.form(
            forms.question(
                "q1",
                answerOption=[
                    {
                        "extension": [{"url": forms.WEIGHT, "valueDecimal": 1}],
                        "valueCoding": {
                            "extension": [{"url": forms.WEIGHT, "valueDecimal": 2}],
                            "system": forms.STEPS,
                            "code": "a",
                        },
                    }
                ],
            )
        ),
        "linkId q1: The option “a” carries different weights: 1, 2",
    ),
    (
        forms.form(forms.question("q1", answerOption=[_weighed({"valueDecimal": 1}, {"valueDecimal": 3})])),
        "linkId q1: The option “a” carries different weights: 1, 3",
    ),
    *(
        (
            forms.form(forms.question("q1", answerOption=[_weighed(value)])),
            "linkId q1: The option “a” has a weight that is not read: ordinalValue is a valueDecimal",
        )
        for value in ({"valueInteger": 1}, {"valueString": "1"})
    ),
    (
        forms.form(
            forms.question("q1", enableWhen=[{"question": "q9", "operator": "exists", "answerBoolean": True}])
        ),
        "linkId q1: enableWhen names “q9”",
    ),
    (without(GOOD, "extension"), "Nothing says who rates"),
    (without(GOOD, "version"), "“version” is missing"),
    (GOOD | {"status": "nearly"}, "Questionnaire.status: Invalid enum value"),
    (GOOD | {"titel": "x"}, "There is no property “titel” here"),
    (GOOD | {"publisher": None}, "Questionnaire.publisher: null stands here"),
    (GOOD | {"useContext": []}, "Questionnaire.useContext: An empty array"),
    (GOOD | {"experimental": "true"}, "Questionnaire.experimental"),
]


@pytest.mark.parametrize(("form", "says"), BAD)
def test_a_bad_instrument_is_refused_with_file_place_and_remedy(
    tmp_path: Path, form: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInstrument) as caught:
        forms.load(tmp_path / "bad", form)
    assert "bad/questionnaire.json" in str(caught.value)
    assert says in str(caught.value)
    assert all(problem.remedy for problem in caught.value.problems)


def test_broken_json_is_refused(tmp_path: Path) -> None:
    folder = forms.write(tmp_path / "bad", GOOD)
    (folder / "questionnaire.json").write_bytes(b'{"resourceType": ')
    with pytest.raises(BadInstrument, match="The JSON is broken"):
        load_catalogue(folders=(tmp_path,))


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInstrument) as caught:
        forms.load(tmp_path / "bad", GOOD | {"status": "nearly", "titel": "x", "publisher": None})
    assert len(caught.value.problems) == 3


def test_publication_asks_for_more_than_loading(tmp_path: Path) -> None:
    folder = forms.write(tmp_path / "made-up", GOOD)
    with pytest.raises(BadInstrument) as caught:
        check_folder(folder)
    said = str(caught.value)
    for expected in (
        "Nothing says how versions are ordered",
        "It is not about a Patient",
        "linkId q1: The option “s0” has no weight at answerOption (ordinalValue)",
        "linkId s1: Its ObservationDefinition lacks range",
        "SOURCE.md is missing",
    ):
        assert expected in said
