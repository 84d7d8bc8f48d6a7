"""Writes a summary that people read: a DocumentReference with plain text, PDF or both.

Fields follow what EHRs ask for (docs/how-to/): an encounter, a final docStatus, a practitioner as author,
context.period.end; the first attachment is the one that Epic keeps.
"""

import base64
from dataclasses import dataclass, field

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

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Create the document, unless an earlier attempt has."""
        identifier = f"{IDENTIFIER_SYSTEM}|{record.id}/document"
        lookup = Lookup(ehr, self.capability.searches, record.patient, record.authored)
        if record.revision:
            correction = Correction(ehr, record, lookup, self.updates)
            location = await correction.find(DOCUMENT, identifier)
            if location is not None:
                await correction.change(DOCUMENT, location, await self._body(record))
                correction.finish()
                return Written((location,))
            if record.voided:
                return Written(())
        if look_first:
            found = await lookup.by_identifier(DOCUMENT, identifier)
            if found is not None:
                return Written((found,))
        body = msgspec.json.encode(await self._body(record))
        condition = identifier_query(identifier) if DOCUMENT in self.capability.conditional else None
        return Written(((await ehr.create(body, DOCUMENT, if_none_exist=condition)).location,))

    async def _body(self, record: Record) -> JsonObject:
        summary = summarize(record, self.instrument, self.organization)
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
        "identifier": [{"system": IDENTIFIER_SYSTEM, "value": f"{record.id}/document"}],
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
    if record.rater in {"child", "caregiver"}:
        document["meta"] = {"tag": [_PATIENT_SUPPLIED]}
    if record.encounter is not None:
        document["context"] = {
            "encounter": [{"reference": record.encounter}],
            "period": {"start": when, "end": when},
        }
    if (practitioner := practitioner_of(record)) is not None:
        document["author"] = [{"reference": practitioner}]
    return document


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
