"""Audit entries as FHIR AuditEvents after IHE Basic Audit Log Patterns (https://profiles.ihe.net/ITI/BALP).

An entry says what was done with which resource, never what was in it.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from plugin import __version__
from plugin.ledger import AuditRow

Clock = Callable[[], datetime]
JsonObject = dict[str, object]

_REST = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation")
_LOGIN = ("http://dicom.nema.org/resources/ontology/DCM", "110114", "User Authentication")
_EXPORT = ("http://dicom.nema.org/resources/ontology/DCM", "110106", "Export")
_RESTFUL = "http://hl7.org/fhir/restful-interaction"
_OWN = "https://w3id.org/rapport-fhir/CodeSystem/audit"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE_ROLE = {"system": _DCM, "code": "110153", "display": "Source Role ID"}
_DESTINATION_ROLE = {"system": _DCM, "code": "110152", "display": "Destination Role ID"}
_RECEIVER = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "code": "IRCP",
    "display": "information recipient",
}


class Kind(StrEnum):
    """Every kind of entry that the trail knows."""

    LAUNCH = "launch"
    LAUNCH_ENDED = "launch-ended"
    PATIENT_VIEWED = "patient-viewed"
    RESPONSE_VIEWED = "response-viewed"
    INVITATION_CREATED = "invitation-created"
    INVITATION_SHOWN = "invitation-shown"
    INVITATION_OPENED = "invitation-opened"
    INVITATION_WITHDRAWN = "invitation-withdrawn"
    HAND_OVER = "hand-over"
    HAND_OVER_ENDED = "hand-over-ended"
    CONSENT_GIVEN = "consent-given"
    CONSENT_REFUSED = "consent-refused"
    RESPONSE_RECEIVED = "response-received"
    RESPONSE_AMENDED = "response-amended"
    RESPONSE_VOIDED = "response-entered-in-error"
    RESPONSE_SET_ASIDE = "response-set-aside"
    RESPONSE_RETRIED = "response-retried"
    RECORD_SEARCHED = "record-searched"
    RESPONSE_SCORED = "response-scored"
    DELIVERY = "delivery"
    DELIVERY_RETRIED = "delivery-retried"
    DELIVERY_RELEASED = "delivery-released"
    DELIVERY_DISCARDED = "delivery-discarded"
    NORM_ADOPTED = "norm-adopted"
    NORM_WITHDRAWN = "norm-withdrawn"
    EXPORTED = "exported"
    RESEARCH_EXPORTED = "research-exported"
    RECORD_COMPARED = "record-compared"
    DELIVERIES_VIEWED = "deliveries-viewed"
    EHR_EXAMINED = "ehr-examined"
    AUDIT_SEARCHED = "audit-searched"
    CHAIN_VIEWED = "chain-viewed"
    LOG_VIEWED = "log-viewed"
    LEDGER_VERIFIED = "ledger-verified"
    REVIEW_DRAWN = "review-drawn"
    REVIEW_VIEWED = "review-viewed"
    REVIEW_SIGNED = "review-signed"
    CARDS_GIVEN = "cards-given"
    CARD_ANSWERED = "card-answered"
    CASELOAD_VIEWED = "caseload-viewed"
    NOTE_WRITTEN = "note-written"
    NOTE_VIEWED = "note-viewed"
    NOTE_DELIVERY = "note-delivery"


# kind -> (type, subtype, action)
_CODING: dict[Kind, tuple[tuple[str, str, str], tuple[str, str], str]] = {
    Kind.LAUNCH: (_LOGIN, (_DCM, "110122"), "E"),
    Kind.LAUNCH_ENDED: (_LOGIN, (_DCM, "110123"), "E"),
    Kind.PATIENT_VIEWED: (_REST, (_RESTFUL, "read"), "R"),
    Kind.RESPONSE_VIEWED: (_REST, (_RESTFUL, "read"), "R"),
    Kind.INVITATION_CREATED: (_LOGIN, (_OWN, "invitation-created"), "C"),
    Kind.INVITATION_SHOWN: (_LOGIN, (_OWN, "invitation-shown"), "R"),
    Kind.INVITATION_OPENED: (_LOGIN, (_OWN, "invitation-opened"), "E"),
    Kind.INVITATION_WITHDRAWN: (_LOGIN, (_OWN, "invitation-withdrawn"), "D"),
    Kind.HAND_OVER: (_LOGIN, (_OWN, "hand-over"), "E"),
    Kind.HAND_OVER_ENDED: (_LOGIN, (_OWN, "hand-over-ended"), "E"),
    Kind.CONSENT_GIVEN: (_REST, (_OWN, "consent-given"), "C"),
    Kind.CONSENT_REFUSED: (_REST, (_OWN, "consent-refused"), "C"),
    Kind.RESPONSE_RECEIVED: (_REST, (_RESTFUL, "create"), "C"),
    Kind.RESPONSE_AMENDED: (_REST, (_RESTFUL, "update"), "U"),
    Kind.RESPONSE_VOIDED: (_REST, (_OWN, "response-entered-in-error"), "U"),
    Kind.RESPONSE_SET_ASIDE: (_REST, (_OWN, "response-set-aside"), "C"),
    Kind.RESPONSE_RETRIED: (_REST, (_OWN, "response-retried"), "U"),
    Kind.RECORD_SEARCHED: (_REST, (_RESTFUL, "search"), "E"),
    Kind.RESPONSE_SCORED: (_REST, (_RESTFUL, "operation"), "E"),
    Kind.DELIVERY: (_REST, (_RESTFUL, "create"), "C"),
    Kind.DELIVERY_RETRIED: (_REST, (_OWN, "delivery-retried"), "U"),
    Kind.DELIVERY_RELEASED: (_REST, (_OWN, "delivery-released"), "U"),
    Kind.DELIVERY_DISCARDED: (_REST, (_OWN, "delivery-discarded"), "U"),
    Kind.NORM_ADOPTED: (_REST, (_OWN, "norm-adopted"), "C"),
    Kind.NORM_WITHDRAWN: (_REST, (_OWN, "norm-withdrawn"), "D"),
    Kind.EXPORTED: (_EXPORT, (_OWN, "exported"), "R"),
    Kind.RESEARCH_EXPORTED: (_EXPORT, (_OWN, "research-exported"), "R"),
    Kind.RECORD_COMPARED: (_REST, (_RESTFUL, "search"), "E"),
    Kind.DELIVERIES_VIEWED: (_REST, (_RESTFUL, "search"), "E"),
    Kind.EHR_EXAMINED: (_REST, (_OWN, "ehr-examined"), "E"),
    Kind.AUDIT_SEARCHED: (_REST, (_RESTFUL, "search"), "E"),
    Kind.CHAIN_VIEWED: (_REST, (_RESTFUL, "read"), "R"),
    Kind.LOG_VIEWED: (_REST, (_OWN, "log-viewed"), "R"),
    Kind.LEDGER_VERIFIED: (_REST, (_OWN, "ledger-verified"), "E"),
    Kind.REVIEW_DRAWN: (_REST, (_OWN, "review-drawn"), "C"),
    Kind.REVIEW_VIEWED: (_REST, (_OWN, "review-viewed"), "R"),
    Kind.REVIEW_SIGNED: (_REST, (_OWN, "review-signed"), "C"),
    Kind.CARDS_GIVEN: (_REST, (_OWN, "cards-given"), "R"),
    Kind.CARD_ANSWERED: (_REST, (_OWN, "card-answered"), "C"),
    Kind.NOTE_WRITTEN: (_REST, (_OWN, "note-written"), "C"),
    Kind.NOTE_VIEWED: (_REST, (_OWN, "note-viewed"), "R"),
    Kind.NOTE_DELIVERY: (_REST, (_RESTFUL, "create"), "C"),
    Kind.CASELOAD_VIEWED: (_REST, (_OWN, "caseload-viewed"), "R"),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: a FHIR reference (`Practitioner/1`), or only a role where no person is known."""

    reference: str | None = None
    display: str | None = None


