"""Adopts a plain Questionnaire of a site's own: what it leaves unsaid is filled in, and every assumption is noted.

Nothing that a form says is changed. What an answer means is never guessed: weights, expressions and options come from the
form alone. https://hl7.org/fhir/R4/questionnaire.html, https://hl7.org/fhir/uv/sdc/STU3/
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from questionnaires.datatypes import JsonObject, days_of
from questionnaires.errors import Problem
from questionnaires.expanding import expand_value_sets
from questionnaires.model import Rater
from questionnaires.reading import RATER, BareOption
from questionnaires.resources import CALCULATED, NUMERIC, STRUCTURE

DEFAULT_BASE = "https://w3id.org/rapport-fhir/site"

# Extensions of primitive elements that are read; others, such as a data-absent-reason of a title, say nothing here.
_SIBLINGS = {"_text", "_title", "_prefix", "_display", "_description", "_copyright", "_valueString"}


@dataclass(frozen=True, slots=True)
class Manner:
    """What an installation decides about forms that leave it unsaid.

    `raters` are by instrument id; `rater` is for all others, None if nobody decided. `base` begins the addresses that are
    made: `<base>/Questionnaire/<id>` and `<base>/CodeSystem/<id>`.
    """

    rater: Rater | None = None
    raters: Mapping[str, Rater] = field(default_factory=dict)
    base: str = DEFAULT_BASE


def name_of(file_name: str) -> str:
    """Make an instrument's id of a file's name: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", file_name.lower()).strip("-") or "form"


def system_of(instrument: str, manner: Manner) -> str:
    """Give the code system of a site's own codes for an instrument."""
    return f"{manner.base}/CodeSystem/{instrument}"


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of a form: the assumptions, in words, what makes it unusable, and its options that named no system.

    `bare` holds those as (linkId, system that was given to it, code): whoever answers with the form's own Coding names no system either.
    """

    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bare: frozenset[BareOption] = frozenset()


def adopt(tree: JsonObject, data: bytes, instrument: str, manner: Manner) -> Adopted:
    """Complete a Questionnaire's JSON in place."""
    notes: list[str] = []
    problems: list[Problem] = []
    _drop_siblings(tree)
    notes += _complete_root(tree, data, instrument, manner)
    notes += _note_rater(tree, instrument, manner)
    problems += expand_value_sets(tree)
    system = system_of(instrument, manner)
    bare: set[BareOption] = set()
    for item in items_of(tree):
        problems += _find_modifiers(item)
        notes += _complete_item(item, system, bare)
    for item in items_of(tree):
        _complete_conditions(item, system, bare)
    problems += _find_modifiers(tree)
    return Adopted(notes, problems, frozenset(bare))


def items_of(tree: JsonObject) -> Iterator[JsonObject]:
    """Give every item of a Questionnaire's JSON, whatever else may stand where items belong."""
    below = tree.get("item")
    for item in below if isinstance(below, list) else []:
        if isinstance(item, dict):
            yield item
            yield from items_of(item)


def _drop_siblings(value: object) -> None:
    if isinstance(value, dict):
        for key in [each for each in value if each.startswith("_") and each not in _SIBLINGS]:
            del value[key]
        for each in value.values():
            _drop_siblings(each)
    elif isinstance(value, list):
        for each in value:
            _drop_siblings(each)


def _complete_root(tree: JsonObject, data: bytes, instrument: str, manner: Manner) -> Iterator[str]:
    if "url" not in tree:
        tree["url"] = f"{manner.base}/Questionnaire/{instrument}"
        yield f"It has no url: {tree['url']} stands for it."
    if "version" not in tree:
        tree["version"] = f"sha256-{hashlib.sha256(data).hexdigest()[:12]}"
        yield f"It has no version: {tree['version']}, of its content, stands for it and changes with it."
    if "title" not in tree:
        tree["title"] = tree["name"] if isinstance(tree.get("name"), str) else instrument
        yield f"It has no title: it is called “{tree['title']}”."
    if "language" not in tree:
        yield "It does not say its language: its texts are taken as English (“language”: “en”)."
    if tree.get("status") == "retired":
        yield "Its publisher has retired it."


