"""Wording packs: a licensed site's texts of an instrument in one language, checked and merged into its Questionnaire."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from questionnaires.datatypes import Date, JsonObject, String
from questionnaires.errors import BadWordingPack, Problem
from questionnaires.resources import STRUCTURE, Questionnaire, QuestionnaireItem
from questionnaires.strict import find_blemishes, is_clean

Language = Annotated[
    str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="a language tag: en, pt-BR")
]


_HELP_OF = "{}-help"  # linkId of what a question means


class WordingPack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of a pack; `options` maps option codes to texts, `items` and `help` linkIds to texts.

    `help_source` is the place in the holder's manual that lets respondents be told what a question means.
    """

    instrument: String
    version: String
    language: Language
    licence: String
    holder: String
    date: Date
    title: String | None = None
    intro: String | None = None
    notes: String | None = None
    items: dict[str, String]
    options: dict[str, String] = {}
    help: dict[str, String] = {}
    help_source: String | None = None


class _Versioned(msgspec.Struct, frozen=True):
    version: str | None = None


def read_pack(file: Path, questionnaire: Questionnaire, *, instrument: str) -> WordingPack:
    """Read a pack and check that it fits; BadWordingPack names every place where it does not."""
    data = file.read_bytes()
    try:
        pack = msgspec.json.decode(data, type=WordingPack)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pack = None
    if pack is None or not is_clean(data):
        found = find_blemishes(data, WordingPack, "pack")
        raise BadWordingPack(file, [Problem(f"{each.path}: {each.found}", each.remedy) for each in found])
    problems = _find_misfits(pack, questionnaire, instrument)
    if problems:
        raise BadWordingPack(file, problems)
    return pack


