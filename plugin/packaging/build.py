"""Builds the package from the instruments' folders; what breaks a rule of publication stops it, naming file and item."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

from plugin import __version__
from plugin.packaging.archive import JsonObject, pack, read_json, write_json
from plugin.packaging.definitions import (
    BASE,
    PACKAGE,
    SCHEDULES,
    US_CORE,
    US_CORE_VERSION,
    build_guide,
    build_plan,
    build_score_profile,
    build_value_set,
)
from plugin.packaging.examples import PATIENT, build_examples
from plugin.packaging.page import write_page
from plugin.scores import compile_key
from questionnaires import BadInstrument, Instrument, Problem, find_forms
from questionnaires.check import check_folder, find_model_flaws, read_terminology
from questionnaires.kit import read_kit_files
from questionnaires.loader import FORM


@dataclass(frozen=True, slots=True)
class Package:
    """The package: its resources and examples by file name, its archive and its page for people."""

    version: str
    resources: dict[str, JsonObject]
    examples: dict[str, JsonObject]
    archive: bytes
    page: bytes

    @property
    def filename(self) -> str:
        """How the archive is called: `name-version.tgz`."""
        return f"{PACKAGE}-{self.version}.tgz"


def build_package(folders: tuple[Path, ...] = ()) -> Package:
    """Build the package of the shipped instruments and of those in `folders` (each an instrument's, or of such).

    Wording packs of a site are never read: their texts are licensed to that site. BadInstrument names every place that may
    not be published so. The same files give the same bytes, whenever and wherever they are built.
    """
    with as_file(files("questionnaires") / "instruments") as shipped:
        places = [each for root in (shipped, *folders) for each in _find_folders(root)]
        checked = [(check_folder(place), _read_definitions(place)) for place in places]
    instruments = tuple(instrument for instrument, _ in checked)
    for each in instruments:
        compile_key(each)
    resources = _by_name(
        [
            *_terminology(),
            *(read_json(instrument.resource) for instrument in instruments),
            *(each for _, definitions in checked for each in definitions),
        ]
    )
    date = max(str(tree["date"]) for tree in resources.values() if "date" in tree)
    authored = datetime.fromisoformat(date).replace(tzinfo=UTC)
    resources |= _by_name(_own_definitions(instruments, date))
    open_forms = [
        each for each in instruments if each.licence_kind in {"open", "not stated"} and each.fillable
    ]
    examples = _by_name(
        [PATIENT, *(tree for each in open_forms for tree in build_examples(each, authored=authored))]
    )
    listed = [*((tree, False) for tree in resources.values()), *((tree, True) for tree in examples.values())]
    guide = build_guide(
        [(f"{tree['resourceType']}/{tree['id']}", tree, example) for tree, example in listed],
        __version__,
        date,
    )
    resources = dict(sorted((resources | _by_name([guide])).items()))
    _check_models({**resources, **examples})
    kit = {f"conformance/{name}": data for name, data in read_kit_files().items()}
    archive = pack(_manifest(date), resources, examples, kit)
    return Package(__version__, resources, examples, archive, write_page(instruments, __version__, date))


def _find_folders(root: Path) -> list[Path]:
    """Find the folders of the instruments in a place; BadInstrument names every form there that is a file alone."""
    forms = find_forms(root)
    if not forms:
        raise BadInstrument(root, [Problem("There is no Questionnaire", "Name a folder of instruments")])
    alone = [
        Problem(
            f"{each.name} is a file alone, and the package wants the source and the licence of each form",
            f"Put it into a folder of its own as {FORM}, with a SOURCE.md (docs/how-to/add-an-instrument.md)",
        )
        for each in forms
        if each.is_file()
    ]
    if alone:
        raise BadInstrument(root, alone)
    return forms


def _own_definitions(instruments: tuple[Instrument, ...], date: str) -> list[JsonObject]:
    plans = [
        build_plan(identity, title, schedule, instruments, __version__, date)
        for identity, (title, schedule) in SCHEDULES.items()
    ]
    return [build_score_profile(__version__, date), *plans]


def _terminology() -> list[JsonObject]:
    trees = [read_json(data) for _, data in sorted(read_terminology().items())]
    return [*trees, *(build_value_set(tree) for tree in trees if tree["resourceType"] == "CodeSystem")]


def _read_definitions(folder: Path) -> list[JsonObject]:
    file = folder / "observation-definitions.json"
    if not file.is_file():
        return []
    entries = read_json(file.read_bytes())["entry"]
    return [entry["resource"] for entry in entries]


def _by_name(trees: list[JsonObject]) -> dict[str, JsonObject]:
    return {f"{tree['resourceType']}-{tree['id']}.json": tree for tree in trees}


def _check_models(trees: dict[str, JsonObject]) -> None:
    for name, tree in trees.items():
        problems = find_model_flaws(write_json(tree))
        if problems:
            raise BadInstrument(name, problems)


def _manifest(date: str) -> JsonObject:
    return {
        "name": PACKAGE,
        "version": __version__,
        "tools-version": 3,
        "type": "Conformance",
        "date": date.replace("-", "") + "000000",
        "license": "SEE COPYRIGHT IN EACH RESOURCE",
        "canonical": BASE,
        "url": BASE,
        "title": "Alliance instruments of Rapport",
        "description": "Questionnaires of the therapeutic alliance with children and adolescents, with their scoring keys",
        "fhirVersions": ["4.0.1"],
        "dependencies": {"hl7.fhir.r4.core": "4.0.1", US_CORE: US_CORE_VERSION},
        "author": "The Rapport developers",
        "directories": {"lib": "package", "example": "example"},
    }