def _note_rater(tree: JsonObject, instrument: str, manner: Manner) -> Iterator[str]:
    extensions = tree.get("extension", [])
    if not isinstance(extensions, list) or any(_url(each) == RATER for each in extensions):
        return
    decided = manner.raters.get(instrument, manner.rater)
    rater = decided or Rater.CHILD
    tree["extension"] = [*extensions, {"url": RATER, "valueCode": str(rater)}]
    if decided is None:
        yield (
            "Nothing says who answers it: the young person is taken (“child”). "
            f"If it is somebody else, say so in the settings: [[instruments.form]] id = “{instrument}”, rater = “…”."
        )


def _find_modifiers(element: JsonObject) -> Iterator[Problem]:
    found = element.get("modifierExtension")
    for each in found if isinstance(found, list) else []:
        remedy = (
            "Use a form without it: whoever does not know a modifierExtension may not use what it modifies"
        )
        yield Problem(f"The modifierExtension {_url(each)} is not known", remedy, _link_id(element))


def _complete_item(item: JsonObject, system: str, bare: set[BareOption]) -> Iterator[str]:
    link_id = _link_id(item) or ""
    codes = item.get("code")
    shown = next((each.get("display") for each in _dicts(codes) if each.get("display")), None)
    if "text" not in item and item.get("type") != "group" and shown:
        item["text"] = shown
        yield f"{link_id}: it has no text; the words of its code are shown: “{shown}”."
    yield from _complete_options(item, link_id, system, bare)
    yield from _note_bounds(item, link_id)
    if not is_calculated(item):
        return
    if item.get("type") not in NUMERIC:
        yield f"{link_id}: a computed {item.get('type')} is not a number; it is not written."
    elif complete := [each for each in _dicts(codes) if each.get("system") and each.get("code")]:
        item["code"] = complete
    else:
        code = " ".join(link_id.split())
        item["code"] = [{"system": system, "code": code, "display": str(item.get("text") or link_id)}]
        yield f"{link_id}: the score has no code; {system}|{code} is written."
    if "initial" in item:
        del item["initial"]
        yield f"{link_id}: its initial value is left aside, because it is computed."


def _complete_options(item: JsonObject, link_id: str, system: str, bare: set[BareOption]) -> Iterator[str]:
    """A Coding may do without system or code, an answer in the record may not."""
    completed = []
    for option in _dicts(item.get("answerOption")):
        coding = option.get("valueCoding")
        if isinstance(coding, dict) and ("system" not in coding or "code" not in coding):
            coding.setdefault("code", name_of(str(coding.get("display", ""))))
            if "system" not in coding:
                coding["system"] = system
                bare.add((link_id, system, str(coding["code"])))
            completed.append(str(coding["code"]))
        if isinstance(coding, dict) and "display" not in coding:
            coding["display"] = coding["code"]
    if completed:
        yield f"{link_id}: the options {', '.join(completed)} have no system or no code; {system} is written."
    if "initial" in item and not is_calculated(item):
        yield f"{link_id}: its initial value is not filled in beforehand."


def _note_bounds(item: JsonObject, link_id: str) -> Iterator[str]:
    for each in _dicts(item.get("extension")):
        name = str(_url(each)).removeprefix(STRUCTURE)
        if name not in {"minValue", "maxValue"}:
            continue
        day = each.get("valueDate")
        if item.get("type") == "date" and isinstance(day, str) and days_of(day):
            continue
        if (
            item.get("type") not in {"integer", "decimal"}
            or not {"valueInteger", "valueDecimal"} & each.keys()
        ):
            yield f"{link_id}: its {name} is not followed; bounds of numbers and days are, in a value of their type."


def _complete_conditions(item: JsonObject, system: str, bare: set[BareOption]) -> None:
    """A condition names an option as the form writes it."""
    for condition in _dicts(item.get("enableWhen")):
        coding = condition.get("answerCoding")
        if not isinstance(coding, dict) or "system" in coding:
            continue
        if (str(condition.get("question")), system, str(coding.get("code"))) in bare:
            coding["system"] = system


def is_calculated(item: JsonObject) -> bool:
    """Tell whether an item of a Questionnaire's JSON has a calculatedExpression."""
    return any(_url(each) == CALCULATED for each in _dicts(item.get("extension")))


def _dicts(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _url(extension: object) -> str:
    return str(extension.get("url", "")) if isinstance(extension, dict) else ""


def _link_id(element: JsonObject) -> str | None:
    found = element.get("linkId")
    return found if isinstance(found, str) else None
