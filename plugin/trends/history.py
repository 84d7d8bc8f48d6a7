"""Reads a patient's past alliance scores out of the record's Observations. Pure, and lenient: it is others' data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

import msgspec

from plugin.days import day_of
from questionnaires import Catalogue, Rater

JsonObject = dict[str, object]

MASKED = "Masked in the record: "
"""Begins why there is no value where the record says that there is one which may not be told; its own text follows."""
_MASKED = ("http://terminology.hl7.org/CodeSystem/data-absent-reason", "masked")
# Who can have given the answers of a form.
_CLINICIANS = frozenset({"Practitioner", "PractitionerRole"})
_RATE_AS = {
    Rater.CHILD: frozenset({"Patient"}),
    Rater.CAREGIVER: frozenset({"RelatedPerson"}),
    Rater.THERAPIST: _CLINICIANS,
    Rater.OBSERVER: _CLINICIANS,
}
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
    performer: tuple[_Reference, ...] = ()
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


def read_raters(
    observations: Iterable[JsonObject], responses: Iterable[JsonObject] | None
) -> Mapping[str, str]:
    """Map each response's reference to who answered it: its source, or where responses may not be read the panel's performer.

    A score that names no response is its own key ("Observation/…"), with its performer or its panel's.
    """
    kept = tuple(observations)
    performers = _performers_of(kept)
    raters: dict[str, str] = {}
    for raw in kept:
        try:
            score = msgspec.convert(raw, _Observation)
        except msgspec.ValidationError:
            continue
        own, response = f"Observation/{score.id}", _response_of(score)
        named = score.performer[0].reference if score.performer and response is None else performers.get(own)
        if named and (response is None or responses is None):
            raters[response or own] = named
    raters.update(
        (reference, each.source.reference)
        for reference, each in _convert(responses or ())
        if each.source and each.source.reference
    )
    return raters


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


def _performers_of(observations: Sequence[JsonObject]) -> Mapping[str, str]:
    """Map each score that a panel names to the panel's performer."""
    performers: dict[str, str] = {}
    for raw in observations:
        try:
            panel = msgspec.convert(raw, _Panel)
        except msgspec.ValidationError:
            continue
        if panel.performer:
            performers.update({each.reference: panel.performer[0].reference for each in panel.hasMember})
    return performers


def _response_of(found: _Observation) -> str | None:
    return next(
        (each.reference for each in found.derivedFrom if "QuestionnaireResponse/" in each.reference), None
    )


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
    read = [each for raw in observations if (each := _read_score(raw, catalogue, sources, zone)) is not None]
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
    raw: JsonObject, catalogue: Catalogue, sources: Mapping[str, str], zone: tzinfo
) -> Point | Unplaced | None:
    known = _codes_of(catalogue)
    try:
        found = msgspec.convert(raw, _Observation)
    except msgspec.ValidationError:
        return _unreadable(raw, known)
    code = _code_of(found, known)
    if code is None or found.status in _NOT_VALID:
        return None
    instrument, score = code
    rater = catalogue.by_id(instrument).rater
    value = found.valueQuantity.value if found.valueQuantity else None
    absent = _absent(found.dataAbsentReason or _Concept()) if value is None else None
    response = _response_of(found)
    encounter = found.encounter.reference if found.encounter and found.encounter.reference else None
    respondent = (
        sources.get(response) if response else _as_rater(sources.get(f"Observation/{found.id}"), rater)
    )
    when = _when(found, zone)
    if when is None:
        return Unplaced(instrument, score, _written(found), respondent, response)
    return Point(when, instrument, score, value, absent, respondent, response, encounter)


def _as_rater(named: str | None, rater: Rater) -> str | None:
    """Give whom a performer names if such a person can have rated: in others' records it may be who typed."""
    kind = named.split("/")[-2] if named and "/" in named else ""
    return named if kind in _RATE_AS[rater] else None


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
