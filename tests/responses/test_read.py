"""Reading: what is no well-formed QuestionnaireResponse is refused, with every place at once."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.responses import Issue, UnreadableResponse, read_response
from tests.responses.conftest import Build, Json

Change = Callable[[Json], object]


def issues_of(data: bytes) -> tuple[Issue, ...]:
    with pytest.raises(UnreadableResponse) as caught:
        read_response(data)
    assert caught.value.issues
    assert all(issue.message and issue.remedy and issue.expression for issue in caught.value.issues)
    return caught.value.issues


@pytest.mark.parametrize("place", ["linkId", "valueString", "\\ud800"])
def test_half_of_a_surrogate_pair_is_told_in_words_that_can_be_written(build: Build, place: str) -> None:
    broken = b'{"%s": "\\ud800", "linkId": "again", "answer": [null]}' % place.encode()
    data = build().replace(b'"item":[', b'"item":[' + broken + b",", 1)
    assert broken in data
    for issue in issues_of(data):
        told = "".join((issue.message, issue.remedy, issue.expression or "", issue.link_id or ""))
        assert told.encode()


def test_a_response_is_read_with_who_when_and_for_whom(build: Build) -> None:
    response = read_response(build())
    assert response.questionnaire.endswith("rapport-checkin-child|1.1.0")
    assert (response.subject_reference, response.encounter_reference) == ("Patient/p1", "Encounter/e1")
    assert (response.source_reference, response.author_reference) == ("Patient/p1", "Practitioner/d1")
    assert response.authored_at == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert response.identifier is not None
    assert response.identifier.value == "abc"
    assert response.language == "en"


@pytest.mark.parametrize(
    ("authored", "moment"),
    [
        ("2026-11-23T10:30:00+01:00", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("2026-11-23T09:30:00.123456789Z", datetime(2026, 11, 23, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11", None),
    ],
)
def test_authored_is_a_moment(body: Json, authored: str, moment: datetime | None) -> None:
    assert read_response(json.dumps(body | {"authored": authored}).encode()).authored_at == moment


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("valueBoolean", False, False),
        ("valueInteger", 0, 0),
        ("valueDate", "2024-02-29", "2024-02-29"),
        ("valueDateTime", "2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z"),
        ("valueTime", "10:00:00", "10:00:00"),
        ("valueString", "words", "words"),
        ("valueUri", "urn:x", "urn:x"),
    ],
)
def test_every_simple_kind_of_answer_is_read(body: Json, name: str, value: object, expected: object) -> None:
    body["item"][0]["answer"] = [{name: value}]
    answer = read_response(json.dumps(body).encode()).item[0].answer[0]
    assert answer.kind == name.removeprefix("value")
    assert answer.value == expected


def test_decimals_keep_every_digit(body: Json) -> None:
    body["item"][0]["answer"] = [{"valueDecimal": "@"}]
    data = json.dumps(body).replace('"@"', "0.12345678901234567890").encode()
    assert str(read_response(data).item[0].answer[0].valueDecimal) == "0.12345678901234567890"


@pytest.mark.parametrize(
    "number",
    ["1e999999999", "-1e999999999", "1e9999999999999999999999", "1e-9999999999999999999999", "9" * 5000],
)
def test_a_number_beyond_all_computing_is_refused_at_its_place(body: Json, number: str) -> None:
    body["item"][0]["answer"] = [{"valueDecimal": "@"}]
    (issue,) = issues_of(json.dumps(body).replace('"@"', number).encode())
    assert issue.expression == "QuestionnaireResponse.item[0].answer[0].value"
    assert "larger than any that is kept" in issue.message


def test_a_byte_order_mark_is_named(body: Json) -> None:
    (issue,) = issues_of(b"\xef\xbb\xbf" + json.dumps(body).encode())
    assert "byte order mark" in issue.message


def test_extensions_are_kept(body: Json) -> None:
    absent = {
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "asked-declined",
    }
    address = {"url": "https://site.invalid/where", "valueAddress": {"city": "Somewhere", "line": ["1"]}}
    body["item"][0] = {"linkId": "goal-1", "extension": [absent, address]}
    body["extension"] = [{"url": "https://site.invalid/a", "extension": [{"url": "b", "valueDecimal": 0.50}]}]
    response = read_response(json.dumps(body).encode())
    assert response.item[0].extension[0].valueCode == "asked-declined"
    assert response.item[0].extension[1].valueAddress == {"city": "Somewhere", "line": ["1"]}
    assert response.extension[0].extension[0].valueDecimal == Decimal("0.5")


REFUSED: list[tuple[Change, str, str, str]] = [
    (lambda body: body.pop("questionnaire"), "required", "QuestionnaireResponse.questionnaire", "missing"),
    (lambda body: body.pop("status"), "required", "QuestionnaireResponse.status", "missing"),
    (
        lambda body: body.update(resourceType="Patient"),
        "value",
        "QuestionnaireResponse.resourceType",
        "Patient",
    ),
    (lambda body: body.update(status="bogus"), "value", "QuestionnaireResponse.status", "bogus"),
    (lambda body: body.update(stauts="x"), "structure", "QuestionnaireResponse", "no property “stauts”"),
    (lambda body: body.update(authored=1714557600), "value", "QuestionnaireResponse.authored", "str"),
    (
        lambda body: body.update(authored="2026-11-23T10:00:00"),
        "value",
        "QuestionnaireResponse.authored",
        "written",
    ),
    (lambda body: body.update(authored="2026-13-01"), "value", "QuestionnaireResponse.authored", "written"),
    (
        lambda body: body.update(authored="2026-02-30"),
        "value",
        "QuestionnaireResponse.authored",
        "no such day",
    ),
    (lambda body: body.update(subject=None), "structure", "QuestionnaireResponse.subject", "null"),
    (lambda body: body.update(subject={}), "structure", "QuestionnaireResponse.subject", "empty object"),
    (lambda body: body.update(subject="Patient/p1"), "structure", "QuestionnaireResponse.subject", "Text"),
    (lambda body: body.update(item=[]), "structure", "QuestionnaireResponse.item", "empty array"),
    (lambda body: body.update(item={"linkId": "a"}), "structure", "QuestionnaireResponse.item", "An object"),
    (lambda body: body.update(language=""), "value", "QuestionnaireResponse.language", "str"),
    (
        lambda body: body.update(questionnaire="a b"),
        "value",
        "QuestionnaireResponse.questionnaire",
        "written",
    ),
    (lambda body: body.update(id="x" * 65), "value", "QuestionnaireResponse.id", "written"),
    (lambda body: body["item"][1].update(linkId=7), "value", "QuestionnaireResponse.item[1].linkId", "str"),
    (
        lambda body: body["item"][1]["answer"][0].update(valueString="x"),
        "invariant",
        "QuestionnaireResponse.item[1].answer[0]",
        "one value",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueInteger": "3"}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "int",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueInteger": 3.0}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "int",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueInteger": True}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "int",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueInteger": 2**31}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "int",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueDecimal": "1.5"}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "number",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueBoolean": "true"}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "bool",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueDate": "2024-02-30"}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "no such day",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueCoding": {"code": " a"}}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value.code",
        "written",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"id": "a"}]),
        "invariant",
        "QuestionnaireResponse.item[1].answer[0]",
        "needs a value",
    ),
    (
        lambda body: body["item"][1].update(item=[{"linkId": "x"}]),
        "invariant",
        "QuestionnaireResponse.item[1]",
        "not both",
    ),
    (
        lambda body: body["item"][1].update(answer=[{"valueDecimal": 10**400}]),
        "value",
        "QuestionnaireResponse.item[1].answer[0].value",
        "larger than any that is kept",
    ),
    (
        lambda body: body.update(contained=[{"a": [{"b": None}]}]),
        "structure",
        "QuestionnaireResponse.contained[0].a[0].b",
        "null",
    ),
]


@pytest.mark.parametrize(("change", "code", "expression", "says"), REFUSED)
def test_a_malformed_response_is_refused_with_its_place(
    body: Json, change: Change, code: str, expression: str, says: str
) -> None:
    change(body)
    (issue,) = issues_of(json.dumps(body).encode())
    assert (issue.code, issue.expression) == (code, expression)
    assert says in issue.message


def test_an_issue_inside_an_item_names_its_link_id(body: Json) -> None:
    body["item"][2]["answer"][0]["valueCoding"]["code"] = None
    (issue,) = issues_of(json.dumps(body).encode())
    assert issue.link_id == "task-1"


@pytest.mark.parametrize("written", ["1e99999999999999999999", "-1e99999999999999999999"])
def test_an_exponent_that_no_decimal_holds_is_refused_with_its_place(body: Json, written: str) -> None:
    body["item"][1]["answer"] = [{"valueDecimal": 271828}]
    (issue,) = issues_of(json.dumps(body).replace("271828", written).encode())
    assert issue.expression == "QuestionnaireResponse.item[1].answer[0].value"
    assert "larger than any that is kept" in issue.message


def test_all_problems_come_at_once(body: Json) -> None:
    body["status"] = "bogus"
    body["authored"] = "yesterday"
    body["subject"] = {}
    body["item"][3]["answer"][0]["valueCoding"]["display"] = 5
    assert len(issues_of(json.dumps(body).encode())) == 4


def test_a_doubled_key_is_refused(build: Build) -> None:
    data = build().replace(b'"status":"completed"', b'"status":"completed","status":"amended"')
    (issue,) = issues_of(data)
    assert (issue.expression, issue.message) == (
        "QuestionnaireResponse.status",
        "“status” stands here twice.",
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "The JSON is broken"),
        (b'{"resourceType": "Questi', "The JSON is broken"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"[" * 200 + b"]" * 200, "An array"),
        (b"[1]", "An array stands where an object belongs"),
        (b'"x"', "Text stands where an object belongs"),
        (b"null", "null stands here"),
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes, says: str) -> None:
    assert any(says in issue.message for issue in issues_of(data))


def test_items_nested_beyond_reason_are_refused(body: Json) -> None:
    deep = b'{"linkId":"a","item":[' * 5000 + b'{"linkId":"a"}' + b"]}" * 5000
    data = json.dumps(body | {"item": "@"}).encode().replace(b'"@"', b"[" + deep + b"]")
    assert [issue.code for issue in issues_of(data)] == ["too-long"]


KEYS = [
    "resourceType",
    "status",
    "questionnaire",
    "item",
    "linkId",
    "answer",
    "valueInteger",
    "extension",
    "url",
    "x",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(value=JSON)
def test_any_json_is_read_or_refused_with_a_reason(value: Any) -> None:
    data = json.dumps(value).encode()
    with contextlib.suppress(UnreadableResponse):
        read_response(data)
        return
    issues_of(data)
