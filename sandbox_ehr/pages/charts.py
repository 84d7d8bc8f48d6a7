"""Reads a chart out of the record: what the EHR shows of a patient, as plain values for the templates."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime

from sandbox_ehr.directory import Directory, Person, Visit, person_name
from sandbox_ehr.fhir.json_text import JsonObject, children, first_text


@dataclass(frozen=True, slots=True)
class ObservationRow:
    """One Observation as a line of the table; `absent` instead of `value` where it was not computed."""

    id: str
    when: str
    name: str
    value: str | None
    unit: str
    absent: str | None
    status: str
    performer: str
    is_panel: bool


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A letter or a filled form."""

    id: str
    when: str
    name: str
    status: str
    author: str
    text: str | None
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MedicationRow:
    """A medicine with its dose."""

    name: str
    dose: str
    since: str
    status: str


@dataclass(frozen=True, slots=True)
class CarerRow:
    """Somebody who looks after the patient."""

    name: str
    relationship: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the chart's summary shows."""

    person: Person
    carers: tuple[CarerRow, ...]
    reason: str
    visits: tuple[Visit, ...]
    medication: tuple[MedicationRow, ...]
    documents: tuple[DocumentRow, ...]


class Charts:
    """Reads charts."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def chart(self, person: Person) -> Chart:
        """Read the summary of a chart."""
        carers = self._directory.of_patient("RelatedPerson", person.id, "_id")
        episodes = self._directory.of_patient("EpisodeOfCare", person.id, "date")
        medication = self._directory.of_patient("MedicationRequest", person.id, "authoredon")
        responses = [
            self._response(each)
            for each in self._directory.of_patient("QuestionnaireResponse", person.id, "authored")
        ]
        letters = [
            self._letter(each) for each in self._directory.of_patient("DocumentReference", person.id, "date")
        ]
        return Chart(
            person=person,
            carers=tuple(
                CarerRow(person_name(each), first_text(each, "relationship", "text") or "")
                for each in reversed(carers)
            ),
            reason=next((text for each in episodes if (text := first_text(each, "type", "text"))), ""),
            visits=self._directory.visits(person.id),
            medication=tuple(_medication(each) for each in medication),
            documents=tuple(sorted([*responses, *letters], key=lambda row: row.when, reverse=True)),
        )

    def observations(self, patient_id: str) -> tuple[ObservationRow, ...]:
        """Read the patient's Observations, newest first."""
        found = self._directory.of_patient("Observation", patient_id, "date")
        return tuple(self._observation(each) for each in found)

    def _observation(self, resource: JsonObject) -> ObservationRow:
        value, unit = _value(resource)
        absent = None
        if value is None and "dataAbsentReason" in resource:
            # The table says "not computed:" itself.
            absent = re.sub(
                r"^not computed:\s*", "", _concept(resource["dataAbsentReason"]), flags=re.IGNORECASE
            )
        return ObservationRow(
            id=str(resource["id"]),
            when=_when(
                first_text(resource, "effectiveDateTime") or first_text(resource, "effectivePeriod", "start")
            ),
            name=_concept(resource.get("code")),
            value=value,
            unit=unit,
            absent=absent,
            status=first_text(resource, "status") or "",
            performer=self._who(resource, "performer"),
            is_panel="hasMember" in resource,
        )

    def _response(self, resource: JsonObject) -> DocumentRow:
        canonical = first_text(resource, "questionnaire") or "Questionnaire"
        return DocumentRow(
            id=str(resource["id"]),
            when=_when(first_text(resource, "authored")),
            name=canonical.partition("|")[0].rpartition("/")[2].replace("-", " ").capitalize(),
            status=first_text(resource, "status") or "",
            author=self._who(resource, "source") or self._who(resource, "author"),
            text=None,
            answers=tuple(_answers(resource.get("item"))),
        )

    def _letter(self, resource: JsonObject) -> DocumentRow:
        return DocumentRow(
            id=str(resource["id"]),
            when=_when(first_text(resource, "date")),
            name=_concept(resource.get("type")) or "Document",
            status=first_text(resource, "docStatus") or first_text(resource, "status") or "",
            author=self._who(resource, "author"),
            text=_text(resource),
        )

    def _who(self, resource: JsonObject, element: str) -> str:
        names = []
        for reference in children(resource, element, "reference"):
            resource_type, _, resource_id = str(reference).rpartition("/")
            found = self._directory.read(resource_type.rpartition("/")[2], resource_id)
            names.append(person_name(found) if found and "name" in found else str(reference))
        return ", ".join(names)


def _value(resource: JsonObject) -> tuple[str | None, str]:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict):
        unit = quantity.get("unit", quantity.get("code", ""))
        return str(quantity.get("value", "")), "" if unit in {"{score}", "1"} else str(unit)
    if "valueCodeableConcept" in resource:
        return _concept(resource["valueCodeableConcept"]), ""
    simple = next((each for key, each in resource.items() if key.startswith("value")), None)
    return (str(simple), "") if isinstance(simple, (str, int)) else (None, "")


def _concept(value: object) -> str:
    return (
        first_text(value, "text")
        or first_text(value, "coding", "display")
        or first_text(value, "coding", "code")
        or ""
    )


def _answers(items: object) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        label = str(item.get("text") or item.get("linkId") or "")
        for answer in children(item, "answer"):
            found.append((label, _answer(answer)))
            found += _answers(answer.get("item") if isinstance(answer, dict) else None)
        found += _answers(item.get("item"))
    return found


def _answer(answer: object) -> str:
    if not isinstance(answer, dict):
        return ""
    coding = first_text(answer, "valueCoding", "display") or first_text(answer, "valueCoding", "code")
    value = _value(answer)
    return (
        coding or value[0] or next((str(each) for key, each in answer.items() if key.startswith("value")), "")
    )


def _medication(resource: JsonObject) -> MedicationRow:
    return MedicationRow(
        name=_concept(resource.get("medicationCodeableConcept")),
        dose=first_text(resource, "dosageInstruction", "text") or "",
        since=first_text(resource, "authoredOn") or "",
        status=first_text(resource, "status") or "",
    )


def _text(resource: JsonObject) -> str | None:
    """Read the plain text of a document, if it has one."""
    for attachment in children(resource, "content", "attachment"):
        kind, data = first_text(attachment, "contentType") or "", first_text(attachment, "data")
        if data and kind.startswith("text/plain"):
            try:
                return base64.b64decode(data, validate=True).decode("utf-8", "replace")
            except binascii.Error:
                return None
    return None


def _when(text: str | None) -> str:
    """Write a FHIR dateTime as people read it, in the zone it was written in."""
    if not text:
        return ""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}" if "T" in text else text
    except ValueError:
        return text
