"""Responses whose items were read before are read as if they had not been."""

import json
import random
from typing import Any

import msgspec
import pytest

from plugin.responses import UnreadableResponse, read_response, recurring
from plugin.responses.resource import Response
from questionnaires import load_catalogue
from questionnaires.datatypes import decoder
from questionnaires.strict import is_clean
from tests.scores.test_equality import random_response

WAI = load_catalogue().by_id("wai-s-client")
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@pytest.fixture
def known() -> bytes:
    """A response whose items have been read before."""
    data = random_response(WAI, random.Random(1), set())
    read_response(data)
    assert _by_items(data) is not None
    return data


def _by_items(data: bytes) -> Response | None:
    parts = recurring.part(data)
    return recurring.read_recurring(parts) if parts else None


def _as_a_whole(data: bytes) -> Response | None:
    """Read as though nothing had been read before; None if it is refused."""
    try:
        response = decoder(Response).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return response if is_clean(data) else None


def _read(data: bytes) -> Response | None:
    try:
        return read_response(data)
    except UnreadableResponse:
        return None


def _altered(data: bytes, chance: random.Random) -> bytes:
    """Take out, double or replace a few bytes, nearly always beside something that counts in JSON."""
    marks = [place for place, byte in enumerate(data) if byte in b'{}[],:"']
    place = max(0, chance.choice(marks) + chance.choice([-1, 0, 1]))
    size = chance.choice([0, 1, 1, 2, 9, 30])
    middle = chance.choice(
        [b"", data[place : place + size] * 2, b"[]", b"{}", b"null", b'"x":1,', b"\\", b" "]
    )
    return data[:place] + middle + data[place + size :]


def test_altered_responses_are_read_or_refused_as_though_no_item_had_been_read_before(known: bytes) -> None:
    chance = random.Random(5)
    outcomes = set()
    for _ in range(6_000):
        data = _altered(known, chance)
        expected = _as_a_whole(data)
        assert _read(data) == expected
        outcomes.add((expected is not None, _by_items(data) is not None))
    assert (True, True) in outcomes
    assert (False, True) not in outcomes


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda data: _with(data, item=[]), "An empty array stands here"),
        (
            lambda data: data.replace(b'"status"', b'"status":"stopped","status"'),
            "“status” stands here twice",
        ),
        (lambda data: data.replace(b'{"res', b'{"item":[{"linkId":"x"}],"res'), "“item” stands here twice"),
        (lambda data: data.replace(b"]}]}", b'],"_linkId":{}}]}'), "An empty object stands here"),
        (lambda data: data[:-2] + b',{"linkId":"q99","linkId":"q99"}]}', "“linkId” stands here twice"),
        (lambda data: data[:-2] + b',{"linkId":"q99","unknown":1}]}', "There is no property “unknown” here"),
        (lambda data: data[:-2] + b',{"linkId":"q99","text":null}]}', "null stands here"),
    ],
)
def test_what_is_wrong_beside_known_items_is_told_with_its_place(known: bytes, alter: Any, says: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        read_response(alter(known))
    assert says in str(caught.value)


def _with(data: bytes, **members: object) -> bytes:
    return msgspec.json.encode(json.loads(data) | members)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_both_usual_ways_of_writing_json_are_read_by_items(known: bytes, separators: tuple[str, str]) -> None:
    data = json.dumps(json.loads(known), separators=separators).encode()
    whole = read_response(data)
    assert _by_items(data) == whole == _as_a_whole(known)


@pytest.mark.parametrize(
    "item",
    [
        {"linkId": "note", "answer": [{"valueString": "My own words"}]},
        {"linkId": "note", "answer": [{"valueCoding": {"code": "1"}, "item": [{"linkId": "My own words"}]}]},
        {"linkId": "note", "item": [{"linkId": "below", "answer": [{"valueString": "My own words"}]}]},
        {"linkId": "note", "extension": [{"url": ABSENT, "valueString": "My own words"}]},
        {"linkId": "note", "answer": [{"valueCoding": {"code": "1", "id": "My own words"}}]},
        {"linkId": "note", "answer": [{"valueCoding": {"display": "My own words"}}]},
        {
            "linkId": "note",
            "answer": [
                {
                    "valueCoding": {"code": "1"},
                    "extension": [{"url": "https://x.invalid", "valueString": "My own words"}],
                }
            ],
        },
    ],
)
def test_what_somebody_wrote_is_read_and_not_kept(known: bytes, item: dict[str, Any]) -> None:
    for data in (_with(known, item=[*json.loads(known)["item"], item]), _with(known, item=[item])):
        assert read_response(data) == _as_a_whole(data)
    assert not any(b"My own words" in kept for kept in recurring.kept())


def test_no_more_than_a_few_thousand_items_are_kept(known: bytes) -> None:
    for number in range(recurring.MOST + 10):
        read_response(_with(known, item=[{"linkId": f"q{number}"}]))
    assert 0 < len(recurring.kept()) <= recurring.MOST