class Trail:
    """Writes the entries of one installation. `address` is Rapport's own base URL."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = address
        self._clock = clock

    def entry(
        self,
        kind: Kind,
        actor: Actor,
        *,
        site: str | None = None,
        patient: str | None = None,
        about: tuple[str, ...] = (),
        server: str | None = None,
        failure: str | None = None,
        reason: str | None = None,
        details: tuple[tuple[str, str], ...] = (),
    ) -> AuditRow:
        """Build an entry: `about` names resources, `server` the other side, `failure` why it did not succeed.

        `reason` is what the actor gave as the purpose, `details` pairs of what was found, without health data.
        """
        event = str(uuid.uuid4())
        recorded = self._clock()
        outcome = "0" if failure is None else "4"
        resource: JsonObject = {
            "resourceType": "AuditEvent",
            "id": event,
            **classify(kind),
            "recorded": recorded.isoformat(timespec="milliseconds"),
            "outcome": outcome,
            **({"outcomeDesc": failure} if failure else {}),
            **({"purposeOfEvent": [{"text": reason}]} if reason else {}),
            "agent": self._agents(kind, actor, server),
            "source": {"observer": {"display": f"Rapport {__version__}"}, "site": self._address},
            "entity": [*_entities(patient, about), *_detailed(details)],
        }
        if not resource["entity"]:
            del resource["entity"]
        body = msgspec.json.encode(resource)
        digest = hashlib.sha256(body).hexdigest()
        return AuditRow(event, recorded, kind.value, outcome, site, patient, body, digest)

    def _agents(self, kind: Kind, actor: Actor, server: str | None) -> list[JsonObject]:
        # BALP: the client of a create and the server of a read are where the data come from.
        gives = kind in {Kind.DELIVERY, Kind.NOTE_DELIVERY} or _CODING[kind][2] == "R"
        own: JsonObject = {
            "type": {"coding": [_SOURCE_ROLE if gives else _DESTINATION_ROLE]},
            "who": {"display": f"Rapport {__version__}"},
            "requestor": False,
            "network": {"address": self._address, "type": "5"},
        }
        agents = [own]
        if server is not None:
            agents.append(
                {
                    "type": {"coding": [_DESTINATION_ROLE if gives else _SOURCE_ROLE]},
                    "who": {"display": server},
                    "requestor": False,
                    "network": {"address": server, "type": "5"},
                }
            )
        who = {"reference": actor.reference} if actor.reference else {}
        if actor.display:
            who["display"] = actor.display
        if who:
            agents.append({"type": {"coding": [_RECEIVER]}, "who": who, "requestor": True})
        return agents


def _detailed(details: tuple[tuple[str, str], ...]) -> list[JsonObject]:
    if not details:
        return []
    return [
        {
            "what": {"display": "Rapport's ledger"},
            "type": {
                "system": "http://terminology.hl7.org/CodeSystem/audit-entity-type",
                "code": "2",
                "display": "System Object",
            },
            "detail": [{"type": name, "valueString": text} for name, text in details],
        }
    ]


def classify(kind: Kind) -> JsonObject:
    """Give the type, subtype and action that entries of a kind have."""
    (type_system, type_code, type_display), (system, code), action = _CODING[kind]
    return {
        "type": {"system": type_system, "code": type_code, "display": type_display},
        "subtype": [{"system": system, "code": code}],
        "action": action,
    }


def _entities(patient: str | None, about: tuple[str, ...]) -> list[JsonObject]:
    entity_type = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
    role = "http://terminology.hl7.org/CodeSystem/object-role"
    entities: list[JsonObject] = [
        {
            "what": {"reference": reference},
            "type": {"system": entity_type, "code": "2", "display": "System Object"},
            "role": {"system": role, "code": "4", "display": "Domain Resource"},
        }
        for reference in about
    ]
    if patient is not None:
        entities.append(
            {
                "what": {"reference": patient},
                "type": {"system": entity_type, "code": "1", "display": "Person"},
                "role": {"system": role, "code": "1", "display": "Patient"},
            }
        )
    return entities
