"""Reads a patient's past alliance scores out of the record's Observations. Pure, and lenient: it is others' data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

import msgspec

from questionnaires import Catalogue

JsonObject = dict[str, object]

_NOT_VALID = {"entered-in-error", "cancelled"}


@dataclass(frozen=True, slots=True)
class Point:
    """One score of one session by one rater; `value` is None where it was not computed, and `absent` says why."""

    when: datetime
    instrument: str  # id
    score: str  # linkId of the score item, e.g. score-total
    value: float | None
    absent: str | None
    respondent: str | None  # reference, where the record still tells
    response: str | None  # reference or our own id
    encounter: str | None = None  # reference


class _Reference(msgspec.Struct):
    reference: str = ""


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()
    text: str | None = None


class _Quantity(msgspec.Struct):
    value: float | None = None


class _Observation(msgspec.Struct):
    id: str | None = None
    status: str = ""
    code: _Concept = msgspec.field(default_factory=_Concept)
    effectiveDateTime: str | None = None  # noqa: N815 -- FHIR's element name
    valueQuantity: _Quantity | None = None  # noqa: N815 -- FHIR's element name
    dataAbsentReason: _Concept | None = None  # noqa: N815 -- FHIR's element name
    derivedFrom: tuple[_Reference, ...] = ()  # noqa: N815 -- FHIR's element name
    encounter: _Reference | None = None


class _Panel(msgspec.Struct):
    hasMember: tuple[_Reference, ...] = ()  # noqa: N815 -- FHIR's element name
    performer: tuple[_Reference, ...] = ()


class _Response(msgspec.Struct):
    id: str = ""
    status: str = ""
    source: _Reference | None = None


def read_sources(responses: Iterable[JsonObject]) -> dict[str, str]:
    """Map each response's reference to who answered it."""
    return {
        reference: each.source.reference
        for reference, each in _convert(responses)
        if each.source and each.source.reference
    }


def read_withdrawn(responses: Iterable[JsonObject]) -> frozenset[str]:
    """Give the references of the responses that were entered in error: whatever their scores' own status, they count no more."""
    return frozenset(
        reference for reference, each in _convert(responses) if each.status == "entered-in-error"
    )


def _convert(responses: Iterable[JsonObject]) -> Iterator[tuple[str, _Response]]:
    """Give each response with its reference; what is malformed is left out."""
    for raw in responses:
        try:
            response = msgspec.convert(raw, _Response)
        except msgspec.ValidationError:
            continue
        if response.id:
            yield f"QuestionnaireResponse/{response.id}", response


def read_performers(observations: Iterable[JsonObject]) -> dict[str, str]:
    """Map each response's reference to who answered it, by the panels alone: a panel names its performer and its scores."""
    kept = tuple(observations)
    performers: dict[str, str] = {}
    for raw in kept:
        try:
            panel = msgspec.convert(raw, _Panel)
        except msgspec.ValidationError:
            continue
        if panel.performer:
            performers.update({each.reference: panel.performer[0].reference for each in panel.hasMember})
    sources = {}
    for raw in kept:
        try:
            score = msgspec.convert(raw, _Observation)
        except msgspec.ValidationError:
            continue
        who = performers.get(f"Observation/{score.id}")
        if who:
            sources.update({each.reference: who for each in score.derivedFrom})
    return sources


def read_points(
    observations: Iterable[JsonObject], sources: Mapping[str, str], catalogue: Catalogue, zone: tzinfo
) -> tuple[Point, ...]:
    """Give the scores of known instruments among Observations, oldest first; what cannot be read is left out.

    `zone` is the site's: a date alone is a day there.
    """
    known = _codes_of(catalogue)
    points = [point for raw in observations if (point := _read_point(raw, known, sources, zone)) is not None]
    return tuple(sorted(points, key=lambda point: point.when))


@lru_cache(maxsize=8)
def _codes_of(catalogue: Catalogue) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Map each score's code to instrument and score; a catalogue does not change once it is loaded."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for instrument in catalogue.all():
        for score in instrument.scores:
            # Forms of a site's own may share a code of LOINC: then their scores are one line.
            known.setdefault((score.code.system, score.code.code), (instrument.id, score.link_id))
    return known


def _read_point(
    raw: JsonObject,
    known: Mapping[tuple[str, str], tuple[str, str]],
    sources: Mapping[str, str],
    zone: tzinfo,
) -> Point | None:
    try:
        found = msgspec.convert(raw, _Observation)
    except msgspec.ValidationError:
        return None
    code = next((key for each in found.code.coding if (key := (each.system, each.code)) in known), None)
    when = _moment(found.effectiveDateTime, zone)
    if code is None or when is None or found.status in _NOT_VALID:
        return None
    instrument, score = known[code]
    value = found.valueQuantity.value if found.valueQuantity else None
    absent = None
    if value is None:
        absent = (found.dataAbsentReason.text if found.dataAbsentReason else None) or "Not computed"
    response = next(
        (each.reference for each in found.derivedFrom if "QuestionnaireResponse/" in each.reference), None
    )
    encounter = found.encounter.reference if found.encounter and found.encounter.reference else None
    return Point(when, instrument, score, value, absent, sources.get(response or ""), response, encounter)


def _moment(text: str | None, zone: tzinfo) -> datetime | None:
    """Read a dateTime to the day at least; a date alone counts as noon of the zone."""
    if text is None or len(text) < 10:
        return None
    try:
        moment = datetime.fromisoformat(text if "T" in text else f"{text}T12:00:00")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
