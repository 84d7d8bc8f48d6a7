"""How a resource in the EHR differs from the one that was delivered. Pure; says what differs, never the values.

An EHR may add codings, texts, profiles and extensions, write references absolutely or with a version, and round times to
seconds: none of these is a difference. What is not compared here in words of its own is compared by `whole`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from plugin.comparing import whole
from plugin.ehr import JsonObject
from plugin.verify import Flaw
from plugin.verify.recomputing import is_outside

Difference = tuple[Flaw, str]
"""What kind of flaw, and a sentence about it."""

_REFERENCE = re.compile(r"(?:.*/)?([A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_VERSION = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SOFTWARE = "assembler"
_ROLES = {
    "author": "another person as having answered",
    _SOFTWARE: "another software that computed the scores",
}
# Who made a later version, beside who answered.
_MAKERS = ("performer", "enterer")
_WITHDRAWN = frozenset({"entered-in-error", "cancelled"})
# Words that an EHR may write in its own way in an answer.
_WORDS = frozenset({"display", "text", "extension", "id", "userSelected", "version", "unit"})


@dataclass(frozen=True, slots=True)
class Targets:
    """What a delivered Provenance may be about, how many of that it need not be about, and the response it comes from."""

    allowed: frozenset[str]
    spare: int
    source: str | None

    def fit(self, provenance: JsonObject) -> bool:
        """Tell whether it is about these."""
        found = references(provenance.get("target"))
        return found <= self.allowed and len(self.allowed - found) <= self.spare


def of_observation(delivered: JsonObject, found: JsonObject) -> Iterator[Difference]:
    """Compare an Observation with the one that was delivered."""
    status = found.get("status")
    if status in _WITHDRAWN and status != delivered.get("status"):
        yield Flaw.MISMATCH, "It was withdrawn in the EHR."
    elif status != delivered.get("status"):
        yield Flaw.MISMATCH, "Its status is another one."
    if not codes(delivered, "code") <= codes(found, "code"):
        yield Flaw.WRONG_CODE, "It stands under another code."
    if not codes(delivered, "category") <= codes(found, "category"):
        yield Flaw.WRONG_CODE, "Its category is another one."
    if reference(found.get("subject")) != reference(delivered.get("subject")):
        yield Flaw.WRONG_SUBJECT, "It stands in the record of somebody else."
    if moment(found.get("effectiveDateTime")) != moment(delivered.get("effectiveDateTime")):
        yield Flaw.WRONG_DATE, "Its date is another one."
    if not issued_fits(delivered, found):
        yield Flaw.WRONG_DATE, "It tells another time at which it was issued."
    yield from _values(delivered, found)
    yield from _people(delivered, found)
    yield from _rest(delivered, found, whole.OBSERVATION)


def of_response(delivered: JsonObject, found: JsonObject) -> Iterator[Difference]:
    """Compare a QuestionnaireResponse with the one that was scored."""
    status = found.get("status")
    if status in _WITHDRAWN and status != delivered.get("status"):
        yield Flaw.STALE, "The response was withdrawn in the EHR, and its scores stand."
    elif status != delivered.get("status"):
        yield Flaw.MISMATCH, "The status of the response is another one."
    if _answers(found.get("item")) != _answers(delivered.get("item")):
        yield Flaw.STALE, "The answers in the EHR are others than those that were scored."
    elif not whole.says_same(delivered.get("item"), found.get("item")):
        yield (
            Flaw.MISMATCH,
            "The words or weights of its questions and answers are others than those that were delivered.",
        )
    then, now = moment(delivered.get("authored")), moment(found.get("authored"))
    if isinstance(then, datetime) and isinstance(now, datetime) and now > then:
        yield Flaw.STALE, "The response in the EHR is newer than the one that was scored."
    elif then != now:
        yield Flaw.WRONG_DATE, "The response in the EHR has another date than the one that was scored."
    if found.get("questionnaire") != delivered.get("questionnaire"):
        yield Flaw.WRONG_VERSION, "The response in the EHR names another form, or another version of it."
    if reference(found.get("subject")) != reference(delivered.get("subject")):
        yield Flaw.WRONG_SUBJECT, "The response stands in the record of somebody else."
    yield from _answerers(delivered, found)
    yield from _rest(delivered, found, whole.RESPONSE)


def _answerers(delivered: JsonObject, found: JsonObject) -> Iterator[Difference]:
    """Hold who answered, who recorded it and in which contact against what was delivered."""
    if reference(found.get("source")) != reference(delivered.get("source")):
        yield Flaw.WRONG_RATER, "The response names another person as having answered."
    author, encounter = reference(delivered.get("author")), reference(delivered.get("encounter"))
    if author is not None and reference(found.get("author")) != author:
        yield Flaw.WRONG_RATER, "The response names another person as having recorded it, or nobody."
    if encounter is not None and reference(found.get("encounter")) != encounter:
        yield Flaw.MISMATCH, "It belongs to another contact, or to none."


def of_provenance(
    delivered: JsonObject, found: JsonObject, targets: Targets, *, same_version: bool = True
) -> Iterator[Difference]:
    """Compare a Provenance with the one that was delivered: what it is about and from, by whom, when, with which form and software.

    Of another version of the response only what all versions share is compared. An EHR may name more agents, of other
    kinds, and write people's names in its own way.
    """
    agrees = {
        "It is about other resources than those that were delivered.": targets.fit(found),
        "It names another source than the response that was scored.": references(_whats(found))
        == ({targets.source} if targets.source else set()),
    }
    if same_version:
        agrees["It has another time."] = moment(found.get("recorded")) == moment(delivered.get("recorded"))
        done = codes(delivered, "activity") <= codes(found, "activity")
        agrees["It tells of something else that was done."] = done
        agrees["It names another person as having changed it, or none."] = all(
            _agents(delivered, role)[0] <= _agents(found, role)[0] for role in _MAKERS
        )
    (form, content), (form_there, content_there) = _form_of(delivered), _form_of(found)
    agrees["It names another form, or another version of it."] = form == form_there
    agrees["It tells another content hash of the form."] = content == content_there or not same_version
    for role, named in _ROLES.items():
        who, for_whom = _agents(delivered, role)
        who_there, for_whom_there = _agents(found, role)
        agrees[f"It names {named}, or none."] = who == who_there or (role == _SOFTWARE and not same_version)
        agrees[f"The {role} acts on behalf of another organization, or of none."] = for_whom == for_whom_there
    yield from ((Flaw.PROVENANCE, what) for what, agreed in agrees.items() if not agreed)


def _inside(resource: JsonObject, name: str) -> JsonObject:
    value = resource.get(name)
    return value if isinstance(value, dict) else {}


def _whats(provenance: JsonObject) -> list[object]:
    return [each.get("what") for each in _list(provenance, "entity")]


def _list(value: JsonObject, name: str) -> tuple[JsonObject, ...]:
    """Take the objects of a list."""
    found = value.get(name)
    return tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _form_of(provenance: JsonObject) -> tuple[object, object]:
    """Take the canonical and the words that hold its hash from the entity that is no reference."""
    forms = (each for each in _whats(provenance) if isinstance(each, dict) and reference(each) is None)
    form = next((each for each in forms if each.get("type") == "Questionnaire"), {})
    return _identifier(form), form.get("display")


def _identifier(value: JsonObject) -> tuple[object, object]:
    identifier = _inside(value, "identifier")
    return identifier.get("system"), identifier.get("value")


def _agents(provenance: JsonObject, role: str) -> tuple[set[object], set[object]]:
    """Take who acted in a role, in it or in a source of it, and for whom: by reference, else by identifier, else by name."""
    agents = (
        *_list(provenance, "agent"),
        *(each for own in _list(provenance, "entity") for each in _list(own, "agent")),
    )
    acting = [each for each in agents if role in {code for _, code in codes(each, "type")}]
    return {_who(_inside(each, "who")) for each in acting}, {
        _who(_inside(each, "onBehalfOf")) for each in acting
    }


def _who(value: JsonObject) -> object:
    return reference(value) or (_identifier(value) if "identifier" in value else value.get("display"))


def reference(value: object) -> str | None:
    """Take `Type/id` of a Reference, however it is written."""
    text = value.get("reference") if isinstance(value, dict) else None
    found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def version(resource: JsonObject) -> str | None:
    """Take `meta.versionId`."""
    found = _inside(resource, "meta").get("versionId")
    return found if isinstance(found, str) and _VERSION.fullmatch(found) else None


def references(value: object) -> set[str]:
    """Take those of a list of References."""
    found = map(reference, value) if isinstance(value, list) else ()
    return {each for each in found if each is not None}


def moment(value: object) -> datetime | str | None:
    """Read a time to the second; as it stands if it is none (a day, a year)."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    if len(value) <= len("2026-03-02"):
        return value
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def codes(resource: JsonObject, name: str) -> set[tuple[object, object]]:
    """Take the codings of a CodeableConcept, or of a list of them."""
    value = resource.get(name)
    concepts = value if isinstance(value, list) else [value]
    return {
        (each.get("system"), each.get("code"))
        for concept in concepts
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for each in concept["coding"]
        if isinstance(each, dict)
    }


