"""Loads the catalogue: the instruments of this package, those of a site's own folders, and the site's wording packs."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path

import msgspec

from questionnaires.catalogue import Catalogue
from questionnaires.datatypes import JsonObject, Struct, decoder, read_custom
from questionnaires.errors import BadInstrument, BadWordingPack, Problem
from questionnaires.invariants import find_faults
from questionnaires.model import Instrument
from questionnaires.packs import WordingPack, merge_pack, questions, read_pack
from questionnaires.reading import (
    read_ages,
    read_items,
    read_rater,
    read_scores,
    read_standing,
    read_warnings,
    read_wordings,
)
from questionnaires.resources import DefinitionBundle, ObservationDefinition, Questionnaire
from questionnaires.strict import find_blemishes, is_clean

_FORM = "questionnaire.json"
_DEFINITIONS = "observation-definitions.json"


def load_catalogue(*, wording: Path | None = None, folders: tuple[Path, ...] = ()) -> Catalogue:
    """Load every instrument: one folder each, its name the id.

    `folders` hold a site's own instruments, laid out as this package's `instruments` folder; `wording` holds packs as
    `<instrument>/<language>.json`. BadInstrument and BadWordingPack name file, linkId and remedy.
    """
    with as_file(files("questionnaires") / "instruments") as shipped:
        places = [folder for place in (shipped, *folders) for folder in _instrument_folders(place)]
        instruments = [load_instrument(folder, wording=wording) for folder in places]
    if wording is not None:
        _check_pack_folders(wording, {instrument.id for instrument in instruments})
    _check_distinct(instruments)
    return Catalogue(tuple(instruments))


def load_instrument(folder: Path, *, wording: Path | None = None) -> Instrument:
    """Load one instrument from its folder, with its own and the site's wording packs merged in."""
    form = folder / _FORM
    data = form.read_bytes()
    questionnaire = _decode(data, Questionnaire, form)
    faults = find_faults(questionnaire)
    rater = read_rater(questionnaire)
    if isinstance(rater, Problem):
        faults.append(rater)
    if faults or isinstance(rater, Problem):
        raise BadInstrument(form, faults)
    definitions_data, definitions = _read_definitions(folder)
    resource = _publish(data, _read_packs(folder, wording, questionnaire))
    worded = _decode(resource, Questionnaire, form)
    licence, validated, note = read_standing(questionnaire)
    has_text = all(item.text for item in questions(questionnaire.item))
    return Instrument(
        id=folder.name,
        url=questionnaire.url,
        version=questionnaire.version,
        title=worded.title or folder.name,
        rater=rater,
        licence_kind=licence or ("open" if has_text else "licensed"),
        validated=validated,
        experimental=questionnaire.experimental,
        status=questionnaire.status,
        status_note=note,
        warnings=read_warnings(questionnaire),
        age_years=read_ages(questionnaire),
        items=read_items(worded.item),
        scores=read_scores(worded, definitions),
        wordings=read_wordings(worded),
        resource=resource,
        content_hash=f"sha256:{hashlib.sha256(data + definitions_data).hexdigest()}",
        questionnaire=worded,
    )


def _instrument_folders(place: Path) -> list[Path]:
    if not place.is_dir():
        problem = Problem("There is no such folder", "Name a folder that holds one folder an instrument")
        raise BadInstrument(place, [problem])
    return sorted(each for each in place.iterdir() if (each / _FORM).is_file())


def _decode(data: bytes, kind: type[Struct], file: Path) -> Struct:
    try:
        decoded: Struct | None = decoder(kind).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        decoded = None
    if decoded is None or not is_clean(data):
        blemishes = find_blemishes(data, kind, kind.__name__)
        problems = [Problem(f"{each.path}: {each.found}", each.remedy, each.link_id) for each in blemishes]
        raise BadInstrument(file, problems)
    return decoded


def _read_definitions(folder: Path) -> tuple[bytes, tuple[ObservationDefinition, ...]]:
    file = folder / _DEFINITIONS
    if not file.is_file():
        return b"", ()
    data = file.read_bytes()
    return data, tuple(entry.resource for entry in _decode(data, DefinitionBundle, file).entry)


def _read_packs(folder: Path, wording: Path | None, questionnaire: Questionnaire) -> list[WordingPack]:
    places = [folder / "wording", *([wording / folder.name] if wording else [])]
    packs: dict[str, WordingPack] = {}
    worded = read_wordings(questionnaire)
    for file in (file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))):
        pack = read_pack(file, questionnaire, instrument=folder.name)
        if pack.language in packs or pack.language in worded:
            found = f"The instrument has its wording in “{pack.language}” already"
            raise BadWordingPack(file, [Problem(found, "Keep one of them")])
        packs[pack.language] = pack
    # English first: it becomes the form's own language if the form has no text of its own.
    return sorted(packs.values(), key=lambda pack: (pack.language != "en", pack.language))


def _publish(data: bytes, packs: Iterable[WordingPack]) -> bytes:
    packs = tuple(packs)
    if not packs:
        return msgspec.json.format(data, indent=-1)
    tree = msgspec.json.Decoder(JsonObject, dec_hook=read_custom, float_hook=Decimal).decode(data)
    for pack in packs:
        merge_pack(tree, pack)
    return msgspec.json.Encoder(decimal_format="number").encode(tree)


def _check_pack_folders(wording: Path, known: set[str]) -> None:
    if not wording.is_dir():
        raise BadWordingPack(wording, [Problem("There is no such folder", "Correct the setting `wording`")])
    for place in sorted(wording.iterdir()):
        if place.is_dir() and place.name not in known:
            found = f"There is no instrument “{place.name}”"
            raise BadWordingPack(
                place, [Problem(found, f"Name the folder after one of: {', '.join(sorted(known))}")]
            )


def _check_distinct(instruments: list[Instrument]) -> None:
    for name in ("id", "canonical"):
        seen: set[str] = set()
        for instrument in instruments:
            value = getattr(instrument, name)
            if value in seen:
                problem = Problem(f"Another instrument has the {name} {value}", "Give each its own")
                raise BadInstrument(instrument.id, [problem])
            seen.add(value)
