"""Loads one instrument from its files, with its own and the site's wording packs merged in."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from questionnaires.adopting import Adopted, Manner, adopt, name_of, system_of
from questionnaires.datatypes import JsonObject, Struct, decoder, read_custom, read_decimal
from questionnaires.errors import BadInstrument, BadWordingPack, Problem
from questionnaires.invariants import find_faults
from questionnaires.model import Code, Instrument, Rater
from questionnaires.packs import WordingPack, merge_pack, read_pack, version_of
from questionnaires.reading import (
    SCORES,
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

FORM = "questionnaire.json"
DEFINITIONS = "observation-definitions.json"
_SOURCE = "SOURCE.md"
EARLIER = "earlier"  # the folder of versions that are no longer begun
CITED = ("Holder", "Key", "Key read from", "Wording read at", "Validation", "Missing answers")
_LARGEST_FORM = 5_000_000  # bytes; the longest forms in use have some hundred thousand
_encoder = msgspec.json.Encoder(decimal_format="number")


def load_instrument(
    path: Path,
    *,
    wording: Path | None = None,
    manner: Manner | None = None,
    earlier_of: str | None = None,
) -> Instrument:
    """Load one instrument from its folder or its file, with its own and the site's wording packs merged in.

    With a `manner` it is one of a site's own: what it leaves unsaid is assumed, and stands in `notes`. Without, it must say
    everything. An earlier version of an instrument has its id (`earlier_of`). BadInstrument names every place that must
    be mended.
    """
    form, name = (path / FORM, path.name) if path.is_dir() else (path, name_of(path.stem))
    name = earlier_of or name
    data = _read(form)
    whole, adopted = (data, Adopted()) if manner is None else _adopt(data, form, name, manner)
    questionnaire, rater = _check_form(whole, form, adopted.problems)
    definitions_data, definitions = _read_definitions(form.parent)
    packs = _read_packs(path, wording, questionnaire, name, earlier=earlier_of is not None)
    resource = _publish(whole, packs)
    worded = _decode(resource, Questionnaire, form)
    licence, validated, note = read_standing(questionnaire)
    return Instrument(
        id=name,
        url=questionnaire.url,
        version=questionnaire.version,
        title=worded.title or name,
        rater=rater,
        licence_kind=licence,
        validated=validated,
        experimental=questionnaire.experimental,
        status=questionnaire.status,
        status_note=note,
        warnings=read_warnings(questionnaire),
        age_years=read_ages(questionnaire),
        items=read_items(worded.item, adopted.bare),
        scores=read_scores(worded, definitions),
        wordings=read_wordings(worded),
        resource=resource,
        content_hash=f"sha256:{hashlib.sha256(data + definitions_data).hexdigest()}",
        questionnaire=worded,
        code=_code_of(questionnaire, name, manner),
        own=manner is not None,
        file=str(form),
        notes=tuple(adopted.notes),
        citations=_read_citations(path, path.parent.parent if earlier_of else path) if path.is_dir() else (),
    )


def _read(form: Path) -> bytes:
    try:
        size = form.stat().st_size
        if size > _LARGEST_FORM:
            problem = Problem(f"The file has {size} bytes", f"Use a form of {_LARGEST_FORM} bytes at most")
            raise BadInstrument(form, [problem])
        return form.read_bytes()
    except OSError as error:
        problem = Problem(f"The file cannot be read: {error.strerror}", "Let Rapport's user read it")
        raise BadInstrument(form, [problem]) from None


def _adopt(data: bytes, form: Path, name: str, manner: Manner) -> tuple[bytes, Adopted]:
    """Give the completed form, and what was assumed or makes it unusable."""
    try:
        tree = msgspec.json.Decoder(JsonObject, dec_hook=read_custom, float_hook=read_decimal).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        tree = {}
    if not tree or not is_clean(data):
        raise BadInstrument(form, _problems(data, JsonObject))
    kind = tree.get("resourceType")
    if kind != "Questionnaire":
        found = f"It is a {kind}, not a Questionnaire" if kind else "It is no FHIR resource"
        raise BadInstrument(form, [Problem(found, "Put Questionnaires here only, one a file")])
    adopted = adopt(tree, data, name, manner)
    return _encoder.encode(tree), adopted


def _check_form(data: bytes, form: Path, problems: list[Problem]) -> tuple[Questionnaire, Rater]:
    """Decode and check a form; BadInstrument with every problem, those found before included."""
    try:
        questionnaire = _decode(data, Questionnaire, form)
    except BadInstrument as bad:
        raise BadInstrument(form, [*problems, *bad.problems]) from None
    faults = [*problems, *find_faults(questionnaire)]
    rater = read_rater(questionnaire)
    if isinstance(rater, Problem):
        faults.append(rater)
    if faults or isinstance(rater, Problem):
        raise BadInstrument(form, faults)
    return questionnaire, rater


def _code_of(questionnaire: Questionnaire, name: str, manner: Manner | None) -> Code:
    """Give the code of the panel: the form's own, else ours or the site's for its id."""
    title = questionnaire.title or name
    for each in questionnaire.code if manner is not None else ():
        if each.system and each.code:
            return Code(each.system, each.code, each.display or title)
    return Code(SCORES if manner is None else system_of(name, manner), name, title)


def _decode(data: bytes, kind: type[Struct], file: Path) -> Struct:
    try:
        decoded: Struct | None = decoder(kind).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        decoded = None
    if decoded is None or not is_clean(data):
        raise BadInstrument(file, _problems(data, kind))
    return decoded


def _problems(data: bytes, kind: type[Struct] | type[JsonObject]) -> list[Problem]:
    root = "Questionnaire" if kind is JsonObject else kind.__name__
    blemishes = find_blemishes(data, kind, root)
    found = [Problem(f"{each.path}: {each.found}", each.remedy, each.link_id) for each in blemishes]
    # JSON in its form, and still no text: half of a surrogate pair, for instance.
    return found or [Problem(f"{root}: A text holds a character that is not Unicode", "Write it as UTF-8")]


def _read_definitions(folder: Path) -> tuple[bytes, tuple[ObservationDefinition, ...]]:
    file = folder / DEFINITIONS
    if not file.is_file():
        return b"", ()
    data = file.read_bytes()
    return data, tuple(entry.resource for entry in _decode(data, DefinitionBundle, file).entry)


def _read_citations(*folders: Path) -> tuple[tuple[str, str], ...]:
    """Read from the table of the first SOURCE.md whose the form is and where its key comes from; nothing where there is none."""
    file = next((each / _SOURCE for each in folders if (each / _SOURCE).is_file()), None)
    if file is None:
        return ()
    rows = (
        [cell.strip() for cell in line.strip().strip("|").split("|", 1)]
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("| ")
    )
    plain = str.maketrans({"*": None, "<": None, ">": None, "`": None})
    told = {row[0]: row[1].translate(plain) for row in rows if len(row) == 2}
    return tuple((name, told[name]) for name in CITED if told.get(name))


def _read_packs(
    form: Path, wording: Path | None, questionnaire: Questionnaire, name: str, *, earlier: bool
) -> list[WordingPack]:
    files = sorted((form / "wording").glob("*.json"))
    if wording is not None:
        found = packs_of(wording, name, earlier=earlier)
        files += [each for each in found if not earlier or version_of(each) == questionnaire.version]
    packs: dict[str, WordingPack] = {}
    worded = read_wordings(questionnaire)
    for file in files:
        pack = read_pack(file, questionnaire, instrument=name)
        if pack.language in packs or pack.language in worded:
            found_twice = f"The instrument has its wording in “{pack.language}” already"
            raise BadWordingPack(file, [Problem(found_twice, "Keep one of them")])
        packs[pack.language] = pack
    # English first: it becomes the form's own language if the form has no text of its own.
    return sorted(packs.values(), key=lambda pack: (pack.language != "en", pack.language))


def packs_of(wording: Path, name: str, *, earlier: bool) -> list[Path]:
    """Find a site's packs of an instrument; those of earlier versions stand below `earlier/`, in folders of any name."""
    place = wording / name
    return sorted((place / EARLIER).rglob("*.json") if earlier else place.glob("*.json"))


def _publish(data: bytes, packs: Iterable[WordingPack]) -> bytes:
    packs = tuple(packs)
    if not packs:
        return msgspec.json.format(data, indent=-1)
    tree = msgspec.json.Decoder(JsonObject, dec_hook=read_custom, float_hook=read_decimal).decode(data)
    for pack in packs:
        merge_pack(tree, pack)
    return _encoder.encode(tree)
