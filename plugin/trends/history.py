"""Reads a patient's past alliance scores out of the record's Observations. Pure, and lenient: it is others' data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

import msgspec

from plugin.days import day_of
from questionnaires import Catalogue

JsonObject = dict[str, object]

MASKED = "Masked in the record: "
"""Begins why there is no value where the record says that there is one which may not be told; its own text follows."""
_MASKED = ("http://terminology.hl7.org/CodeSystem/data-absent-reason", "masked")
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


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A score of a known instrument that has no place among the others: on no day, or `is_unreadable` as it stands there.

    `written` is what stands in the place of its day, as far as it is a text.
    """

    instrument: str  # id
    score: str  # linkId
    written: str
    respondent: str | None
    response: str | None
    is_unreadable: bool = False


class _Reference(msgspec.Struct):
    reference: str = ""


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()
    text: str | None = None


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


class _Quantity(msgspec.Struct):
    value: float | None = None


class _Observation(msgspec.Struct):
    id: str | None = None
    status: str = ""
    code: _Concept = msgspec.field(default_factory=_Concept)
    effectiveDateTime: str | None = None  # noqa: N815 -- FHIR's element name
    effectiveInstant: str | None = None  # noqa: N815 -- FHIR's element name
    effectivePeriod: _Period | None = None  # noqa: N815 -- FHIR's element name
    valueQuantity: _Quantity | None = None  # noqa: N815 -- FHIR's element name
    dataAbsentReason: _Concept | None = None  # noqa: N815 -- FHIR's element name
    derivedFrom: tuple[_Reference, ...] = ()  # noqa: N815 -- FHIR's element name
    encounter: _Reference | None = None


class _Coded(msgspec.Struct):
    """What an Observation has to tell for it to be known as a score of ours, whatever else of it can be read."""

    code: _Concept = msgspec.field(default_factory=_Concept)
    status: str = ""


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
    """Give the scores of known instruments among Observations, oldest first; what has no day is left out.

    `zone` is the site's: a date alone is a day there.
    """
    return read_scores(observations, sources, catalogue, zone)[0]


def read_scores(
    observations: Iterable[JsonObject], sources: Mapping[str, str], catalogue: Catalogue, zone: tzinfo
) -> tuple[tuple[Point, ...], tuple[Unplaced, ...]]:
    """Give the same, and beside them what has no place among them; what was entered in error is in neither."""
    known = _codes_of(catalogue)
    read = [each for raw in observations if (each := _read_score(raw, known, sources, zone)) is not None]
    points = sorted((each for each in read if isinstance(each, Point)), key=lambda point: point.when)
    return tuple(points), tuple(each for each in read if isinstance(each, Unplaced))


@lru_cache(maxsize=8)
def _codes_of(catalogue: Catalogue) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Map each score's code to instrument and score; a catalogue does not change once it is loaded."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for instrument in catalogue.all():
        for score in instrument.scores:
            # Forms of a site's own may share a code of LOINC: then their scores are one line.
            known.setdefault((score.code.system, score.code.code), (instrument.id, score.link_id))
    return known


def _read_score(
    raw: JsonObject,
    known: Mapping[tuple[str, str], tuple[str, str]],
    sources: Mapping[str, str],
    zone: tzinfo,
) -> Point | Unplaced | None:
    try:
        found = msgspec.convert(raw, _Observation)
    except msgspec.ValidationError:
        return _unreadable(raw, known)
    code = _code_of(found, known)
    if code is None or found.status in _NOT_VALID:
        return None
    instrument, score = code
    value = found.valueQuantity.value if found.valueQuantity else None
    absent = _absent(found.dataAbsentReason or _Concept()) if value is None else None
    response = next(
        (each.reference for each in found.derivedFrom if "QuestionnaireResponse/" in each.reference), None
    )
    encounter = found.encounter.reference if found.encounter and found.encounter.reference else None
    respondent = sources.get(response or "")
    when = _when(found, zone)
    if when is None:
        return Unplaced(instrument, score, _written(found), respondent, response)
    return Point(when, instrument, score, value, absent, respondent, response, encounter)


def _absent(reason: _Concept) -> str:
    if any((each.system, each.code) == _MASKED for each in reason.coding):
        return f"{MASKED}{reason.text or ''}"
    return reason.text or "Not computed"


def _code_of(
    found: _Observation | _Coded, known: Mapping[tuple[str, str], tuple[str, str]]
) -> tuple[str, str] | None:
    return next(
        (known[key] for each in found.code.coding if (key := (each.system, each.code)) in known), None
    )


def _unreadable(raw: JsonObject, known: Mapping[tuple[str, str], tuple[str, str]]) -> Unplaced | None:
    """Name a score of ours of which something cannot be read, such as a value that is a text."""
    try:
        found = msgspec.convert(raw, _Coded)
    except msgspec.ValidationError:
        return None
    code = _code_of(found, known)
    if code is None or found.status in _NOT_VALID:
        return None
    when = raw.get("effectiveDateTime")
    return Unplaced(*code, when if isinstance(when, str) else "", None, None, is_unreadable=True)


def _when(found: _Observation, zone: tzinfo) -> datetime | None:
    """Say when a score was given: a period counts if it is within one day of the zone.

    A longer one may be what was asked about ("the last two weeks") as well as when: neither of its ends is a session's day.
    """
    if found.effectivePeriod is None:
        return _moment(found.effectiveDateTime or found.effectiveInstant, zone)
    start, end = (_moment(each, zone) for each in (found.effectivePeriod.start, found.effectivePeriod.end))
    return start if start and end and day_of(start, zone) == day_of(end, zone) else None


def _written(found: _Observation) -> str:
    period = found.effectivePeriod
    if period is not None and (period.start or period.end):
        return f"{period.start or '…'} – {period.end or '…'}"
    return found.effectiveDateTime or found.effectiveInstant or ""


def _moment(text: str | None, zone: tzinfo) -> datetime | None:
    """Read a dateTime to the day at least; a date alone counts as noon of the zone."""
    if text is None or len(text) < 10:
        return None
    try:
        moment = datetime.fromisoformat(text if "T" in text else f"{text}T12:00:00")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