def version_of(file: Path) -> str | None:
    """Tell which version of its instrument a pack is for, whatever else is wrong with it; None if it does not say."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Versioned).version
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def merge_pack(tree: JsonObject, pack: WordingPack) -> None:
    """Write a pack's texts into a Questionnaire's JSON: as its own texts if it has none, else as translations."""
    own = not _has_wording(tree)
    if own:
        tree["language"] = pack.language
        tree["item"] = [*_framing(pack), *_objects(tree.get("item"))]
    else:
        _add_framing(tree, pack)
    if pack.title is not None:
        _write(tree, "title", pack.title, pack.language, own=own)
    _merge_items(_objects(tree.get("item")), pack, own=own)
    statement = f"Wording ({pack.language}): {pack.holder}. {pack.licence} ({pack.date})"
    if pack.help:
        statement += f". What is said of its meaning: {pack.help_source}"
    tree["copyright"] = "\n\n".join(
        part for part in (tree.get("copyright"), statement) if isinstance(part, str)
    )


def questions(items: tuple[QuestionnaireItem, ...]) -> list[QuestionnaireItem]:
    """Give the items that somebody answers, in the order of the form."""
    found: list[QuestionnaireItem] = []
    for item in items:
        if item.type not in {"group", "display"} and not item.readOnly:
            found.append(item)
        found += questions(item.item)
    return found


def _find_misfits(pack: WordingPack, questionnaire: Questionnaire, instrument: str) -> list[Problem]:
    problems: list[Problem] = []
    if pack.instrument != instrument:
        problems.append(
            Problem(f"The pack is for “{pack.instrument}”, not for “{instrument}”", "Move it to that folder")
        )
    if pack.version != questionnaire.version:
        found = f"The pack is for version {pack.version}, the instrument is {questionnaire.version}"
        problems.append(Problem(found, "Check the texts against the version and name it"))
    asked = questions(questionnaire.item)
    known = {item.linkId for item in _all(questionnaire.item)}
    codes = {option.valueCoding.code for item in asked for option in item.answerOption if option.valueCoding}
    problems += [
        Problem("Its text is missing", "Add it to “items”", item.linkId)
        for item in asked
        if item.linkId not in pack.items
    ]
    problems += [
        Problem("The instrument has no such item", "Correct the linkId or take it out", link_id)
        for link_id in pack.items
        if link_id not in known
    ]
    problems += [
        Problem(f"The text of the option “{code}” is missing", "Add it to “options”")
        for code in sorted(code for code in codes if code and code not in pack.options)
    ]
    problems += [
        Problem(f"No item has the option “{code}”", "Correct the code or take it out")
        for code in pack.options
        if code not in codes
    ]
    problems += _find_same_texts(pack, asked)
    links = {item.linkId for item in asked}
    problems += [
        Problem(
            "What is helped with is no question of the instrument",
            "Correct the linkId or take it out",
            link_id,
        )
        for link_id in pack.help
        if link_id not in links or _HELP_OF.format(link_id) in known
    ]
    if pack.help and pack.help_source is None:
        found = "It explains questions, and does not say that the manual allows it"
        problems.append(
            Problem(found, "Name the place in the holder's manual as “help_source”, or take “help” out")
        )
    return problems


def _find_same_texts(pack: WordingPack, asked: list[QuestionnaireItem]) -> Iterator[Problem]:
    """Two answers that read the same cannot be told apart by whoever chooses."""
    for item in asked:
        codes: dict[str, list[str]] = {}
        for option in item.answerOption:
            code = option.valueCoding.code if option.valueCoding else None
            if code is not None and code in pack.options:
                codes.setdefault(pack.options[code], []).append(code)
        for text, same in codes.items():
            if len(same) > 1:
                found = f"Its options {', '.join(same)} have the same text “{text}”"
                yield Problem(found, "Give each the words of its own answer", item.linkId)


def _all(items: tuple[QuestionnaireItem, ...]) -> list[QuestionnaireItem]:
    return [each for item in items for each in (item, *_all(item.item))]


def _has_wording(tree: JsonObject) -> bool:
    return any("text" in item for item in _answered(_objects(tree.get("item"))))


def _answered(items: list[JsonObject]) -> list[JsonObject]:
    found: list[JsonObject] = []
    for item in items:
        if item["type"] not in {"group", "display"} and not item.get("readOnly"):
            found.append(item)
        found += _answered(_objects(item.get("item")))
    return found


def _framing(pack: WordingPack) -> list[JsonObject]:
    """Texts around the questions, which a form without wording has no items for."""
    texts = {"intro": pack.intro, "notes": pack.notes}
    return [
        {"linkId": link_id, "text": text, "type": "display"}
        for link_id, text in texts.items()
        if text is not None
    ]


def _add_framing(tree: JsonObject, pack: WordingPack) -> None:
    items = {item["linkId"]: item for item in _objects(tree.get("item"))}
    for framing in _framing(pack):
        if framing["linkId"] in items:
            _write(items[framing["linkId"]], "text", str(framing["text"]), pack.language, own=False)


def _merge_items(items: list[JsonObject], pack: WordingPack, *, own: bool) -> None:
    for item in items:
        text = pack.items.get(str(item["linkId"]))
        if text is not None:
            _write(item, "text", text, pack.language, own=own)
        for option in _objects(item.get("answerOption")):
            coding = option.get("valueCoding")
            if isinstance(coding, dict) and coding.get("code") in pack.options:
                _write(coding, "display", pack.options[coding["code"]], pack.language, own=own)
        _merge_items(_objects(item.get("item")), pack, own=own)
        if item["linkId"] in pack.help:
            _help_with(item, pack, own=own)


def _help_with(item: JsonObject, pack: WordingPack, *, own: bool) -> None:
    """Put what a question means below it, as SDC has it: a display with the control `help`."""
    name = _HELP_OF.format(item["linkId"])
    below = _objects(item.setdefault("item", []))
    found = next((each for each in below if each["linkId"] == name), None)
    if found is None:
        control = {"coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "help"}]}
        extension = [{"url": STRUCTURE + "questionnaire-itemControl", "valueCodeableConcept": control}]
        found = {"linkId": name, "type": "display", "extension": extension}
        below.append(found)
    if own:
        found["text"] = pack.help[str(item["linkId"])]
    else:
        _translate(found, "text", pack.help[str(item["linkId"])], pack.language)


def _write(target: JsonObject, name: str, text: str, language: str, *, own: bool) -> None:
    if own or name not in target:
        target[name] = text
        return
    _translate(target, name, text, language)


def _translate(target: JsonObject, name: str, text: str, language: str) -> None:
    sibling = target.setdefault(f"_{name}", {})
    extensions = sibling.setdefault("extension", []) if isinstance(sibling, dict) else []
    extensions.append(
        {
            "url": STRUCTURE + "translation",
            "extension": [{"url": "lang", "valueCode": language}, {"url": "content", "valueString": text}],
        }
    )


def _objects(value: object) -> list[JsonObject]:
    return value if isinstance(value, list) else []
