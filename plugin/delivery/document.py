"""Writes a summary that people read: a DocumentReference with plain text, PDF or both.

Fields follow what EHRs ask for (docs/how-to/): an encounter, a final docStatus, a practitioner as author,
context.period.end; the first attachment is the one that Epic keeps.
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

import msgspec

from plugin.delivery.capability import Capability, JsonObject
from plugin.delivery.correcting import Correction
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup
from plugin.delivery.pdf import render_pdf
from plugin.delivery.summary import Summary, as_text, summarize
from plugin.delivery.writers import Written
from plugin.ehr import Ehr
from plugin.observations.build import IDENTIFIER_SYSTEM, identifier_query
from plugin.responses.labels import OF_SCORES, read_labels, write_labels
from plugin.writing import Coding, DocumentForm, DocumentFormat
from questionnaires import Instrument

DOCUMENT = "DocumentReference"
_CATEGORY = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "code": "clinical-note",
}
# US Core 9: what patients supplied carries this tag (writing-clinical-notes).
_PATIENT_SUPPLIED = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-tags",
    "code": "patient-supplied",
}
_TITLE = "Therapeutic alliance: summary"


class _Response(msgspec.Struct):
    author: dict[str, object] = msgspec.field(default_factory=dict)
    source: dict[str, object] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """One DocumentReference a response, looked up before it is repeated."""

    form: DocumentForm
    instrument: Instrument | None
    organization: str
    capability: Capability = field(compare=False)
    updates: frozenset[str] = frozenset()
    zone: tzinfo = UTC  # the site's, for people's eyes

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Create the document, unless an earlier attempt has."""
        identifier = f"{IDENTIFIER_SYSTEM}|{record.id}/document"
        lookup = Lookup.of(ehr, self.capability.searches, record)
        if record.revision:
            correction = Correction(ehr, record, lookup, self.updates, self.capability.versioned)
            standing = await self._standing(correction)
            if record.voided:
                return await self._withdraw(correction, standing)
            if standing:
                return await self._amend(correction, standing)
        if look_first:
            found = await lookup.by_identifier(DOCUMENT, identifier)
            if found is not None:
                return Written((found,))
        return Written((await self._create(ehr, await self._body(record), identifier),))

    async def _create(self, ehr: Ehr, body: JsonObject, identifier: str) -> str:
        condition = identifier_query(identifier) if DOCUMENT in self.capability.conditional else None
        return (await ehr.create(msgspec.json.encode(body), DOCUMENT, if_none_exist=condition)).location

    async def _standing(self, correction: Correction) -> dict[int, str]:
        """Find the documents that stand there, by the version that brought each: 0, and those that replaced it."""
        record, found = correction.record, {}
        for version in range(record.revision + 1):
            location = await correction.find(DOCUMENT, f"{IDENTIFIER_SYSTEM}|{_name(record, version)}")
            if location is not None:
                found[version] = location
        return found

    async def _withdraw(self, correction: Correction, standing: dict[int, str]) -> Written:
        """Mark every one of them as entered in error."""
        for location in standing.values():
            await correction.withdraw(DOCUMENT, location)
        correction.finish(standing.values())
        return Written(tuple(standing.values()), tuple(correction.told))

    async def _amend(self, correction: Correction, standing: dict[int, str]) -> Written:
        """Change the latest where it stands; where that is not taken, write one that says that it replaces it."""
        record = correction.record
        *before, (version, location) = standing.items()
        everything = tuple(standing.values())
        if version == record.revision:  # an earlier attempt replaced one and was not seen to end
            return await self._supersede(correction, before[-1][1], everything)
        body = {**await self._body(record), "identifier": _identifier(record, version)}
        # Not every EHR knows a docStatus but `final`.
        if await correction.change(DOCUMENT, location, body, {**body, "docStatus": "final"}):
            correction.check_arrived()
            return Written(everything, tuple(correction.told))
        if DOCUMENT not in self.capability.creates:
            correction.finish(everything)
        replacing = {
            **body,
            "identifier": _identifier(record, record.revision),
            "docStatus": "final",
            "relatesTo": [{"code": "replaces", "target": {"reference": location}}],
        }
        identifier = f"{IDENTIFIER_SYSTEM}|{_name(record, record.revision)}"
        new = await self._create(correction.ehr, replacing, identifier)
        return await self._supersede(correction, location, (*everything, new))

    async def _supersede(self, correction: Correction, old: str, everything: tuple[str, ...]) -> Written:
        if await correction.withdraw(DOCUMENT, old, "superseded"):
            correction.check_arrived()
            return Written(everything, tuple(correction.told))
        told = f"{DOCUMENT}: {old} could not be changed, and {everything[-1]} says that it replaces it"
        return Written(everything, (told,))

    async def _body(self, record: Record) -> JsonObject:
        summary = summarize(record, self.instrument, self.organization, self.zone)
        return build_document(record, await self._attach(summary), self.form.type)

    async def _attach(self, summary: Summary) -> tuple[tuple[DocumentFormat, bytes], ...]:
        return tuple([(each, await _render(each, summary)) for each in self.form.formats])


