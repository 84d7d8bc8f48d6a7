"""Whatever else a resource in the EHR says than the one that was delivered: all of it, but for what an EHR may write itself.

Pure; gives the names of members, never what they say. `plugin.comparing.differences` has words of their own for those that matter
most; here everything is compared that it does not look at.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import msgspec

from plugin.ehr import JsonObject

_REFERENCE = re.compile(r"(?:.*/)?([A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
# Within a member: what an EHR may write where nothing was sent, or leave out. What was sent and stands there is compared.
_OPTIONAL = frozenset({"display", "text", "extension", "version", "userSelected", "type"})
_NAMES = frozenset(
    {
        "author",
        "authored",
        "basedOn",
        "bodySite",
        "category",
        "code",
        "component",
        "contained",
        "dataAbsentReason",
        "derivedFrom",
        "device",
        "effectiveDateTime",
        "effectiveInstant",
        "effectivePeriod",
        "effectiveTiming",
        "encounter",
        "focus",
        "hasMember",
        "identifier",
        "implicitRules",
        "interpretation",
        "issued",
        "item",
        "language",
        "method",
        "modifierExtension",
        "partOf",
        "performer",
        "questionnaire",
        "referenceRange",
        "source",
        "specimen",
        "status",
        "subject",
        "text",
        "valueQuantity",
    }
)
_OF_THE_WHOLE = frozenset({"resourceType", "id", "meta", "text"})
_VALUES = frozenset(
    {
        "valueBoolean",
        "valueCodeableConcept",
        "valueDateTime",
        "valueInteger",
        "valuePeriod",
        "valueQuantity",
        "valueRange",
        "valueRatio",
        "valueSampledData",
        "valueString",
        "valueTime",
    }
)
_TAG = re.compile(r"<[^>]*>")
_ALONE = re.compile(r"(?<![\w\-.])\d+(?:\.\d+)?(?![\w\-])")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNREAD = frozenset({"id", "meta", "text", "reference", "identifier", "system", "url", "questionnaire"})
_GENERATED = frozenset({"generated", "empty"})


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one type: members that are judged elsewhere, and those that an EHR may add where none was sent, or leave out."""

    judged: frozenset[str]
    added: frozenset[str]
    dropped: frozenset[str] = frozenset()


OBSERVATION = Rules(
    judged=frozenset(
        {
            "code",
            "category",
            "subject",
            "effectiveDateTime",
            "performer",
            "encounter",
            "identifier",
            "hasMember",
            "derivedFrom",
            "issued",
            "status",
        }
    ),
    # Values, reasons for none and ranges are told by `differences`.
    added=_VALUES | {"dataAbsentReason", "note", "extension", "language"},
    dropped=frozenset({"referenceRange", "valueQuantity", "dataAbsentReason"}),
)
RESPONSE = Rules(
    judged=frozenset(
        {"status", "authored", "questionnaire", "subject", "source", "author", "encounter", "item"}
    ),
    added=frozenset({"extension", "language"}),
    dropped=frozenset({"extension", "language"}),
)


def other_members(delivered: JsonObject, found: JsonObject, rules: Rules) -> Iterator[str]:
    """Name every member that does not say what was delivered, each once."""
    for name in sorted({*delivered, *found} - _OF_THE_WHOLE):
        if not _fits(delivered, found, name, rules):
            yield name if name.lstrip("_") in _NAMES else "rest"  # names that FHIR has not could say anything
    if not _labels(delivered) <= _labels(found):
        yield "meta.security"
    if not _narrative_fits(delivered, found):
        yield "text"


def _fits(delivered: JsonObject, found: JsonObject, name: str, rules: Rules) -> bool:
    if name == "hasMember" and name not in delivered:
        return name not in found  # of a panel alone it is judged elsewhere: a score groups nothing
    if name in rules.judged:
        return _modifiers(found.get(name)) == _modifiers(delivered.get(name))
    if name not in found:
        return name in rules.dropped
    if name not in delivered:
        return name in rules.added
    return says_same(_less(name, delivered[name]), _less(name, found[name]))


