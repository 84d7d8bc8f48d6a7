"""Which resource types there are, which search parameters each has, and where their values stand.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["token", "reference", "string", "date", "uri"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: its kind, the paths to its values, and the type a bare id of it refers to."""

    kind: Kind
    paths: tuple[tuple[str, ...], ...]
    target: str | None = None


def _define(kind: Kind, *paths: str, target: str | None = None) -> Parameter:
    return Parameter(kind, tuple(tuple(path.split(".")) for path in paths), target)


_IDENTIFIER = {"identifier": _define("token", "identifier")}
_SUBJECT = {
    "patient": _define("reference", "subject", target="Patient"),
    "subject": _define("reference", "subject"),
}
_PATIENT = {"patient": _define("reference", "patient", target="Patient")}
_ENCOUNTER = {"encounter": _define("reference", "encounter", target="Encounter")}
_STATUS = {"status": _define("token", "status")}
_NAME = {
    "name": _define("string", "name"),
    "family": _define("string", "name.family"),
    "given": _define("string", "name.given"),
}

_BY_TYPE: dict[str, dict[str, Parameter]] = {
    "Patient": {
        **_NAME,
        "birthdate": _define("date", "birthDate"),
        "gender": _define("token", "gender"),
        "active": _define("token", "active"),
        "language": _define("token", "communication.language"),
        "general-practitioner": _define("reference", "generalPractitioner"),
        "organization": _define("reference", "managingOrganization", target="Organization"),
    },
    "RelatedPerson": {
        **_PATIENT,
        "name": _define("string", "name"),
        "relationship": _define("token", "relationship"),
        "active": _define("token", "active"),
    },
    "Practitioner": {**_NAME, "active": _define("token", "active")},
    "Person": {
        **_NAME,
        "practitioner": _define("reference", "link.target", target="Practitioner"),
        "patient": _define("reference", "link.target", target="Patient"),
        "relatedperson": _define("reference", "link.target", target="RelatedPerson"),
    },
    "PractitionerRole": {
        "practitioner": _define("reference", "practitioner", target="Practitioner"),
        "organization": _define("reference", "organization", target="Organization"),
        "role": _define("token", "code"),
        "specialty": _define("token", "specialty"),
        "active": _define("token", "active"),
    },
    "Organization": {
        "name": _define("string", "name", "alias"),
        "type": _define("token", "type"),
        "partof": _define("reference", "partOf", target="Organization"),
        "active": _define("token", "active"),
    },
    "Group": {
        "actual": _define("token", "actual"),
        "member": _define("reference", "member.entity"),
        "type": _define("token", "type"),
    },
    "Encounter": {
        **_SUBJECT,
        **_STATUS,
        "class": _define("token", "class"),
        "type": _define("token", "type"),
        "date": _define("date", "period"),
        "participant": _define("reference", "participant.individual"),
        "practitioner": _define("reference", "participant.individual", target="Practitioner"),
        "episode-of-care": _define("reference", "episodeOfCare", target="EpisodeOfCare"),
        "service-provider": _define("reference", "serviceProvider", target="Organization"),
    },
    "Medication": {**_STATUS, "code": _define("token", "code")},
    "MedicationStatement": {
        **_SUBJECT,
        **_STATUS,
        "code": _define("token", "medicationCodeableConcept"),
        "effective": _define("date", "effectiveDateTime", "effectivePeriod"),
    },
    "MedicationRequest": {
        **_SUBJECT,
        **_ENCOUNTER,
        **_STATUS,
        "code": _define("token", "medicationCodeableConcept"),
        "intent": _define("token", "intent"),
        "authoredon": _define("date", "authoredOn"),
        "requester": _define("reference", "requester"),
    },
    "Consent": {
        **_PATIENT,
        **_STATUS,
        "scope": _define("token", "scope"),
        "category": _define("token", "category"),
        "date": _define("date", "dateTime"),
    },
    "EpisodeOfCare": {
        **_PATIENT,
        **_STATUS,
        "date": _define("date", "period"),
        "organization": _define("reference", "managingOrganization", target="Organization"),
        "care-manager": _define("reference", "careManager"),
    },
    "Questionnaire": {
        **_STATUS,
        "url": _define("uri", "url"),
        "version": _define("token", "version"),
        "name": _define("string", "name"),
        "title": _define("string", "title"),
        "date": _define("date", "date"),
        "code": _define("token", "item.code"),
        "subject-type": _define("token", "subjectType"),
    },
    "PlanDefinition": {
        **_STATUS,
        "url": _define("uri", "url"),
        "version": _define("token", "version"),
        "name": _define("string", "name"),
        "title": _define("string", "title"),
        "date": _define("date", "date"),
    },
    "QuestionnaireResponse": {
        **_SUBJECT,
        **_ENCOUNTER,
        **_STATUS,
        "questionnaire": _define("uri", "questionnaire"),
        "authored": _define("date", "authored"),
        "author": _define("reference", "author"),
        "source": _define("reference", "source"),
        "based-on": _define("reference", "basedOn"),
        "part-of": _define("reference", "partOf"),
    },
    "Observation": {
        **_SUBJECT,
        **_ENCOUNTER,
        **_STATUS,
        "code": _define("token", "code"),
        "category": _define("token", "category"),
        "date": _define("date", "effectiveDateTime", "effectivePeriod", "effectiveInstant"),
        "performer": _define("reference", "performer"),
        "derived-from": _define("reference", "derivedFrom"),
        "has-member": _define("reference", "hasMember"),
        "focus": _define("reference", "focus"),
        "based-on": _define("reference", "basedOn"),
        "part-of": _define("reference", "partOf"),
        "device": _define("reference", "device"),
        "data-absent-reason": _define("token", "dataAbsentReason"),
    },
    "Provenance": {
        "target": _define("reference", "target"),
        "patient": _define("reference", "target", target="Patient"),
        "agent": _define("reference", "agent.who"),
        "entity": _define("reference", "entity.what"),
        "recorded": _define("date", "recorded"),
    },
    "DocumentReference": {
        **_SUBJECT,
        **_STATUS,
        "identifier": _define("token", "masterIdentifier", "identifier"),
        "type": _define("token", "type"),
        "category": _define("token", "category"),
        "date": _define("date", "date"),
        "author": _define("reference", "author"),
        "encounter": _define("reference", "context.encounter"),
        "period": _define("date", "context.period"),
        "related": _define("reference", "context.related"),
    },
    "AuditEvent": {
        "patient": _define("reference", "agent.who", "entity.what", target="Patient"),
        "date": _define("date", "recorded"),
        "agent": _define("reference", "agent.who"),
        "entity": _define("reference", "entity.what"),
        "source": _define("reference", "source.observer"),
        "type": _define("token", "type"),
        "subtype": _define("token", "subtype"),
        "action": _define("token", "action"),
        "outcome": _define("token", "outcome"),
    },
    "Device": {
        **_PATIENT,
        **_STATUS,
        "type": _define("token", "type"),
        "manufacturer": _define("string", "manufacturer"),
        "device-name": _define("string", "deviceName.name"),
    },
}

