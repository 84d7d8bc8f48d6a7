"""Builds the resources of the synthetic people: persons, organizations, encounters, medication, letters. Pure."""

import base64
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.people.cast import CLINIC, MEDICINES, SCHOOL_SERVICE, Carer, Child, Colleague

ORGANIZATIONS = {
    CLINIC: "Riverside Child and Adolescent Mental Health Service",
    SCHOOL_SERVICE: "Lantern School Online Counselling",
}
_SERVICES = {CLINIC: "Clinic", SCHOOL_SERVICE: "School service"}
_NUMBER_SYSTEM = "https://sandbox-ehr.invalid/patient-number"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def reference(to: str, display: str | None = None) -> JsonObject:
    """Refer to a resource."""
    return {"reference": to, "display": display} if display else {"reference": to}


def organization_reference(organization: str) -> JsonObject:
    """Refer to one of the organizations."""
    return reference(f"Organization/{organization}", ORGANIZATIONS[organization])


def build_organization(organization: str) -> JsonObject:
    """Build an Organization."""
    return {
        "resourceType": "Organization",
        "active": True,
        "type": [{"text": _SERVICES[organization]}],
        "name": ORGANIZATIONS[organization],
    }


def build_group(children: Iterable[Child]) -> JsonObject:
    """Build the Group of all young people, which exports are asked for."""
    return {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "name": "Everybody in care",
        "member": [{"entity": {"reference": f"Patient/{child.id}"}} for child in children],
    }


def build_practitioner(colleague: Colleague) -> JsonObject:
    """Build a Practitioner."""
    text = " ".join(part for part in (colleague.prefix, colleague.given, colleague.family) if part)
    name: JsonObject = {
        "use": "official",
        "text": text,
        "family": colleague.family,
        "given": [colleague.given],
    }
    if colleague.prefix:
        name["prefix"] = [colleague.prefix]
    return {"resourceType": "Practitioner", "active": True, "name": [name], "gender": colleague.gender}


def build_role(colleague: Colleague) -> JsonObject:
    """Build a PractitionerRole."""
    return {
        "resourceType": "PractitionerRole",
        "active": True,
        "practitioner": reference(f"Practitioner/{colleague.id}"),
        "organization": organization_reference(colleague.organization),
        "code": [
            {
                "coding": [
                    {"system": "urn:x-sandbox:role", "code": colleague.role.lower().replace(" ", "-")}
                ],
                "text": colleague.role,
            }
        ],
    }


def birth_date(child: Child, today: date) -> date:
    """Work out when a child was born who is this old today."""
    last_birthday = today - timedelta(days=child.days)
    year, month, day = last_birthday.year - child.age, last_birthday.month, last_birthday.day
    return date(year, month, min(day, 28) if month == 2 else day)


def build_patient(child: Child, today: date) -> JsonObject:
    """Build a Patient."""
    code, language = child.language
    names: list[JsonObject] = [
        {
            "use": "official",
            "text": f"{child.given} {child.family}",
            "family": child.family,
            "given": [child.given],
        }
    ]
    if child.also:
        names.append({"use": "usual", "text": child.also})
    return {
        "resourceType": "Patient",
        "identifier": [{"system": _NUMBER_SYSTEM, "value": f"RV-{41_000 + int(child.id)}"}],
        "active": True,
        "name": names,
        "gender": child.gender,
        "birthDate": birth_date(child, today).isoformat(),
        "communication": [
            {
                "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": code}], "text": language},
                "preferred": True,
            }
        ],
        "generalPractitioner": [reference(f"Practitioner/{child.clinician}")],
        "managingOrganization": organization_reference(child.organization),
    }


def build_carer(child: Child, carer: Carer) -> JsonObject:
    """Build a RelatedPerson."""
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": carer.code}
    return {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": reference(f"Patient/{child.id}"),
        "relationship": [{"coding": [role], "text": carer.display}],
        "name": [
            {
                "use": "official",
                "text": f"{carer.given} {carer.family}",
                "family": carer.family,
                "given": [carer.given],
            }
        ],
    }


def build_episode(child: Child, since: date) -> JsonObject:
    """Build the EpisodeOfCare that the encounters belong to."""
    return {
        "resourceType": "EpisodeOfCare",
        "status": "active",
        "type": [{"text": child.reason}],
        "patient": reference(f"Patient/{child.id}"),
        "managingOrganization": organization_reference(child.organization),
        "careManager": reference(f"Practitioner/{child.clinician}"),
        "period": {"start": since.isoformat()},
    }


def build_encounter(
    child: Child, start: datetime, *, virtual: bool, finished: bool, carer: int | None = None
) -> JsonObject:
    """Build an Encounter of 50 minutes, or one that is going on; `carer` is the number of the one who takes part."""
    people = [f"Practitioner/{child.clinician}", *([f"RelatedPerson/{child.id}-{carer}"] if carer else [])]
    code, display = ("VR", "virtual") if virtual else ("AMB", "ambulatory")
    period = {"start": start.isoformat(timespec="seconds")}
    if finished:
        period["end"] = (start + timedelta(minutes=50)).isoformat(timespec="seconds")
    return {
        "resourceType": "Encounter",
        "status": "finished" if finished else "in-progress",
        "class": {"system": _ACT_CODE, "code": code, "display": display},
        "type": [{"text": "Video session" if virtual else "Therapy session"}],
        "subject": reference(f"Patient/{child.id}"),
        "episodeOfCare": [reference(f"EpisodeOfCare/{child.id}-e")],
        "participant": [{"individual": reference(each)} for each in people],
        "period": period,
        "serviceProvider": organization_reference(child.organization),
    }


def build_medication_request(child: Child, since: date) -> JsonObject:
    """Build the prescription of the child's medicine."""
    shared = _medication(child)
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        **shared,
        "authoredOn": since.isoformat(),
        "requester": reference("Practitioner/201"),
        "dosageInstruction": [{"text": MEDICINES[child.medication or ""].dose}],
    }


def build_medication_statement(child: Child, since: date) -> JsonObject:
    """Build the statement that the child takes it."""
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        **_medication(child),
        "effectivePeriod": {"start": since.isoformat()},
        "dosage": [{"text": MEDICINES[child.medication or ""].dose}],
    }


def build_consent(child: Child, given: date) -> JsonObject:
    """Build what the family has said about research with the child's record."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}],
        "patient": reference(f"Patient/{child.id}"),
        "dateTime": given.isoformat(),
        "policyRule": {"text": "Use of the record for research by the clinic"},
        "provision": {"type": child.research, "period": {"start": given.isoformat()}},
    }  # fmt: skip


def build_letter(child: Child, written: datetime) -> JsonObject:
    """Build the referral letter as a DocumentReference with plain text."""
    text = f"Referral of {child.given} {child.family}. Reason: {child.reason}. Please see at your earliest convenience."
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "57133-1", "display": "Referral note"}],
                 "text": "Referral letter"},
        "subject": reference(f"Patient/{child.id}"),
        "date": written.isoformat(timespec="seconds"),
        "content": [
            {"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode(),
                            "title": "Referral letter"}}
        ],
    }  # fmt: skip


def _medication(child: Child) -> JsonObject:
    medicine = MEDICINES[child.medication or ""]
    coding = {"system": "http://www.whocc.no/atc", "code": medicine.code}
    return {
        "medicationCodeableConcept": {"coding": [coding], "text": medicine.display},
        "subject": reference(f"Patient/{child.id}"),
    }
