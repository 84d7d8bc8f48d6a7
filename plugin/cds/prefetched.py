"""What the EHR sent along with a call, read for the call's own patient: what names another is left out. Pure.

Only what is looked for is decoded: a search of 200 brings a narrative with each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from plugin.days import Born, born_written

JsonObject = dict[str, object]
Struct = TypeVar("Struct")

NOTHING = msgspec.Raw(b"null")
_VERSION = re.compile(r"/_history/[^/]*\Z")  # of a reference to one version of a resource
_NOT_READABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NOT_READ = ("text", "contained", "extension")  # the large parts of a resource, which nothing here reads


class Prefetch(msgspec.Struct):
    """The parts that the service asks for, as they were written."""

    patient: msgspec.Raw = NOTHING
    encounters: msgspec.Raw = NOTHING
    scores: msgspec.Raw = NOTHING


class _Bundle(msgspec.Struct):
    entry: tuple[msgspec.Raw, ...] = ()


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = NOTHING


class _Reference(msgspec.Struct):
    reference: str | None = None


class _About(msgspec.Struct):
    """What tells whom a resource is about."""

    resourceType: str = ""  # noqa: N815 -- FHIR's element name
    subject: _Reference | None = None


class _Patient(msgspec.Struct):
    id: str | None = None
    birthDate: object = None  # noqa: N815 -- FHIR's element name; lenient: the rest is read whatever it is
    deceasedBoolean: object = None  # noqa: N815 -- FHIR's element name
    deceasedDateTime: object = None  # noqa: N815 -- FHIR's element name


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What came of one patient. `others` counts what was left out because it names somebody else."""

    encounters: tuple[JsonObject, ...] = ()
    scores: tuple[JsonObject, ...] = ()
    born: Born | None = None
    deceased: tuple[object, object] = (None, None)  # Patient.deceasedBoolean, Patient.deceasedDateTime
    others: int = 0


def read_prefetch(sent: Prefetch | None, patient: str, base: str) -> Prefetched:
    """Read what is of the patient with this id, on the server at `base`; nothing of what is odd.

    What names nobody came as the answer to a search for this patient, and is read.
    """
    if sent is None:
        return Prefetched()
    encounters, strange = _of(sent.encounters, "Encounter", patient, base)
    scores, stranger = _of(sent.scores, "Observation", patient, base)
    person = _decode(sent.patient, _Patient) or _Patient()
    is_another = person.id is not None and person.id != patient
    if is_another:
        person = _Patient()
    return Prefetched(
        encounters,
        scores,
        born_written(person.birthDate) if isinstance(person.birthDate, str) else None,
        (person.deceasedBoolean, person.deceasedDateTime),
        strange + stranger + is_another,
    )


def _of(search: msgspec.Raw, kind: str, patient: str, base: str) -> tuple[tuple[JsonObject, ...], int]:
    """Give a search's resources of a kind that are the patient's, and how many are not."""
    found, others = [], 0
    for written in _resources(search):
        about = _decode(written, _About)
        if about is None or about.resourceType != kind:
            continue
        if about.subject is not None and not _names(about.subject.reference, patient, base):
            others += 1
        elif (parts := _decode(written, dict[str, msgspec.Raw])) is not None:
            found.append({name: _value(part) for name, part in parts.items() if name not in _NOT_READ})
    return tuple(found), others


def _resources(search: msgspec.Raw) -> Iterator[msgspec.Raw]:
    bundle = _decode(search, _Bundle) or _Bundle()
    for written in bundle.entry:
        if (entry := _decode(written, _Entry)) is not None:
            yield entry.resource


def _names(reference: str | None, patient: str, base: str) -> bool:
    """Tell whether a subject's reference is to the patient: relative, or absolute on their own server; nobody is named by none."""
    if not reference:
        return True
    return _VERSION.sub("", reference) in {f"Patient/{patient}", f"{base}/Patient/{patient}"}


def _value(part: msgspec.Raw) -> object:
    return _decode(part, object)


def _decode(written: msgspec.Raw, kind: type[Struct]) -> Struct | None:
    try:
        return msgspec.json.decode(written, type=kind)
    except _NOT_READABLE:
        return None
