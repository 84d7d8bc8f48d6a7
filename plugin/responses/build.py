"""Builds the QuestionnaireResponse of a form that was filled here."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from plugin.responses.check import DATA_ABSENT_REASON, DECLINED
from plugin.responses.errors import InvalidResponse, Issue
from questionnaires import Instrument, Item, Option, Wording
from questionnaires.datatypes import JsonObject
from questionnaires.resources import STRUCTURE

_encoder = msgspec.json.Encoder(decimal_format="number")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def build_response(
    instrument: Instrument,
    choices: Mapping[str, str | None],
    *,
    patient: str,
    encounter: str | None,
    author: str | None,
    source: str | None,
    authored: datetime,
    identifier: tuple[str, str],
    language: str,
) -> bytes:
    """Build a completed response from what was chosen: linkId -> option code, or None for "does not want to answer".

    Questions that are not in `choices` are left out; declined ones stand there without an answer, with the reason
    asked-declined. Answers without options (numbers, texts, dates) come as they are written in FHIR. InvalidResponse
    names every choice that the form does not have. `authored` needs a time zone; texts are in `language`.
    """
    if authored.tzinfo is None:
        raise ValueError("`authored` has no time zone: pass an aware datetime")
    issues = tuple(_find_unknown(instrument, choices))
    if issues:
        raise InvalidResponse(issues)
    wording = instrument.wordings.get(language)
    response: JsonObject = {
        "resourceType": "QuestionnaireResponse",
        "language": language,
        "identifier": {"system": identifier[0], "value": identifier[1]},
        "questionnaire": instrument.canonical,
        "status": "completed",
        "subject": {"reference": patient},
    }
    if encounter is not None:
        response["encounter"] = {"reference": encounter}
    response["authored"] = authored.isoformat(timespec="seconds")
    for name, reference in (("author", author), ("source", source)):
        if reference is not None:
            response[name] = {"reference": reference}
    items = [*_build_items(instrument.items, choices, wording)]
    if items:
        response["item"] = items
    return _encoder.encode(response)


def _find_unknown(instrument: Instrument, choices: Mapping[str, str | None]) -> Iterator[Issue]:
    questions = {item.link_id: item for item in _questions(instrument.items)}
    for link_id, choice in choices.items():
        item = questions.get(link_id)
        path = f"QuestionnaireResponse.item.where(linkId='{link_id}')"
        if item is None:
            yield Issue("not-found", link_id, path, "The form has no such question.", "Reload the form.")
        elif choice is not None and _value(item, choice) is None:
            codes = ", ".join(option.code for option in item.options) or f"a value of type {item.type}"
            message = (
                "The answer is none of the options." if item.options else "The answer is of another type."
            )
            yield Issue("code-invalid", link_id, path, message, f"Use {codes}.")


def _questions(items: tuple[Item, ...]) -> Iterator[Item]:
    for item in items:
        if item.is_question:
            yield item
        yield from _questions(item.items)


def _build_items(
    items: tuple[Item, ...], choices: Mapping[str, str | None], wording: Wording | None
) -> Iterator[JsonObject]:
    for item in items:
        built: JsonObject = {"linkId": item.link_id}
        if wording is not None and item.link_id in wording.items:
            built["text"] = wording.items[item.link_id]
        below = [*_build_items(item.items, choices, wording)]
        if item.type == "group" and below:
            yield built | {"item": below}
        elif item.is_question and item.link_id in choices:
            choice = choices[item.link_id]
            yield built | (_declined() if choice is None else _answer(item, choice, below, wording))


def _declined() -> JsonObject:
    return {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": DECLINED}]}


def _answer(item: Item, choice: str, below: list[JsonObject], wording: Wording | None) -> JsonObject:
    answer: JsonObject = {}
    option = _find_option(item, choice)
    if option is not None and option.kind == "Coding":
        display = wording.options.get((item.link_id, choice)) if wording else None
        answer["valueCoding"] = _coding(option, display)
    else:
        answer.update(_value(item, choice) or {})
    if below:
        answer["item"] = below
    return {"answer": [answer]}


def _coding(option: Option, display: str | None) -> JsonObject:
    """Copy the published coding, weight included: engines without the Questionnaire can then still add up."""
    coding: JsonObject = {}
    if option.weight is not None:
        coding["extension"] = [
            {"url": STRUCTURE + name, "valueDecimal": option.weight}
            for name in ("itemWeight", "ordinalValue")
        ]
    coding |= {"system": option.system, "code": option.code}
    return coding | ({"display": display} if display else {})


def _find_option(item: Item, choice: str) -> Option | None:
    return next((option for option in item.options if option.code == choice), None)


def _value(item: Item, choice: str) -> JsonObject | None:
    """Give the value[x] of a choice; None if the item does not take it."""
    option = _find_option(item, choice)
    if option is not None:
        value: object = int(choice) if option.kind == "Integer" else choice
        value = {"reference": choice} if option.kind == "Reference" else value
        return {f"value{option.kind}": value}
    if item.options and item.type != "open-choice":
        return None
    name, read = _READERS.get(item.type, ("", _nothing))
    found = read(choice)
    return None if found is None else {name: found}


def _integer(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and "." not in text else None


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _text(text: str) -> str | None:
    return text.strip() or None


def _nothing(_: str) -> None:
    return None


_READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "boolean": ("valueBoolean", _boolean),
    "integer": ("valueInteger", _integer),
    "decimal": ("valueDecimal", _decimal),
    "date": ("valueDate", _text),
    "dateTime": ("valueDateTime", _text),
    "time": ("valueTime", _text),
    "string": ("valueString", _text),
    "text": ("valueString", _text),
    "open-choice": ("valueString", _text),
    "url": ("valueUri", _text),
}
