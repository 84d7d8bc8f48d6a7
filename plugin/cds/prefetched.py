"""What the EHR sent along with a call, read for the call's own patient: what names another is left out. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from plugin.days import Born, born_written

JsonObject = dict[str, object]

_VERSION = re.compile(r"/_history/[^/]*\Z")  # of a reference to one version of a resource


class Prefetch(msgspec.Struct):
    """The parts that the service asks for; others are not read."""

    patient: object = None
    encounters: object = None
    scores: object = None


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
    own = frozenset({f"Patient/{patient}", f"{base}/Patient/{patient}"})
    encounters, strange = _of(sent.encounters, "Encounter", own)
    scores, stranger = _of(sent.scores, "Observation", own)
    person = sent.patient if isinstance(sent.patient, Mapping) else {}
    is_another = person.get("id", patient) != patient
    if is_another:
        person = {}
    birth = person.get("birthDate")
    return Prefetched(
        encounters,
        scores,
        born_written(birth) if isinstance(birth, str) else None,
        (person.get("deceasedBoolean"), person.get("deceasedDateTime")),
        strange + stranger + is_another,
    )


def _of(search: object, kind: str, own: frozenset[str]) -> tuple[tuple[JsonObject, ...], int]:
    """Give a search's resources of a kind that are the patient's, and how many are not."""
    found = tuple(_resources(search, kind))
    kept = tuple(each for each in found if _is_about(each.get("subject"), own))
    return kept, len(found) - len(kept)


def _resources(search: object, kind: str) -> Iterator[JsonObject]:
    entries = search.get("entry") if isinstance(search, Mapping) else None
    for each in entries if isinstance(entries, list) else ():
        resource = each.get("resource") if isinstance(each, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == kind:
            yield resource


def _is_about(subject: object, own: frozenset[str]) -> bool:
    """Tell whether a subject is the patient, by a relative reference or one on their own server, or nobody that is named."""
    if subject is None:
        return True
    reference = subject.get("reference", "") if isinstance(subject, Mapping) else None
    return isinstance(reference, str) and (not reference or _VERSION.sub("", reference) in own)
