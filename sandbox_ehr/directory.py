"""The people of the sandbox as lists: who can sign in, whose charts there are, today's encounters."""

from dataclasses import dataclass
from datetime import date

from sandbox_ehr.fhir.json_text import JsonObject, children, first_text
from sandbox_ehr.fhir.query import NOTHING_MORE, Condition, both, compile_condition
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.settings import Clock


@dataclass(frozen=True, slots=True)
class Clinician:
    """Somebody who can sign in."""

    id: str
    name: str
    role: str
    organization: str


@dataclass(frozen=True, slots=True)
class Visit:
    """An encounter: when it starts (FHIR dateTime), how, and what for."""

    id: str
    start: str
    virtual: bool
    status: str
    kind: str
    organization: str


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as lists show one."""

    id: str
    name: str
    also: str
    born: str
    age: int
    gender: str
    language: str
    number: str
    organization: str
    service: str
    visit: Visit | None


def person_name(resource: JsonObject) -> str:
    """Write a HumanName of a resource: its text, else given and family."""
    text = first_text(resource, "name", "text")
    parts = [str(each) for key in ("given", "family") for each in children(resource, "name", key)]
    return text or " ".join(parts) or "(no name)"


def age_on(day: date, born: date) -> int:
    """Count whole years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


class Directory:
    """Reads lists out of the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def clinicians(self) -> tuple[Clinician, ...]:
        """Give everybody who can sign in, by name."""
        found = [
            self._clinician(each)
            for each in self._store.find("PractitionerRole", NOTHING_MORE, sort=[("_id", False)])
        ]
        return tuple(each for each in found if each is not None)

    def clinician(self, practitioner_id: str) -> Clinician | None:
        """Find one of them."""
        return next((each for each in self.clinicians() if each.id == practitioner_id), None)

    def people(self) -> tuple[Person, ...]:
        """Give all patients, by family name."""
        ids = self._store.find("Patient", NOTHING_MORE, sort=[("family", False), ("given", False)])
        return tuple(person for each in ids if (person := self.person(each)) is not None)

    def person(self, patient_id: str) -> Person | None:
        """Find a patient."""
        resource = self.read("Patient", patient_id)
        if resource is None:
            return None
        written = first_text(resource, "birthDate") or "2015"
        born = date.fromisoformat(written + "0000-01-01"[len(written) :])  # a year, perhaps with a month
        return Person(
            id=patient_id,
            name=person_name(resource),
            also=next((str(each) for each in children(resource, "name", "text")[1:]), ""),
            born=written,
            age=age_on(self._clock().date(), born),
            gender=first_text(resource, "gender") or "unknown",
            language=first_text(resource, "communication", "language", "text") or "",
            number=first_text(resource, "identifier", "value") or "",
            organization=first_text(resource, "managingOrganization", "display") or "",
            service=self._service(resource),
            visit=self.visit_today(patient_id),
        )

    def visit_today(self, patient_id: str) -> Visit | None:
        """Find the patient's encounter of today: the one in progress, else the latest."""
        day = self._clock().date().isoformat()
        since = compile_condition("Encounter", "date", f"ge{day}", self._store.base)
        found = [each for each in self._visits(patient_id, since) if each.start.startswith(day)]
        return next((each for each in found if each.status == "in-progress"), found[0] if found else None)

    def visits(self, patient_id: str) -> tuple[Visit, ...]:
        """Give all encounters, newest first."""
        return self._visits(patient_id, NOTHING_MORE)

    def read(self, resource_type: str, resource_id: str) -> JsonObject | None:
        """Read a resource."""
        stored = self._store.read(resource_type, resource_id)
        return stored.read() if stored else None

    def of_patient(
        self, resource_type: str, patient_id: str, sort: str, limit: int = 500
    ) -> tuple[JsonObject, ...]:
        """Read a patient's resources of one type, newest first by a date parameter, as they came on equal dates."""
        condition = compile_condition(resource_type, "patient", patient_id, self._store.base)
        ids = self._store.find(resource_type, condition, sort=[(sort, True), ("_lastUpdated", False)])[:limit]
        return tuple(found for each in ids if (found := self.read(resource_type, each)) is not None)

    def _visits(self, patient_id: str, condition: Condition) -> tuple[Visit, ...]:
        of_patient = compile_condition("Encounter", "patient", patient_id, self._store.base)
        ids = self._store.find("Encounter", both(of_patient, condition), sort=[("date", True)])
        return tuple(
            _visit(each, found) for each in ids if (found := self.read("Encounter", each)) is not None
        )

    def _service(self, patient: JsonObject) -> str:
        organization = first_text(patient, "managingOrganization", "reference") or ""
        return first_text(self.read("Organization", organization.rpartition("/")[2]), "type", "text") or ""

    def _clinician(self, role_id: str) -> Clinician | None:
        role = self.read("PractitionerRole", role_id)
        reference = first_text(role, "practitioner", "reference") or ""
        practitioner = self.read("Practitioner", reference.rpartition("/")[2])
        if role is None or practitioner is None:
            return None
        return Clinician(
            id=str(practitioner["id"]),
            name=person_name(practitioner),
            role=first_text(role, "code", "text") or "",
            organization=first_text(role, "organization", "display") or "",
        )


def _visit(visit_id: str, resource: JsonObject) -> Visit:
    return Visit(
        id=visit_id,
        start=first_text(resource, "period", "start") or "",
        virtual=first_text(resource, "class", "code") == "VR",
        status=first_text(resource, "status") or "",
        kind=first_text(resource, "type", "text") or "",
        organization=first_text(resource, "serviceProvider", "display") or "",
    )
