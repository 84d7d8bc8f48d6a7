"""Writes scores under a site's own codes: flowsheet rows or LOINC, as vital signs where an EHR takes nothing else."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from plugin.delivery.capability import Capability, JsonObject
from plugin.delivery.correcting import Correction
from plugin.delivery.document import practitioner_of
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup, same_place
from plugin.delivery.writers import CATEGORY_SYSTEM, OBSERVATION, Written
from plugin.ehr import Ehr, EhrRefused, NotPermitted
from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.writing import FlowsheetRow

_UCUM = "http://unitsofmeasure.org"
_ALREADY_THERE = frozenset({"59189"})  # Epic: "Reading already exists" (docs/how-to/epic.md)
_NOTHING = "No score of this form has a row at this site, or none has a value."
_encoder = msgspec.json.Encoder(decimal_format="number")


class _Coding(msgspec.Struct):
    code: str = ""


class _Code(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()


class _Quantity(msgspec.Struct):
    value: Decimal


class _Score(msgspec.Struct):
    code: _Code
    valueQuantity: _Quantity | None = None  # noqa: N815 -- FHIR's element name


@dataclass(frozen=True, slots=True)
class FlowsheetWriter:
    """One Observation for each score that has a row and a value."""

    rows: tuple[FlowsheetRow, ...]
    practitioner_performs: bool
    capability: Capability = field(compare=False)
    updates: frozenset[str] = frozenset()

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Create the readings that are not there yet; NotPermitted if the form has none to write."""
        lookup = Lookup.of(ehr, self.capability.searches, record)
        bodies = readings(record, self.rows, practitioner_performs=self.practitioner_performs)
        if record.revision:
            return await self._correct(ehr, record, lookup, bodies)
        if not bodies:
            raise NotPermitted(_NOTHING)
        locations: list[str] = []
        for body in bodies:
            found = await lookup.reading(body) if look_first else None
            location = found or await self._create(ehr, lookup, body)
            if location is not None:
                locations.append(location)
        return Written(tuple(locations))

    async def _correct(self, ehr: Ehr, record: Record, lookup: Lookup, bodies: list[JsonObject]) -> Written:
        """Change the readings that stand there; EHRs drop their identifiers, so they are told by code and time.

        A score that has no value any more is marked as entered in error.
        """
        now = {_value_of(each): each for each in bodies}
        before: dict[str, list[JsonObject]] = {}
        for version in record.earlier:
            for each in readings(version, self.rows, practitioner_performs=False):
                before.setdefault(_value_of(each), []).append(each)
        if not now and not before:
            raise NotPermitted(_NOTHING)
        correction = Correction(ehr, record, lookup, self.updates, self.capability.versioned)
        locations: list[str] = []
        for identifier in dict.fromkeys((*now, *before)):
            body = now.get(identifier)
            alike = [*([body] if body else []), *before.get(identifier, ())]
            location = await self._standing(correction, identifier, alike)
            if location is None:
                location = None if body is None or record.voided else await self._create(ehr, lookup, body)
            elif body is None:
                await correction.withdraw(OBSERVATION, location)
            else:
                # An EHR that knows no status but `final` still takes the right value.
                otherwise = None if record.voided else {**body, "status": "final"}
                await correction.change(OBSERVATION, location, body, otherwise)
            if location is not None:
                locations.append(location)
        correction.finish(locations)
        return Written(tuple(locations), tuple(correction.told))

    async def _standing(self, correction: Correction, identifier: str, alike: list[JsonObject]) -> str | None:
        """Find a reading by any of its versions: where we wrote it by code and time, elsewhere by its value as well."""
        found = await correction.find(
            OBSERVATION,
            f"{IDENTIFIER_SYSTEM}|{identifier}",
            lambda there: any(same_place(there, each) for each in alike),
        )
        for each in alike:
            found = found or await correction.lookup.reading(each)
        return found

    async def _create(self, ehr: Ehr, lookup: Lookup, body: JsonObject) -> str | None:
        try:
            return (await ehr.create(_encoder.encode(body), OBSERVATION, if_none_exist=None)).location
        except EhrRefused as error:
            if not any(issue.detail in _ALREADY_THERE for issue in error.issues):
                raise
            return await lookup.reading(body)


def readings(
    record: Record, rows: tuple[FlowsheetRow, ...], *, practitioner_performs: bool
) -> list[JsonObject]:
    """Build the readings of a record: one for each score that has a row and a value."""
    by_score = {row.score: row for row in rows}
    practitioner = practitioner_of(record) if practitioner_performs else None
    found = []
    for identifier, each in zip(record.results.identifiers[1:], record.results.scores, strict=True):
        score = msgspec.json.decode(each, type=_Score)
        row = next((by_score[coding.code] for coding in score.code.coding if coding.code in by_score), None)
        if row is not None and score.valueQuantity is not None:
            body = _reading(record, identifier, row, score.valueQuantity.value)
            found.append(
                body if practitioner is None else {**body, "performer": [{"reference": practitioner}]}
            )
    return found


def _reading(record: Record, identifier: str, row: FlowsheetRow, value: Decimal) -> JsonObject:
    quantity: JsonObject = {"value": value}
    if row.unit is not None:
        quantity |= {"unit": row.unit, "system": _UCUM, "code": row.unit}
    coding = {"system": row.system, "code": row.code}
    body: JsonObject = {
        "resourceType": OBSERVATION,
        "identifier": [{"system": IDENTIFIER_SYSTEM, "value": f"{identifier}/flowsheet"}],
        "status": "entered-in-error" if record.voided else "amended" if record.revision else "final",
        "category": [{"coding": [{"system": CATEGORY_SYSTEM, "code": row.category}]}],
        "code": {"coding": [coding if row.display is None else {**coding, "display": row.display}]},
        "subject": {"reference": record.patient},
        "effectiveDateTime": record.authored.isoformat(timespec="seconds"),
        "issued": record.received.isoformat(timespec="milliseconds"),
        "valueQuantity": quantity,
    }
    return body if record.encounter is None else {**body, "encounter": {"reference": record.encounter}}


def _value_of(body: JsonObject) -> str:
    identifiers = body["identifier"]
    return str(identifiers[0]["value"]) if isinstance(identifiers, list) else ""
