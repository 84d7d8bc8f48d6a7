"""Building a response from a filled form: what is written can be read, checked and given to any EHR."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse
from hypothesis import given
from hypothesis import strategies as st

from plugin.responses import InvalidResponse, build_response, check_response, read_response
from questionnaires import Instrument, load_catalogue, walk
from questionnaires.resources import STRUCTURE
from tests.questionnaires import forms
from tests.responses.conftest import Build

FILLABLE = [each for each in load_catalogue().all() if each.fillable]


def test_a_built_response_is_a_valid_resource(build: Build) -> None:
    assert QuestionnaireResponse.model_validate(json.loads(build())).status == "completed"


def test_it_names_who_when_which_version_and_in_which_language(build: Build) -> None:
    built = json.loads(build(language="de"))
    assert built["questionnaire"] == "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child|1.1.0"
    assert (built["source"], built["author"]) == (
        {"reference": "Patient/p1"},
        {"reference": "Practitioner/d1"},
    )
    assert built["authored"] == "2026-11-23T09:30:00+00:00"
    assert built["language"] == "de"
    assert built["item"][0]["text"] == "Ich weiß, was wir besser machen wollen."
    assert built["item"][0]["answer"][0]["valueCoding"]["display"] == "Fast ganz"


def test_a_declined_question_stands_without_answer_and_with_the_reason(build: Build) -> None:
    (item,) = json.loads(build({"bond-1": None}))["item"]
    assert "answer" not in item
    assert item["extension"] == [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "asked-declined"}
    ]


def test_an_unanswered_question_is_left_out(build: Build) -> None:
    assert [item["linkId"] for item in json.loads(build({"bond-1": "mostly"}))["item"]] == ["bond-1"]


def test_zero_keeps_its_weight(build: Build) -> None:
    (item,) = json.loads(build({"bond-1": "not-at-all"}))["item"]
    assert [each["valueDecimal"] for each in item["answer"][0]["valueCoding"]["extension"]] == [0, 0]


def test_the_same_choices_give_the_same_bytes(build: Build) -> None:
    assert build() == build()


def test_unknown_questions_and_options_are_refused_together(build: Build) -> None:
    with pytest.raises(InvalidResponse) as caught:
        build({"goal-9": "mostly", "goal-1": "very", "score-total": "3", "intro": "x"})
    assert [(issue.link_id, issue.code) for issue in caught.value.issues] == [
        ("goal-9", "not-found"),
        ("goal-1", "code-invalid"),
        ("score-total", "not-found"),
        ("intro", "not-found"),
    ]


def test_a_moment_without_zone_is_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="time zone"):
        build(authored=datetime(2026, 11, 23, 9, 30))  # noqa: DTZ001 -- the point of the test


SITE_FORM = forms.form(
    {"linkId": "yes", "type": "boolean", "text": "Yes?"},
    {"linkId": "n", "type": "integer", "text": "N"},
    {"linkId": "d", "type": "decimal", "text": "D"},
    {"linkId": "day", "type": "date", "text": "Day"},
    {"linkId": "g", "type": "group", "text": "G", "item": [{"linkId": "t", "type": "text", "text": "T"}]},
    {
        "linkId": "o",
        "type": "choice",
        "text": "O",
        "answerOption": [{"valueInteger": 0}, {"valueInteger": 1}],
    },
    forms.question("p", item=[{"linkId": "why", "type": "text", "text": "Why?"}]),
)


@pytest.mark.parametrize(
    ("link_id", "text", "answer"),
    [
        ("yes", "true", {"valueBoolean": True}),
        ("n", "-3", {"valueInteger": -3}),
        ("d", "1.50", {"valueDecimal": 1.5}),
        ("day", "2026-11-23", {"valueDate": "2026-11-23"}),
        ("t", "words", {"valueString": "words"}),
        ("o", "0", {"valueInteger": 0}),
    ],
)
def test_questions_without_coded_options(
    tmp_path: Path, link_id: str, text: str, answer: dict[str, Any]
) -> None:
    site = forms.load(tmp_path / "made-up", SITE_FORM)
    body = build_for(site, {link_id: text})
    (item,) = json.loads(body)["item"]
    found = item["item"][0] if "item" in item else item
    assert found["answer"] == [answer]
    assert link_id in check_response(read_response(body), site, patient=None).given


@pytest.mark.parametrize(
    ("link_id", "text"), [("yes", "1"), ("n", "1.0"), ("n", "٣"), ("d", "1,5"), ("d", "NaN"), ("o", "2")]
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, link_id: str, text: str) -> None:
    site = forms.load(tmp_path / "made-up", SITE_FORM)
    with pytest.raises(InvalidResponse):
        build_for(site, {link_id: text})


@pytest.mark.parametrize(
    ("bounds", "taken", "refused"),
    [
        (("2020-02-03", None), "2020-02-03", "2020-02-02"),
        ((None, "2020-02"), "2020-02-29", "2020-03-01"),
        (("2020", "2020"), "2020-12-31", "2019-12-31"),
    ],
)
def test_a_day_outside_what_the_form_allows_is_refused(
    tmp_path: Path, bounds: tuple[str | None, str | None], taken: str, refused: str
) -> None:
    named = zip(("minValue", "maxValue"), bounds, strict=True)
    extension = [{"url": f"{STRUCTURE}{name}", "valueDate": each} for name, each in named if each]
    site = forms.load(
        tmp_path / "made-up",
        forms.form({"linkId": "day", "type": "date", "text": "Day", "extension": extension}),
    )
    assert build_for(site, {"day": taken})
    with pytest.raises(InvalidResponse) as caught:
        build_for(site, {"day": refused})
    assert [(issue.link_id, issue.code) for issue in caught.value.issues] == [("day", "value")]


def test_a_question_below_an_answer_stands_inside_it(tmp_path: Path) -> None:
    site = forms.load(tmp_path / "made-up", SITE_FORM)
    body = build_for(site, {"p": "s1", "why": "because"})
    answers = check_response(read_response(body), site, patient=None)
    assert [*answers.given] == ["p", "why"]


def build_for(instrument: Instrument, choices: dict[str, str | None], language: str = "en") -> bytes:
    return build_response(
        instrument,
        choices,
        patient="Patient/p1",
        encounter=None,
        author=None,
        source=None,
        authored=datetime.fromisoformat("2026-11-23T09:30:00+00:00"),
        identifier=("urn:ietf:rfc:3986", "urn:uuid:0"),
        language=language,
    )


@given(data=st.data())
def test_whatever_is_chosen_is_what_is_read(data: st.DataObject) -> None:
    instrument = data.draw(st.sampled_from(FILLABLE))
    language = data.draw(st.sampled_from(instrument.languages))
    choices: dict[str, str | None] = {}
    for item in walk(instrument.items):
        if item.is_question:
            codes = [option.code for option in item.options]
            choice = data.draw(st.sampled_from([*codes, None, "skip"]))
            if choice != "skip":
                choices[item.link_id] = choice
    answers = check_response(
        read_response(build_for(instrument, choices, language)), instrument, patient="Patient/p1"
    )
    assert {link_id: given[0].code for link_id, given in answers.given.items()} == {
        link_id: choice for link_id, choice in choices.items() if choice is not None
    }
    assert answers.declined == {link_id for link_id, choice in choices.items() if choice is None}
    assert answers.warnings == ()