_WITHOUT_IDENTIFIER = {"Provenance", "AuditEvent"}

PARAMETERS: dict[str, dict[str, Parameter]] = {
    name: own if name in _WITHOUT_IDENTIFIER else {**_IDENTIFIER, **own} for name, own in _BY_TYPE.items()
}
TYPES = tuple(PARAMETERS)

PATIENT_LINK: dict[str, tuple[str, ...]] = {
    "RelatedPerson": ("patient",),
    "Encounter": ("subject",),
    "MedicationStatement": ("subject",),
    "MedicationRequest": ("subject",),
    "Consent": ("patient",),
    "EpisodeOfCare": ("patient",),
    "QuestionnaireResponse": ("subject",),
    "Observation": ("subject",),
    "DocumentReference": ("subject",),
}
"""Where a resource names the patient in whose compartment it is. Stricter than the R4 CompartmentDefinition, which
also counts authors and performers: here nobody gets a resource into a record by performing it."""

FOLLOWS_TARGETS = {"Provenance": ("target", "reference"), "AuditEvent": ("entity", "what", "reference")}
"""Types that are in the compartments of the resources they speak of."""

SHARED = frozenset(
    {
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Group",
        "Questionnaire",
        "PlanDefinition",
        "Device",
        "Medication",
    }
)
"""Types outside every patient compartment: a patient-level scope can read them, never write them."""
