"""Worked examples of an instrument: answers with the scores that a reader can follow by hand. They are its test and its page."""

from decimal import Decimal
from importlib.resources import files

import msgspec

from questionnaires.datatypes import JsonObject


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answered form: option codes by linkId, what was declined, and each score (None: not computed) with its working."""

    title: str
    answers: dict[str, str]
    declined: tuple[str, ...]
    scores: dict[str, Decimal | None]
    working: dict[str, str]


class Unavailable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instrument that is known and not offered, with the reason."""

    id: str
    title: str
    rights: str
    reason: str


def read_examples(instrument: str) -> tuple[Example, ...]:
    """Read the examples of an instrument of this package; none if it has no such file."""
    file = files("questionnaires") / "instruments" / instrument / "examples.json"
    if not file.is_file():
        return ()
    return msgspec.json.decode(file.read_bytes(), type=tuple[Example, ...], strict=False)


def read_unavailable() -> tuple[Unavailable, ...]:
    """Give the instruments that are known and not offered."""
    data = (files("questionnaires") / "unavailable.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[Unavailable, ...])


def response_to(example: Example, questionnaire: bytes) -> bytes:
    """Write an example as the QuestionnaireResponse of its form, groups and all; the declined items say so."""
    form = msgspec.json.decode(questionnaire, type=JsonObject)
    response: JsonObject = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{form['url']}|{form['version']}",
        "status": "completed",
    }
    if items := _items(form.get("item"), example):
        response["item"] = items
    return msgspec.json.Encoder(decimal_format="number").encode(response)


def _items(items: object, example: Example) -> list[JsonObject]:
    found: list[JsonObject] = []
    for item in items if isinstance(items, list) else []:
        link_id, below = str(item["linkId"]), _items(item.get("item"), example)
        if link_id in example.declined:
            found.append({"linkId": link_id, "answer": [_DECLINED]})
        elif link_id in example.answers:
            wanted = example.answers[link_id]
            found.append({"linkId": link_id, "answer": [_answer(item, wanted)]})
        elif below:
            found.append({"linkId": link_id, "item": below})
    return found


def _answer(item: JsonObject, wanted: str) -> JsonObject:
    options = item.get("answerOption")
    for option in options if isinstance(options, list) else []:
        coding = option.get("valueCoding", {})
        if coding.get("code") == wanted:
            return {"valueCoding": {"system": coding["system"], "code": wanted}}
    return {"valueDecimal": Decimal(wanted)}


_DECLINED: JsonObject = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "asked-declined",
        }
    ]
}
