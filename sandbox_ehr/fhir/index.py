"""Reads out of a resource what it can be found by. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox_ehr.fhir.dates import FOREVER, to_interval
from sandbox_ehr.fhir.json_text import JsonObject, children, first_text
from sandbox_ehr.fhir.parameters import PARAMETERS, PATIENT_LINK, Kind

COMPARTMENT = "_compartment"
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of one parameter. Tokens and references use system and value, dates the interval [low, high)."""

    param: str
    system: str | None = None
    value: str | None = None
    low: int | None = None
    high: int | None = None


def fold(text: str) -> str:
    """Make text comparable: without case and accents."""
    # The dotless i of Turkish has no decomposition.
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i"))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def split_reference(text: str, base: str) -> tuple[str, str] | None:
    """Give (type, id) of a reference to a resource on this server; None for any other."""
    found = _REFERENCE.fullmatch(text.removeprefix(f"{base}/"))
    return (found[1], found[2]) if found else None


def read_entries(resource: JsonObject, base: str) -> list[Entry]:
    """Give all entries of a resource, that of its patient compartment included."""
    resource_type = str(resource["resourceType"])
    entries = [
        entry
        for name, parameter in PARAMETERS[resource_type].items()
        for path in parameter.paths
        for value in children(resource, *path)
        for entry in _read(name, parameter.kind, value, base)
        if parameter.target is None or entry.system in {parameter.target, None}
    ]
    patient = read_patient(resource, base)
    return [*entries, Entry(COMPARTMENT, value=patient)] if patient else entries


def read_patient(resource: JsonObject, base: str) -> str | None:
    """Give the id of the patient whom the resource is about, if it says so itself."""
    resource_type = str(resource["resourceType"])
    if resource_type == "Patient":
        return str(resource["id"])
    link = PATIENT_LINK.get(resource_type)
    reference = first_text(resource, *link, "reference") if link else None
    split = split_reference(reference, base) if reference else None
    return split[1] if split and split[0] == "Patient" else None


def _read(name: str, kind: Kind, value: object, base: str) -> Iterator[Entry]:
    if kind == "token":
        yield from (Entry(name, system, code) for system, code in _tokens(value))
    elif kind == "string":
        yield from (Entry(name, value=fold(text)) for text in _texts(value))
    elif kind == "date":
        yield from _dates(name, value)
    elif kind == "uri" and isinstance(value, str):
        address, _, version = value.partition("|")
        yield Entry(name, version or None, address)
    elif kind == "reference" and isinstance(value, dict) and isinstance(value.get("reference"), str):
        split = split_reference(value["reference"], base)
        yield Entry(name, *split) if split else Entry(name, None, value["reference"])


def _tokens(value: object) -> Iterator[tuple[str | None, str]]:
    if isinstance(value, bool):
        yield None, str(value).lower()
    elif isinstance(value, str):
        yield None, value
    elif isinstance(value, dict) and isinstance(value.get("coding"), list):
        for coding in value["coding"]:
            yield from _tokens(coding)
    elif isinstance(value, dict):
        code = value.get("code", value.get("value"))
        system = value.get("system")
        if isinstance(code, str):
            yield system if isinstance(system, str) else None, code


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):  # HumanName
        for key in ("text", "family", "given", "prefix"):
            yield from (each for each in children(value, key) if isinstance(each, str))


def _dates(name: str, value: object) -> Iterator[Entry]:
    if isinstance(value, str):
        low, high = to_interval(value)
        yield Entry(name, low=low, high=high)
    elif isinstance(value, dict):  # Period
        start, end = value.get("start"), value.get("end")
        low = to_interval(start)[0] if isinstance(start, str) else -FOREVER
        high = to_interval(end)[1] if isinstance(end, str) else FOREVER
        yield Entry(name, low=low, high=high)
