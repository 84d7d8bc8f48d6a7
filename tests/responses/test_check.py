"""Checking a response against its form: every problem at once, each with its linkId, and the answers that come out."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plugin.responses import Answers, Given, InvalidResponse, Issue, check_response, read_response
from questionnaires import Instrument
from tests.questionnaires import forms
from tests.responses.conftest import CHOICES, Build, Json

AGREEMENT = "https://w3id.org/rapport-fhir/CodeSystem/agreement"


def check(body: Json, instrument: Instrument, patient: str | None = "Patient/p1") -> Answers:
    return check_response(read_response(json.dumps(body).encode()), instrument, patient=patient)


def issues_of(body: Json, instrument: Instrument, patient: str | None = "Patient/p1") -> list[Issue]:
    with pytest.raises(InvalidResponse) as caught:
        check(body, instrument, patient)
    return [issue for issue in caught.value.issues if issue.severity == "error"]


def test_the_answers_come_in_the_order_of_the_form_with_the_forms_weights(
    body: Json, instrument: Instrument
) -> None:
    body["item"].reverse()
    answers = check(body, instrument)
    assert [*answers.given] == [*CHOICES]
    assert answers.given["goal-2"] == (Given("not-at-all", Decimal(0), None, AGREEMENT),)
    assert answers.declined == frozenset()
    assert answers.warnings == ()


def test_skipped_and_declined_questions_are_told_apart(build: Build, instrument: Instrument) -> None:
    choices = {"goal-1": "mostly", "bond-1": None}
    answers = check(json.loads(build(choices)), instrument)
    assert [*answers.given] == ["goal-1"]
    assert answers.declined == {"bond-1"}


def test_a_response_without_answers_is_valid_where_nothing_is_required(
    build: Build, instrument: Instrument
) -> None:
    assert check(json.loads(build({})), instrument) == Answers({})


Change = Callable[[Json], object]
MODIFIER = [{"url": "https://x.invalid/not", "valueBoolean": True}]
REFUSED: list[tuple[Change, str, str | None, str, str]] = [
    (
        lambda body: body["item"][0].update(linkId="goal-9"),
        "not-found",
        "goal-9",
        "QuestionnaireResponse.item[0].linkId",
        "no such item",
    ),
    (
        lambda body: body["item"][0]["answer"][0]["valueCoding"].update(code="very"),
        "code-invalid",
        "goal-1",
        "QuestionnaireResponse.item[0].answer[0].value",
        "none of the options",
    ),
    (
        lambda body: body["item"][0]["answer"][0]["valueCoding"].update(system="https://other.invalid"),
        "code-invalid",
        "goal-1",
        "QuestionnaireResponse.item[0].answer[0].value",
        "none of the options",
    ),
    (
        lambda body: body["item"][0]["answer"][0]["valueCoding"].pop("system"),
        "code-invalid",
        "goal-1",
        "QuestionnaireResponse.item[0].answer[0].value",
        "none of the options",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueInteger": 3}]),
        "value",
        "goal-2",
        "QuestionnaireResponse.item[1].answer[0].value",
        "valueInteger",
    ),
    (
        lambda body: body["item"][1].update(answer=body["item"][0]["answer"] * 2),
        "structure",
        "goal-2",
        "QuestionnaireResponse.item[1].answer",
        "2 answers and may have one",
    ),
    (
        lambda body: body["item"].append(body["item"][0]),
        "structure",
        "goal-1",
        "QuestionnaireResponse.item[6]",
        "twice",
    ),
    (
        lambda body: body["item"].append({"linkId": "scores", "item": [body["item"].pop(0)]}),
        "structure",
        "goal-1",
        "QuestionnaireResponse.item[5].item[0]",
        "wrong place",
    ),
    (
        lambda body: body["item"].append({"linkId": "intro", "answer": [{"valueString": "x"}]}),
        "structure",
        "intro",
        "QuestionnaireResponse.item[6].answer",
        "display cannot be answered",
    ),
    (
        lambda body: body.update(status="entered-in-error"),
        "business-rule",
        None,
        "QuestionnaireResponse.status",
        "entered in error",
    ),
    (
        lambda body: body.update(
            questionnaire="https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"
        ),
        "business-rule",
        None,
        "QuestionnaireResponse.questionnaire",
        "not to",
    ),
    (
        lambda body: body.update(subject={"reference": "Patient/p2"}),
        "business-rule",
        None,
        "QuestionnaireResponse.subject",
        "somebody else",
    ),
    (
        lambda body: body.update(subject={"reference": "https://other.invalid/Patient/p1"}),
        "business-rule",
        None,
        "QuestionnaireResponse.subject",
        "somebody else",
    ),
    (lambda body: body.pop("subject"), "required", None, "QuestionnaireResponse.subject", "whom it is about"),
    (
        lambda body: body.update(modifierExtension=MODIFIER),
        "extension",
        None,
        "QuestionnaireResponse.modifierExtension",
        "https://x.invalid/not",
    ),
    (
        lambda body: body["item"][0].update(modifierExtension=MODIFIER),
        "extension",
        "goal-1",
        "QuestionnaireResponse.item.modifierExtension",
        "https://x.invalid/not",
    ),
    (
        lambda body: body["item"][0]["answer"][0].update(modifierExtension=MODIFIER),
        "extension",
        "goal-1",
        "QuestionnaireResponse.answer.modifierExtension",
        "https://x.invalid/not",
    ),
]


@pytest.mark.parametrize(("change", "code", "link_id", "expression", "says"), REFUSED)
def test_a_response_that_does_not_fit_is_refused(
    body: Json,
    instrument: Instrument,
    change: Change,
    code: str,
    link_id: str | None,
    expression: str,
    says: str,
) -> None:
    change(body)
    (issue,) = issues_of(body, instrument)
    assert (issue.code, issue.link_id, issue.expression) == (code, link_id, expression)
    assert says in issue.message
    assert issue.remedy


def test_all_problems_come_at_once(body: Json, instrument: Instrument) -> None:
    body["subject"]["reference"] = "Patient/p2"
    body["item"][0]["linkId"] = "goal-9"
    body["item"][1]["answer"][0]["valueCoding"]["code"] = "very"
    body["item"][2]["answer"] = [{"valueString": "x"}]
    assert [issue.link_id for issue in issues_of(body, instrument)] == [None, "goal-9", "goal-2", "task-1"]


def test_messages_do_not_repeat_answers(body: Json, instrument: Instrument) -> None:
    body["item"][0]["answer"] = [{"valueString": "a secret"}]
    body["item"][1]["answer"][0]["valueCoding"]["code"] = "another-secret"
    assert "secret" not in " ".join(str(issue) for issue in issues_of(body, instrument))


def test_another_text_or_weight_is_a_warning_and_the_forms_weight_counts(
    body: Json, instrument: Instrument
) -> None:
    body["item"][0]["text"] = "Another sentence."
    body["item"][1]["answer"][0]["valueCoding"]["extension"][0]["valueDecimal"] = 4
    answers = check(body, instrument)
    assert [(issue.link_id, issue.severity) for issue in answers.warnings] == [
        ("goal-1", "warning"),
        ("goal-2", "warning"),
    ]
    assert answers.given["goal-2"][0].weight == 0


def test_the_text_of_any_language_of_the_form_is_its_text(build: Build, instrument: Instrument) -> None:
    assert check(json.loads(build(language="pt")), instrument).warnings == ()


def test_a_score_in_the_response_is_ignored(body: Json, instrument: Instrument) -> None:
    stored = {"linkId": "score-total", "answer": [{"valueDecimal": 24}]}
    body["item"].append({"linkId": "scores", "item": [stored]})
    assert "score-total" not in check(body, instrument).given


YES_NO = [forms.option("yes", 1), forms.option("no", 0)]
SITE_FORM = forms.form(
    {"linkId": "school", "type": "boolean", "text": "At school?", "required": True},
    {
        "linkId": "at-school",
        "type": "group",
        "text": "School",
        "enableWhen": [{"question": "school", "operator": "=", "answerBoolean": True}],
        "item": [forms.question("friends", required=True), forms.question("lessons", repeats=True)],
    },
    {"linkId": "hours", "type": "integer", "text": "Hours"},
    {
        "linkId": "tired",
        "type": "string",
        "text": "Tired?",
        "enableWhen": [{"question": "hours", "operator": ">", "answerInteger": 6}],
    },
    forms.question("parent", item=[{"linkId": "why", "type": "text", "text": "Why?"}]),
    {"linkId": "visit", "type": "group", "text": "Visits", "repeats": True, "item": [forms.question("mood")]},
    {"linkId": "note", "type": "open-choice", "text": "Note", "answerOption": YES_NO},
)


@pytest.fixture
def site(tmp_path: Path) -> Instrument:
    return forms.load(tmp_path / "made-up", SITE_FORM)


def step(code: str) -> Json:
    return {"valueCoding": {"system": forms.STEPS, "code": code}}


def respond(*items: Json, **more: Any) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "https://site.invalid/Questionnaire/made-up|2.0.0",
        "status": "completed",
        "item": [*items],
    } | more


NO_SCHOOL = {"linkId": "school", "answer": [{"valueBoolean": False}]}
SCHOOL = {"linkId": "school", "answer": [{"valueBoolean": True}]}
FRIENDS = {"linkId": "friends", "answer": [step("s1")]}


def test_every_kind_of_answer_is_given_to_scoring(site: Instrument) -> None:
    lessons = {"linkId": "lessons", "answer": [step("s1"), step("s3")]}
    visits = [
        {"linkId": "visit", "item": [{"linkId": "mood", "answer": [step(code)]}]} for code in ("s0", "s2")
    ]
    parent = {
        "linkId": "parent",
        "answer": [step("s2") | {"item": [{"linkId": "why", "answer": [{"valueString": "x"}]}]}],
    }
    answers = check(
        respond(
            SCHOOL,
            {"linkId": "at-school", "item": [FRIENDS, lessons]},
            {"linkId": "hours", "answer": [{"valueInteger": 7}]},
            parent,
            *visits,
            {"linkId": "note", "answer": [{"valueString": "free words"}]},
        ),
        site,
        None,
    )
    assert [given.weight for given in answers.given["lessons"]] == [1, 3]
    assert [given.weight for given in answers.given["mood"]] == [0, 2]
    assert answers.given["hours"] == (Given("7", None, Decimal(7), None),)
    assert answers.given["school"] == (Given("true"),)
    assert answers.given["why"] == (Given("x"),)
    assert answers.given["note"] == (Given("free words"),)


@pytest.mark.parametrize(
    ("items", "link_id", "says"),
    [
        ([{"linkId": "hours"}], "school", "must be answered"),
        (
            [SCHOOL, {"linkId": "at-school", "item": [{"linkId": "lessons", "answer": [step("s1")]}]}],
            "friends",
            "must be",
        ),
        ([NO_SCHOOL, {"linkId": "at-school", "item": [FRIENDS]}], "at-school", "does not ask it"),
        (
            [
                NO_SCHOOL,
                {"linkId": "hours", "answer": [{"valueInteger": 6}]},
                {"linkId": "tired", "answer": [{"valueString": "x"}]},
            ],
            "tired",
            "does not ask it",
        ),
        (
            [NO_SCHOOL, {"linkId": "at-school"}, {"linkId": "friends", "answer": [step("s1")]}],
            "friends",
            "wrong place",
        ),
        ([NO_SCHOOL, {"linkId": "hours", "answer": [{"valueDecimal": 6}]}], "hours", "valueDecimal"),
        (
            [NO_SCHOOL, {"linkId": "parent", "item": [{"linkId": "why", "answer": [{"valueString": "x"}]}]}],
            "parent",
            "beside",
        ),
        ([NO_SCHOOL, {"linkId": "hours"}, {"linkId": "hours"}], "hours", "twice"),
        ([NO_SCHOOL, {"linkId": "note", "answer": [step("s9")]}], "note", "none of the options"),
        (
            [NO_SCHOOL, {"linkId": "note", "answer": [{"valueInteger": 1}]}],
            "note",
            "valueCoding or valueString",
        ),
    ],
)
def test_structure_conditions_and_requirements(
    site: Instrument, items: list[Json], link_id: str, says: str
) -> None:
    issues = issues_of(respond(*items), site, None)
    assert link_id in {issue.link_id for issue in issues}
    assert any(says in issue.message for issue in issues)


def test_what_is_not_asked_is_not_required(site: Instrument) -> None:
    assert check(respond(NO_SCHOOL), site, None).given["school"] == (Given("false"),)


def test_an_unfinished_response_may_lack_required_answers(site: Instrument) -> None:
    assert check(respond({"linkId": "hours"}, status="in-progress"), site, None).given == {}


@pytest.mark.parametrize(
    ("operator", "answer", "hours", "asked"),
    [
        ("exists", {"answerBoolean": True}, 3, True),
        ("exists", {"answerBoolean": True}, None, False),
        ("exists", {"answerBoolean": False}, None, True),
        ("=", {"answerInteger": 3}, 3, True),
        ("=", {"answerInteger": 3}, 4, False),
        ("!=", {"answerInteger": 3}, 4, True),
        ("!=", {"answerInteger": 3}, 3, False),
        ("!=", {"answerInteger": 3}, None, True),
        (">", {"answerInteger": 3}, 4, True),
        (">", {"answerInteger": 3}, 3, False),
        (">=", {"answerInteger": 3}, 3, True),
        ("<", {"answerInteger": 3}, 2, True),
        ("<=", {"answerInteger": 3}, 4, False),
        ("<", {"answerInteger": 3}, None, False),
    ],
)
def test_conditions_follow_r4(
    tmp_path: Path, operator: str, answer: Json, hours: int | None, *, asked: bool
) -> None:
    condition = {"question": "hours", "operator": operator} | answer
    site = forms.load(
        tmp_path / "made-up",
        forms.form(
            {"linkId": "hours", "type": "integer", "text": "Hours"},
            forms.question("q", enableWhen=[condition]),
        ),
    )
    items = [{"linkId": "q", "answer": [step("s1")]}]
    if hours is not None:
        items.append({"linkId": "hours", "answer": [{"valueInteger": hours}]})
    if asked:
        assert "q" in check(respond(*items), site, None).given
    else:
        assert [issue.link_id for issue in issues_of(respond(*items), site, None)] == ["q"]


@pytest.mark.parametrize(("behaviour", "asked"), [("any", True), ("all", False)])
def test_several_conditions_combine_as_the_form_says(tmp_path: Path, behaviour: str, *, asked: bool) -> None:
    conditions = [
        {"question": "a", "operator": "=", "answerCoding": {"system": forms.STEPS, "code": code}}
        for code in ("s1", "s2")
    ]
    site = forms.load(
        tmp_path / "made-up",
        forms.form(forms.question("a"), forms.question("q", enableWhen=conditions, enableBehavior=behaviour)),
    )
    body = respond({"linkId": "a", "answer": [step("s1")]}, {"linkId": "q", "answer": [step("s1")]})
    if asked:
        assert "q" in check(body, site, None).given
    else:
        assert [issue.link_id for issue in issues_of(body, site, None)] == ["q"]