def issued_fits(delivered: JsonObject, found: JsonObject) -> bool:
    """Tell whether it was issued when we said, or between that and its last change there: an EHR may put its own time.

    Of a reading under a site's own code an EHR may keep no such time.
    """
    then, now = moment(delivered.get("issued")), moment(found.get("issued"))
    if now == then:
        return True
    if now is None:
        return any(each.endswith("/flowsheet") for each in _own_values(delivered))
    changed = moment(_inside(found, "meta").get("lastUpdated"))
    return (
        isinstance(then, datetime)
        and isinstance(now, datetime)
        and isinstance(changed, datetime)
        and then <= now <= changed
    )


def _own_values(resource: JsonObject) -> list[str]:
    listed = resource.get("identifier")
    return [
        str(each.get("value"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    ]


def _rest(delivered: JsonObject, found: JsonObject, rules: whole.Rules) -> Iterator[Difference]:
    for name in whole.other_members(delivered, found, rules):
        yield Flaw.MISMATCH, f"Its {name} is not what was delivered."


def _values(delivered: JsonObject, found: JsonObject) -> Iterator[Difference]:
    before, now = _quantity(delivered.get("valueQuantity")), _quantity(found.get("valueQuantity"))
    others = {name for name in found if name.startswith("value") and name != "valueQuantity"}
    if now[0] is None and before[0] is not None and not others:
        yield Flaw.MISSING_VALUE, "Its value is gone."
    elif before[0] != now[0] or others:
        yield Flaw.MISMATCH, "Its value is another one."
    elif before[1] != now[1]:
        yield Flaw.MISMATCH, "Its unit is another one."
    if before[0] != now[0] and any(is_outside(now[0], *possible) for possible in _ranges(delivered)):
        yield Flaw.OUT_OF_RANGE, "No answers give such a value."
    if ("dataAbsentReason" in delivered) != ("dataAbsentReason" in found):
        yield Flaw.MISMATCH, "Whether it has a value is told differently."
    if "referenceRange" in found and _ranges(found) != _ranges(delivered):
        yield Flaw.MISMATCH, "Its range is another one."


def _people(delivered: JsonObject, found: JsonObject) -> Iterator[Difference]:
    # Scores are delivered without performer; an EHR may put its own user there.
    wanted = references(delivered.get("performer"))
    if wanted and references(found.get("performer")) != wanted:
        yield Flaw.WRONG_RATER, "It names another person as having answered, or nobody."
    encounter = reference(delivered.get("encounter"))
    if encounter is not None and reference(found.get("encounter")) != encounter:
        yield Flaw.MISMATCH, "It belongs to another contact, or to none."


def _quantity(value: object) -> tuple[Decimal | None, object]:
    if not isinstance(value, dict):
        return None, None
    return _decimal(value.get("value")), value.get("code")


def _ranges(resource: JsonObject) -> list[tuple[Decimal | None, Decimal | None]]:
    listed = resource.get("referenceRange")
    return [
        (_quantity(each.get("low"))[0], _quantity(each.get("high"))[0])
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    ]


def _decimal(value: object) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None


def _answers(items: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """List linkIds and answers, without the words of questions and options."""
    found: list[tuple[tuple[str, ...], str]] = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        place = (*path, str(item.get("linkId")))
        for answer in item.get("answer") or ():
            if isinstance(answer, dict):
                own = {name: value for name, value in answer.items() if name != "item"}
                found.append((place, msgspec.json.encode(_plain(own), order="sorted").decode()))
                found += _answers(answer.get("item"), place)
        found += _answers(item.get("item"), place)
    return found


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in _WORDS}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(Decimal(str(value)).normalize())
    return value
