"""Builds the QuestionnaireResponse of a form that was filled here."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from plugin.responses.answers import DATA_ABSENT_REASON, DECLINED, Absent
from plugin.responses.errors import InvalidResponse, Issue
from plugin.responses.labels import Label, write_labels
from plugin.responses.places import is_too_fine, too_fine
from questionnaires import Instrument, Item, Option, Wording
from questionnaires.datatypes import JsonObject, day_limits
from questionnaires.resources import STRUCTURE

_encoder = msgspec.json.Encoder(decimal_format="number")
Choice = str | Sequence[str] | Absent | None
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def build_response(
    instrument: Instrument,
    choices: Mapping[str, Choice],
    *,
    patient: str,
    encounter: str | None,
    author: str | None,
    source: str | None,
    authored: datetime,
    identifier: tuple[str, str],
    language: str,
    labels: Collection[Label] = (),
) -> bytes:
    """Build a completed response from what was chosen: linkId -> option code, or None for "does not want to answer".

    Several answers to one question come as a list; Absent is no answer for another reason than None.
    Questions that are not in `choices` are left out; declined ones stand there without an answer, with the reason
    asked-declined. Answers without options (numbers, texts, dates) come as they are written in FHIR. InvalidResponse
    names every choice that the form does not have. `labels` go into meta.security.
    `authored` needs a time zone; texts are in `language`.
    """
    if authored.tzinfo is None:
        raise ValueError("`authored` has no time zone: pass an aware datetime")
    issues = tuple(_find_unknown(instrument, choices))
    if issues:
        raise InvalidResponse(issues)
    wording = instrument.wordings.get(language)
    response: JsonObject = {
        "resourceType": "QuestionnaireResponse",
        **({"meta": {"security": write_labels(labels)}} if labels else {}),
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


def _find_unknown(instrument: Instrument, choices: Mapping[str, Choice]) -> Iterator[Issue]:
    questions = {item.link_id: item for item in _questions(instrument.items)}
    for link_id, choice in choices.items():
        item = questions.get(link_id)
        path = f"QuestionnaireResponse.item.where(linkId='{link_id}')"
        if item is None:
            yield Issue("not-found", link_id, path, "The form has no such question.", "Reload the form.")
        elif not item.repeats and not isinstance(choice, str | Absent | None):
            message = f"It has {len(choice)} answers and may have one."
            yield Issue("structure", link_id, path, message, "Keep one.")
        elif any(_value(item, each) is None for each in _chosen(choice)):
            codes = ", ".join(option.code for option in item.options) or f"a value of type {item.type}"
            message = (
                "The answer is none of the options." if item.options else "The answer is of another type."
            )
            yield Issue("code-invalid", link_id, path, message, f"Use {codes}.")
        else:
            yield from _find_beyond(item, choice, path)
    for below, above in _nested(instrument.items):
        if _chosen(choices.get(below)) and not _chosen(choices.get(above)):
            path = f"QuestionnaireResponse.item.where(linkId='{below}')"
            message = f"It is asked with the answer to “{above}”, which has none."
            yield Issue("structure", below, path, message, "Answer that one, or leave this one out.")


def _find_beyond(item: Item, choice: Choice, path: str) -> Iterator[Issue]:
    """Find what is beyond the form's limits; looked at only where it is sent: what is kept, or came from the EHR, is not refused for it."""
    if item.max_length is not None and (length := _longest(item, choice)) > item.max_length:
        message = f"The answer has {length} characters and may have {item.max_length}."
        yield Issue("too-long", item.link_id, path, message, "Write less.")
    elif any(_is_too_fine(item, each) for each in _chosen(choice)):
        yield too_fine(item, path)
    elif any(_is_outside(item, each) for each in _chosen(choice)):
        message = "The day is outside what the form allows."
        yield Issue(
            "value",
            item.link_id,
            path,
            message,
            "Give a day from {} to {}.".format(*day_limits(item.first, item.last)),
        )


def _chosen(choice: Choice) -> tuple[str, ...]:
    return (
        ()
        if choice is None or isinstance(choice, Absent)
        else (choice,)
        if isinstance(choice, str)
        else tuple(choice)
    )


def _longest(item: Item, choice: Choice) -> int:
    """Count the characters of the longest answer in somebody's own words; an option is never too long."""
    return max((len(each) for each in _chosen(choice) if _find_option(item, each) is None), default=0)


def _is_too_fine(item: Item, choice: str) -> bool:
    value = None if item.options else (_value(item, choice) or {}).get("valueDecimal")
    return isinstance(value, Decimal) and is_too_fine(value, item)


def _is_outside(item: Item, choice: str) -> bool:
    if item.type != "date" or item.options:
        return False
    low, high = day_limits(item.first, item.last)
    return not low <= date.fromisoformat(choice) <= high


def _nested(items: tuple[Item, ...], above: str | None = None) -> Iterator[tuple[str, str]]:
    """Give the questions inside other questions: linkId, and that of the nearest question around."""
    for item in items:
        if above is not None and item.is_question:
            yield item.link_id, above
        yield from _nested(item.items, item.link_id if item.is_question else above)


def _questions(items: tuple[Item, ...]) -> Iterator[Item]:
    for item in items:
        if item.is_question:
            yield item
        yield from _questions(item.items)


def _build_items(
    items: tuple[Item, ...], choices: Mapping[str, Choice], wording: Wording | None
) -> Iterator[JsonObject]:
    for item in items:
        built: JsonObject = {"linkId": item.link_id}
        if wording is not None and item.link_id in wording.items:
            built["text"] = wording.items[item.link_id]
        below = [*_build_items(item.items, choices, wording)]
        if item.type == "group" and below:
            yield built | {"item": below}
        elif item.is_question and item.link_id in choices:
            chosen = choices[item.link_id]
            answers = [_answer(item, each, wording) for each in _chosen(chosen)]
            if below and answers:
                answers[0]["item"] = below
            if chosen is None or isinstance(chosen, Absent):
                yield built | _no_answer(DECLINED if chosen is None else chosen.absent)
            elif answers:
                yield built | {"answer": answers}


def _no_answer(reason: str) -> JsonObject:
    return {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": reason}]}


def _answer(item: Item, choice: str, wording: Wording | None) -> JsonObject:
    option = _find_option(item, choice)
    if option is not None and option.kind == "Coding":
        display = wording.options.get((item.link_id, choice)) if wording else None
        return {"valueCoding": _coding(option, display)}
    return _value(item, choice) or {}


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


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _time(text: str) -> str | None:
    """A page's clock gives hours and minutes; FHIR wants seconds."""
    if not _TIME.fullmatch(text):
        return None
    return text if text.count(":") > 1 else f"{text}:00"


def _nothing(_: str) -> None:
    return None


_READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "boolean": ("valueBoolean", _boolean),
    "integer": ("valueInteger", _integer),
    "decimal": ("valueDecimal", _decimal),
    "date": ("valueDate", _day),
    "dateTime": ("valueDateTime", _text),
    "time": ("valueTime", _time),
    "string": ("valueString", _text),
    "text": ("valueString", _text),
    "open-choice": ("valueString", _text),
    "url": ("valueUri", _text),
}
