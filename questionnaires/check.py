"""Checks instruments and terminology for publication; for tests and the command line, because its gate is slow to import.

The gate is fhir.resources (R4B models, the same as R4 for what stands here); codes are checked against this package's own
code systems, and everything else by `questionnaires.invariants`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from questionnaires.datatypes import Coding
from questionnaires.errors import BadInstrument, Problem
from questionnaires.invariants import find_flaws
from questionnaires.loader import load_instrument
from questionnaires.model import Instrument
from questionnaires.reading import BASE
from questionnaires.resources import Questionnaire, QuestionnaireItem, read_translations

_LICENCE_FILE = "SOURCE.md"


def check_folder(folder: Path) -> Instrument:
    """Check one instrument's folder for publication; BadInstrument names every place and remedy."""
    instrument = load_instrument(folder)
    problems = [*find_flaws(instrument), *find_code_flaws(instrument, read_code_systems())]
    problems += find_model_flaws(instrument.resource)
    definitions = folder / "observation-definitions.json"
    if definitions.is_file():
        problems += find_model_flaws(definitions.read_bytes())
    if not (folder / _LICENCE_FILE).is_file():
        problems.append(
            Problem(f"{_LICENCE_FILE} is missing", "Say where wording and key were read, and the licence")
        )
    if problems:
        raise BadInstrument(folder / "questionnaire.json", problems)
    return instrument


def read_terminology() -> dict[str, bytes]:
    """Give the code systems and extension definitions of this package: file name -> JSON."""
    place = files("questionnaires") / "terminology"
    return {file.name: file.read_bytes() for file in place.iterdir() if file.name.endswith(".json")}


def find_model_flaws(data: bytes) -> list[Problem]:
    """Find what fhir.resources objects to in a resource."""
    tree = json.loads(data)
    model = get_fhir_model_class(tree["resourceType"])
    try:
        model.model_validate(tree)
    except ValidationError as error:
        return [
            Problem(f"{'.'.join(map(str, each['loc']))}: {each['msg']}", "Correct it as R4 defines it")
            for each in error.errors()
        ]
    return []


def read_code_systems() -> dict[str, dict[str, frozenset[str]]]:
    """Give this package's code systems: address -> code -> the words it may be shown with."""
    systems: dict[str, dict[str, frozenset[str]]] = {}
    for name, data in read_terminology().items():
        if name.startswith("CodeSystem-"):
            tree = json.loads(data)
            systems[tree["url"]] = {
                concept["code"]: frozenset(
                    [concept["display"], *(each["value"] for each in concept.get("designation", ()))]
                )
                for concept in tree["concept"]
            }
    return systems


def find_code_flaws(
    instrument: Instrument, systems: Mapping[str, Mapping[str, frozenset[str]]]
) -> Iterator[Problem]:
    """Find codes of this project that no code system has, or that are shown with other words than its own."""
    for link_id, coding in _codings(instrument.questionnaire):
        if coding.system is None or not coding.system.startswith(f"{BASE}/"):
            continue
        words = systems.get(coding.system, {}).get(coding.code or "")
        if words is None:
            found = f"{coding.system} has no code “{coding.code}”"
            yield Problem(found, "Add it to the code system, or correct it", link_id)
            continue
        shown = {coding.display, *read_translations(coding.display_).values()} - {None}
        for text in sorted(text for text in shown if text and text not in words):
            found = f"“{text}” is no display or designation of {coding.system}#{coding.code}"
            yield Problem(found, "Use the code system's words, or add a designation", link_id)


def _codings(questionnaire: Questionnaire) -> Iterator[tuple[str | None, Coding]]:
    for coding in questionnaire.code:
        yield None, coding
    yield from _item_codings(questionnaire.item)


def _item_codings(items: Iterable[QuestionnaireItem]) -> Iterator[tuple[str | None, Coding]]:
    for item in items:
        for coding in item.code:
            yield item.linkId, coding
        for option in item.answerOption:
            if option.valueCoding is not None:
                yield item.linkId, option.valueCoding
        yield from _item_codings(item.item)
