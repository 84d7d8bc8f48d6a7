"""The quick ways give what the full ones give: whole, damaged and rearranged responses of every instrument."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.responses import Answers, Head, InvalidResponse, UnreadableResponse, check_response, read_response
from plugin.responses.usual import part, read_usual
from questionnaires import Instrument, load_catalogue
from questionnaires.strict import find_blemishes, is_clean
from tests.questionnaires import forms
from tests.scores.test_equality import random_response

Json = dict[str, Any]
INSTRUMENTS = load_catalogue().all()
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"


def _items(tree: Any) -> list[Json]:
    """Give every item that has a linkId, at any depth."""
    if isinstance(tree, list):
        return [found for each in tree for found in _items(each)]
    if not isinstance(tree, dict):
        return []
    own = [tree] if "linkId" in tree else []
    return own + [found for each in tree.values() for found in _items(each)]


def _codings(tree: Json) -> list[Json]:
    answers = [answer for item in _items(tree) for answer in item.get("answer", ())]
    return [answer["valueCoding"] for answer in answers if "valueCoding" in answer]


def _twice(tree: Json, chance: random.Random) -> None:
    tree["item"].append(json.loads(json.dumps(chance.choice(tree["item"]))))


def _two_answers(tree: Json, chance: random.Random) -> None:
    item = chance.choice(_items(tree))
    item["answer"] = item.get("answer", []) * 2 or [{"valueBoolean": True}]


def _another_weight(tree: Json, chance: random.Random) -> None:
    for coding in _codings(tree)[:1]:
        coding["extension"] = [{"url": WEIGHT, "valueDecimal": chance.choice([0, 1, 99])}]


def _modified_answer(tree: Json, chance: random.Random) -> None:
    item = chance.choice(_items(tree))
    modified = chance.choice([item, *item.get("answer", ())])
    modified["modifierExtension"] = [{"url": "https://x.invalid/not", "valueBoolean": True}]


def _absent(tree: Json, chance: random.Random) -> None:
    """Leave a question without an answer, for a reason, in one of the ways in which reasons are written."""
    item = chance.choice(_items(tree))
    code = chance.choice(["asked-declined", "asked-unknown"])
    reason = {"url": ABSENT, "valueCode": code}
    item.pop("answer", None)
    written = chance.choice(["item", "item", "answer", "twice", "beside", "doubled"])
    if written == "answer":
        item["answer"] = [{"extension": [reason]}]
        return
    other = {"url": "https://x.invalid/note", "valueBoolean": True}
    item["extension"] = {"twice": [reason, reason], "beside": [other, reason]}.get(written, [reason])
    if written == "doubled":
        tree["item"].append(json.loads(json.dumps(item)))


DAMAGES: list[Callable[[Json, random.Random], object]] = [
    lambda tree, chance: None,
    lambda tree, chance: chance.shuffle(tree["item"]),
    lambda tree, chance: tree["item"].pop(),
    _twice,
    _two_answers,
    _another_weight,
    lambda tree, chance: chance.choice(_items(tree)).update(linkId="q-9"),
    lambda tree, chance: chance.choice(_items(tree)).update(text="Another text"),
    lambda tree, chance: [coding.pop("system", None) for coding in _codings(tree)[:1]],
    lambda tree, chance: [coding.update(code="no-such") for coding in _codings(tree)[:1]],
    lambda tree, chance: [coding.pop("code", None) for coding in _codings(tree)[:1]],
    lambda tree, chance: tree.update(status=chance.choice(["in-progress", "entered-in-error", "amended"])),
    lambda tree, chance: tree.update(subject={"reference": "Patient/p2"}),
    lambda tree, chance: tree.update(questionnaire="https://site.invalid/Questionnaire/other|1"),
    lambda tree, chance: chance.choice(_items(tree)).update(item=[{"linkId": "below"}]),
    lambda tree, chance: tree.update(
        modifierExtension=[{"url": "https://x.invalid/not", "valueBoolean": True}]
    ),
    _modified_answer,
    _absent,
    _absent,
    _absent,
]


def _usual(
    data: bytes, instrument: Instrument, patient: str | None = "Patient/p1"
) -> tuple[Head, Answers] | None:
    parts = part(data)
    answers = None if parts is None else read_usual(parts, instrument, patient)
    return None if parts is None or answers is None else (parts.head, answers)


def _at_length(data: bytes, instrument: Instrument) -> tuple[Head, Answers] | str:
    try:
        response = read_response(data)
        answers = check_response(response, instrument, patient="Patient/p1")
    except (UnreadableResponse, InvalidResponse) as error:
        return str(error)
    own = {name: getattr(response, name) for name in Head.__struct_fields__}
    return Head(**own), answers


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda each: each.id)
def test_the_usual_way_gives_what_the_full_check_gives_or_leaves_it_to_it(instrument: Instrument) -> None:
    chance = random.Random(11)
    usual = 0
    for number in range(12 * len(DAMAGES)):
        tree = json.loads(random_response(instrument, chance, None if number % 3 else set()))
        if not tree.get("item"):
            continue
        DAMAGES[number % len(DAMAGES)](tree, chance)
        data = json.dumps({key: value for key, value in tree.items() if value != []}).encode()
        found = _usual(data, instrument)
        if found is not None:
            usual += 1
            outcome = _at_length(data, instrument)
            assert found == outcome
            assert [*found[1].given] == [*outcome[1].given]
    choices = [item for item in instrument.items if item.type == "choice"]
    assert usual > 0 or not choices


ODD: list[object] = [None, True, 0, 1.5, "", " ", "x", [], ["x"], {}, {"a": 1}, [[]], [{}], 10**400]


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Give every place of a tree: what holds it, and by which key or index."""
    if not isinstance(tree, dict | list):
        return []
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    return [(tree, key) for key in keys] + [found for key in keys for found in _places(tree[key])]