def says_same(before: object, now: object, name: str = "") -> bool:
    """Tell whether a value says the same, whatever an EHR added or left out of words, codings and extensions."""
    if isinstance(before, dict) and isinstance(now, dict):
        if "reference" in before:
            return _target(before) == _target(now) and "modifierExtension" not in now
        return all(_member_fits(before, now, each) for each in {*before, *now} - {"id"})
    if isinstance(before, list) and isinstance(now, list):
        if name == "coding":
            return all(any(says_same(each, other) for other in now) for each in before)
        if name == "extension":
            known = _by_url(before)
            theirs = _by_url(now)
            return all(says_same(known[url], theirs[url]) for url in known.keys() & theirs.keys())
        return len(before) == len(now) and all(map(says_same, before, now))
    if _is_number(before) and _is_number(now):
        return _decimal(before) == _decimal(now)
    return before == now


def _member_fits(before: JsonObject, now: JsonObject, name: str) -> bool:
    if name not in before or name not in now:
        # A range without its type is one of what is normal.
        return name in _OPTIONAL and not (name == "type" and ("low" in before or "high" in before))
    return says_same(before[name], now[name], name)


def _less(name: str, value: object) -> object:
    """Leave out what `differences` compares in its own words."""
    if name == "valueQuantity" and isinstance(value, dict):
        return {each: inside for each, inside in value.items() if each not in {"value", "code"}}
    if name == "referenceRange" and isinstance(value, list):
        return [_without_bounds(each) for each in value]
    return value


def _without_bounds(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {
        name: {key: each for key, each in inside.items() if key != "value"}
        if name in {"low", "high"} and isinstance(inside, dict)
        else inside
        for name, inside in value.items()
    }


def _modifiers(value: object) -> list[bytes]:
    """Gather what changes the meaning of what it stands in."""
    if isinstance(value, list):
        return [found for each in value for found in _modifiers(each)]
    if not isinstance(value, dict):
        return []
    own = (
        [msgspec.json.encode(value["modifierExtension"], order="sorted")]
        if "modifierExtension" in value
        else []
    )
    return own + [found for each in value.values() for found in _modifiers(each)]


def _labels(resource: JsonObject) -> set[tuple[object, object]]:
    security = _inside(resource, "meta").get("security")
    return {
        (each.get("system"), each.get("code"))
        for each in (security if isinstance(security, list) else ())
        if isinstance(each, dict)
    }


def _narrative_fits(delivered: JsonObject, found: JsonObject) -> bool:
    """Tell whether a narrative is the one that was sent, or one made of the resource that tells no other number.

    Its words are the EHR's and cannot be compared.
    """
    now = found.get("text")
    if now is None or now == delivered.get("text"):
        return True
    if not isinstance(now, dict) or now.get("status") not in _GENERATED:
        return False
    words = html.unescape(_TAG.sub(" ", str(now.get("div") or "")))
    told = {Decimal(each) for each in _ALONE.findall(words)}
    value = _decimal(_inside(delivered, "valueQuantity").get("value"))
    if value is not None and told and value not in told:
        return False
    return told <= {*_numbers(found), *_numbers(delivered)}


def _numbers(value: object) -> Iterator[Decimal]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in _UNREAD:
                yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif _is_number(value) or isinstance(value, str):
        yield from map(Decimal, _NUMBER.findall(str(value)))


def _by_url(extensions: list[object]) -> dict[object, list[object]]:
    found: dict[object, list[object]] = {}
    for each in extensions:
        if isinstance(each, dict):
            found.setdefault(each.get("url"), []).append(each)
    return found


def _target(value: JsonObject) -> object:
    text = value.get("reference")
    found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else text


def _inside(resource: JsonObject, name: str) -> JsonObject:
    value = resource.get(name)
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _decimal(value: object) -> Decimal | None:
    try:
        return Decimal(str(value)) if _is_number(value) else None
    except InvalidOperation:
        return None