async def _render(form: DocumentFormat, summary: Summary) -> bytes:
    return await render_pdf(summary) if form is DocumentFormat.PDF else as_text(summary).encode()


def build_document(
    record: Record, attachments: tuple[tuple[DocumentFormat, bytes], ...], kind: Coding | None
) -> JsonObject:
    """Build the DocumentReference of a record with its attachments, in their order."""
    when = record.authored.isoformat(timespec="seconds")
    type_: JsonObject = {"text": _TITLE}
    if kind is not None:
        type_["coding"] = [{name: value for name, value in elements_of(kind).items() if value is not None}]
    document: JsonObject = {
        "resourceType": DOCUMENT,
        "identifier": _identifier(record, 0),
        "status": "entered-in-error" if record.voided else "current",
        "docStatus": "entered-in-error" if record.voided else "amended" if record.revision else "final",
        "type": type_,
        "category": [{"coding": [_CATEGORY]}],
        "subject": {"reference": record.patient},
        "date": record.authored.isoformat(timespec="milliseconds"),
        "description": _TITLE,
        "content": [{"attachment": _attachment(form, data, when)} for form, data in attachments],
        "context": {"period": {"start": when, "end": when}},
    }
    meta: JsonObject = {"tag": [_PATIENT_SUPPLIED]} if record.rater in {"child", "caregiver"} else {}
    if kept := OF_SCORES & read_labels(record.body):  # it tells the scores
        meta["security"] = write_labels(kept)
    if meta:
        document["meta"] = meta
    if record.encounter is not None:
        document["context"] = {
            "encounter": [{"reference": record.encounter}],
            "period": {"start": when, "end": when},
        }
    if (practitioner := practitioner_of(record)) is not None:
        document["author"] = [{"reference": practitioner}]
    return document


def _name(record: Record, version: int) -> str:
    """Name the document that a version of a response brought."""
    return f"{record.id}/document/{version}" if version else f"{record.id}/document"


def _identifier(record: Record, version: int) -> list[JsonObject]:
    return [{"system": IDENTIFIER_SYSTEM, "value": _name(record, version)}]


def practitioner_of(record: Record) -> str | None:
    """Name the practitioner on whose account the response was taken, if the response says so."""
    response = msgspec.json.decode(record.body, type=_Response)
    named = (str(each.get("reference", "")) for each in (response.author, response.source))
    return next((each for each in named if each.startswith("Practitioner/")), None)


def elements_of(kind: Coding) -> dict[str, str | None]:
    """Give a coding's elements."""
    return {"system": kind.system, "code": kind.code, "display": kind.display}


def _attachment(form: DocumentFormat, data: bytes, when: str) -> JsonObject:
    return {
        "contentType": f"{form}",
        "language": "en",
        "data": base64.b64encode(data).decode(),
        "title": _TITLE,
        "creation": when,
    }