@pytest.mark.parametrize("name", ["rapport-checkin-child", "wai-s-client", "peq-camhs-caregiver"])
def test_whatever_stands_in_whatever_place_both_ways_say_the_same(name: str) -> None:
    instrument = load_catalogue().by_id(name)
    whole = random_response(instrument, random.Random(5), set())
    taken = 0
    for number in range(len(_places(json.loads(whole)))):
        for change in [*ODD, "take out", "one more"]:
            tree = json.loads(whole)
            holder, key = _places(tree)[number]
            if change == "take out":
                del holder[key]
            elif change == "one more" and isinstance(holder, dict):
                holder["more"] = holder[key]
            else:
                holder[key] = change
            data = json.dumps(tree).encode()
            found = _usual(data, instrument)
            if found is not None:
                taken += 1
                assert found == _at_length(data, instrument), (change, key)
    assert taken > 0


def _altered(data: bytes, chance: random.Random) -> bytes:
    """Take out, double or replace a few bytes, nearly always beside something that counts in JSON."""
    marks = [place for place, byte in enumerate(data) if byte in b'{}[],:"']
    place = max(0, chance.choice(marks) + chance.choice([-1, 0, 1]))
    size = chance.choice([0, 1, 1, 2, 9, 30])
    middles = [b"", data[place : place + size] * 2, b"[]", b"{}", b"null", b'"x":1,', b"\\", b" "]
    return data[:place] + chance.choice(middles) + data[place + size :]


def test_altered_bytes_are_taken_or_refused_as_at_length() -> None:
    instrument, chance = load_catalogue().by_id("wai-s-client"), random.Random(5)
    whole = random_response(instrument, random.Random(1), set())
    taken = 0
    for _ in range(6_000):
        data = _altered(whole, chance)
        found = _usual(data, instrument)
        if found is not None:
            taken += 1
            assert found == _at_length(data, instrument)
    assert taken > 0


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_both_usual_ways_of_writing_json_are_read_the_usual_way(separators: tuple[str, str]) -> None:
    instrument = load_catalogue().by_id("wai-s-client")
    whole = json.loads(random_response(instrument, random.Random(1), set()))
    assert _usual(json.dumps(whole, separators=separators).encode(), instrument) is not None


MARKS = [
    b"null",
    b"{}",
    b"[]",
    b"{ }",
    b"[\n]",
    b'"a":1,"a":2',
    b'"a":1,"a" :2',
    b'"a" :1,"a"\n:2',
    b'"a":{},"a":1',
    b'"a":null,"a":1',
    b'"a":"null"',
    b'"a":"{}"',
    b'"a":"[x]"',
    b'"a":"nu-ll"',
    b'"a":"\\u0007"',
    b'"a":"\\\\u0007"',
    b'"a":"x\\":\\"y"',
    b'"a":"\xc3\xa9 : b"',
    b'"a":[7]',
    b'"a":[{"b":[]}]',
    b'"a":1.50,"b":1e2',
    b'"":1,"":2',
]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("around", [b'{"x":"y",%s}', b'{\n  "x": "y",\n  %s\n}', b'{"x":[{"z":"y",%s}]}'])
def test_the_quick_look_finds_what_the_slow_one_finds(mark: bytes, around: bytes) -> None:
    member = mark if b":" in mark else b'"a":' + mark
    data = around % member
    assert is_clean(data) == (not find_blemishes(data, dict[str, object], "X"))


def test_a_whole_response_is_read_the_usual_way() -> None:
    instrument = load_catalogue().by_id("wai-s-client")
    assert _usual(random_response(instrument, random.Random(1), set()), instrument) is not None


def test_a_response_with_a_declined_question_is_read_the_usual_way() -> None:
    instrument = load_catalogue().by_id("wai-s-client")
    tree = json.loads(random_response(instrument, random.Random(1), set()))
    declined = _items(tree)[0]
    del declined["answer"]
    declined["extension"] = [{"url": ABSENT, "valueCode": "asked-declined"}]
    found = _usual(json.dumps(tree).encode(), instrument)
    assert found is not None
    assert found[1].declined == {declined["linkId"]}


@pytest.mark.parametrize("required", ["mood", "sleep"])
def test_a_required_choice_that_is_left_out_is_not_usual(tmp_path: Path, required: str) -> None:
    group = {
        "linkId": "g",
        "type": "group",
        "text": "G",
        "item": [forms.question("sleep", required=True), forms.question("rest")],
    }
    form = forms.load(tmp_path / "made-up", forms.form(forms.question("mood", required=True), group))
    answered = {"answer": [{"valueCoding": {"system": forms.STEPS, "code": "s1"}}]}
    rest = {"linkId": "rest"} | answered
    items = [{"linkId": "mood"} | answered, {"linkId": "g", "item": [{"linkId": "sleep"} | answered, rest]}]
    tree = {"resourceType": "QuestionnaireResponse", "questionnaire": form.canonical, "status": "completed"}
    assert _usual(json.dumps(tree | {"item": items}).encode(), form, None) is not None
    left = [items[1]] if required == "mood" else [items[0], {"linkId": "g", "item": [rest]}]
    data = json.dumps(tree | {"item": left}).encode()
    assert _usual(data, form, None) is None
    with pytest.raises(InvalidResponse, match="must be answered"):
        check_response(read_response(data), form, patient=None)
