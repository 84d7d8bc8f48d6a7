"""Every kind of entry that the trail knows, and how AuditEvents code it."""

from enum import StrEnum
from functools import cache

_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_RESTFUL = "http://hl7.org/fhir/restful-interaction"
OWN_CODES = "https://w3id.org/rapport-fhir/CodeSystem/audit"


class Kind(StrEnum):
    """What an entry is about."""

    LAUNCH = "launch"
    LAUNCH_ENDED = "launch-ended"
    PATIENT_VIEWED = "patient-viewed"
    SUMMARY_GIVEN = "summary-given"
    RESPONSE_VIEWED = "response-viewed"
    RECORD_SEARCHED = "record-searched"
    INVITATION_CREATED = "invitation-created"
    INVITATION_SHOWN = "invitation-shown"
    INVITATION_OPENED = "invitation-opened"
    INVITATION_WITHDRAWN = "invitation-withdrawn"
    INVITATION_EXPIRED = "invitation-expired"
    HAND_OVER = "hand-over"
    HAND_OVER_ENDED = "hand-over-ended"
    RESPONSE_RECEIVED = "response-received"
    RESPONSE_SCORED = "response-scored"
    RESPONSE_RESCORED = "response-rescored"
    DELIVERY = "delivery"
    DELIVERY_RETRIED = "delivery-retried"
    DELIVERY_RELEASED = "delivery-released"
    DELIVERY_DISCARDED = "delivery-discarded"
    NORM_ADOPTED = "norm-adopted"
    NORM_WITHDRAWN = "norm-withdrawn"
    EXPORTED = "exported"
    RECORD_COMPARED = "record-compared"
    DELIVERIES_VIEWED = "deliveries-viewed"
    EHR_EXAMINED = "ehr-examined"
    CARDS_GIVEN = "cards-given"
    CARD_ANSWERED = "card-answered"
    CONFIGURATION_CHANGED = "configuration-changed"
    CASELOAD_VIEWED = "caseload-viewed"
    RESPONSE_AMENDED = "response-amended"
    RESPONSE_VOIDED = "response-entered-in-error"
    RESPONSE_SET_ASIDE = "response-set-aside"
    RESPONSE_RETRIED = "response-retried"
    AUDIT_SEARCHED = "audit-searched"
    CHAIN_VIEWED = "chain-viewed"
    LOG_VIEWED = "log-viewed"
    LEDGER_VERIFIED = "ledger-verified"
    REVIEW_DRAWN = "review-drawn"
    REVIEW_VIEWED = "review-viewed"
    REVIEW_SIGNED = "review-signed"
    CONSENT_GIVEN = "consent-given"
    CONSENT_REFUSED = "consent-refused"
    NOTE_DRAFTED = "note-drafted"
    NOTE_WRITTEN = "note-written"
    NOTE_VIEWED = "note-viewed"
    NOTE_DELIVERY = "note-delivery"
    RESEARCH_EXPORTED = "research-exported"
    PATIENT_ERASED = "patient-erased"
    RETENTION_APPLIED = "retention-applied"
    ACCESS_REFUSED = "access-refused"


class Does(StrEnum):
    """What is done with data, in the words of FHIR's RESTful interactions."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    SEARCH = "search"
    OPERATION = "operation"
    SIGN_IN = "sign-in"  # who may do what: launches, hand-over, invitations
    EXPORT = "export"
    CHANGE = "change"  # of the installation


_Coding = dict[str, str]

TYPE: dict[Does, _Coding] = {
    **{
        each: {"system": _TYPES, "code": "rest", "display": "RESTful Operation"}
        for each in (Does.CREATE, Does.READ, Does.UPDATE, Does.DELETE, Does.SEARCH, Does.OPERATION)
    },
    Does.SIGN_IN: {"system": _DCM, "code": "110114", "display": "User Authentication"},
    Does.EXPORT: {"system": _DCM, "code": "110106", "display": "Export"},
    Does.CHANGE: {"system": _DCM, "code": "110100", "display": "Application Activity"},
}

# kind -> (what it does, subtypes before its own code, action)
_LOGIN, _LOGOUT = ((_DCM, "110122", "Login"),), ((_DCM, "110123", "Logout"),)


def _rest(does: Does) -> tuple[tuple[str, str, str], ...]:
    return ((_RESTFUL, does.value, does.value),)


_CODING: dict[Kind, tuple[Does, tuple[tuple[str, str, str], ...], str]] = {
    Kind.LAUNCH: (Does.SIGN_IN, _LOGIN, "E"),
    Kind.LAUNCH_ENDED: (Does.SIGN_IN, _LOGOUT, "E"),
    Kind.PATIENT_VIEWED: (Does.READ, _rest(Does.READ), "R"),
    Kind.SUMMARY_GIVEN: (Does.READ, _rest(Does.READ), "R"),
    Kind.RESPONSE_VIEWED: (Does.READ, _rest(Does.READ), "R"),
    Kind.RECORD_SEARCHED: (Does.SEARCH, _rest(Does.SEARCH), "E"),
    Kind.INVITATION_CREATED: (Does.SIGN_IN, (), "C"),
    Kind.INVITATION_SHOWN: (Does.SIGN_IN, (), "R"),
    Kind.INVITATION_OPENED: (Does.SIGN_IN, (), "E"),
    Kind.INVITATION_WITHDRAWN: (Does.SIGN_IN, (), "D"),
    Kind.INVITATION_EXPIRED: (Does.SIGN_IN, (), "D"),
    Kind.HAND_OVER: (Does.SIGN_IN, (), "E"),
    Kind.HAND_OVER_ENDED: (Does.SIGN_IN, (), "E"),
    Kind.RESPONSE_RECEIVED: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.RESPONSE_SCORED: (Does.OPERATION, _rest(Does.OPERATION), "E"),
    Kind.RESPONSE_RESCORED: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.DELIVERY: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.DELIVERY_RETRIED: (Does.UPDATE, _rest(Does.UPDATE), "U"),
    Kind.DELIVERY_RELEASED: (Does.UPDATE, _rest(Does.UPDATE), "U"),
    Kind.DELIVERY_DISCARDED: (Does.UPDATE, _rest(Does.UPDATE), "U"),
    Kind.NORM_ADOPTED: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.NORM_WITHDRAWN: (Does.DELETE, _rest(Does.DELETE), "D"),
    Kind.EXPORTED: (Does.EXPORT, (), "R"),
    Kind.RECORD_COMPARED: (Does.SEARCH, _rest(Does.SEARCH), "E"),
    Kind.DELIVERIES_VIEWED: (Does.SEARCH, _rest(Does.SEARCH), "E"),
    Kind.EHR_EXAMINED: (Does.OPERATION, _rest(Does.OPERATION), "E"),
    Kind.CARDS_GIVEN: (Does.READ, _rest(Does.READ), "R"),
    Kind.CARD_ANSWERED: (Does.OPERATION, _rest(Does.OPERATION), "C"),
    Kind.CONFIGURATION_CHANGED: (Does.CHANGE, ((_DCM, "110131", "Software Configuration"),), "U"),
    Kind.NOTE_DRAFTED: (Does.READ, _rest(Does.READ), "R"),
    Kind.NOTE_WRITTEN: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.NOTE_VIEWED: (Does.READ, _rest(Does.READ), "R"),
    Kind.NOTE_DELIVERY: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.CONSENT_GIVEN: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.CONSENT_REFUSED: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.AUDIT_SEARCHED: (Does.SEARCH, _rest(Does.SEARCH), "E"),
    Kind.CHAIN_VIEWED: (Does.READ, _rest(Does.READ), "R"),
    Kind.LOG_VIEWED: (Does.OPERATION, (), "R"),
    Kind.LEDGER_VERIFIED: (Does.OPERATION, (), "E"),
    Kind.REVIEW_DRAWN: (Does.CREATE, _rest(Does.CREATE), "C"),
    Kind.REVIEW_VIEWED: (Does.OPERATION, (), "R"),
    Kind.REVIEW_SIGNED: (Does.OPERATION, (), "C"),
    Kind.RESPONSE_SET_ASIDE: (Does.OPERATION, (), "C"),
    Kind.RESPONSE_RETRIED: (Does.OPERATION, (), "U"),
    Kind.RESPONSE_AMENDED: (Does.UPDATE, _rest(Does.UPDATE), "U"),
    Kind.RESPONSE_VOIDED: (Does.UPDATE, _rest(Does.UPDATE), "U"),
    Kind.CASELOAD_VIEWED: (Does.SEARCH, _rest(Does.SEARCH), "E"),
    Kind.RESEARCH_EXPORTED: (Does.EXPORT, (), "R"),
    Kind.PATIENT_ERASED: (Does.DELETE, _rest(Does.DELETE), "D"),
    Kind.RETENTION_APPLIED: (Does.DELETE, _rest(Does.DELETE), "D"),
    Kind.ACCESS_REFUSED: (Does.SIGN_IN, (), "E"),
}

# Codes of kinds that entries of before did not have in this form: those verify as they were written.
_FORMER: dict[Kind, tuple[str, str]] = {
    each: (OWN_CODES, each.value)
    for each in (
        Kind.DELIVERY_RETRIED,
        Kind.DELIVERY_RELEASED,
        Kind.DELIVERY_DISCARDED,
        Kind.NORM_ADOPTED,
        Kind.NORM_WITHDRAWN,
        Kind.EHR_EXAMINED,
        Kind.CARDS_GIVEN,
        Kind.CARD_ANSWERED,
        Kind.NOTE_WRITTEN,
        Kind.NOTE_VIEWED,
        Kind.CONSENT_GIVEN,
        Kind.CONSENT_REFUSED,
        Kind.REVIEW_DRAWN,
    )
}


def does(kind: Kind) -> Does:
    """Tell what entries of a kind record."""
    return _CODING[kind][0]


def action_of(kind: Kind) -> str:
    """Give the action (C, R, U, D or E) of a kind."""
    return _CODING[kind][2]


@cache
def subtypes_of(kind: Kind) -> tuple[_Coding, ...]:
    """Give the subtypes of a kind: the interaction, if it is one, and the kind itself, which can be searched for."""
    codings = [
        {"system": system, "code": code, "display": display} for system, code, display in _CODING[kind][1]
    ]
    return (*codings, {"system": OWN_CODES, "code": kind.value})


def is_coded_as(kind: Kind, action: str, codes: list[tuple[str | None, str | None]]) -> bool:
    """Tell whether an entry's action and subtypes are those of its kind, now or before subtypes named the kind too."""
    if action != action_of(kind):
        return False
    now = [(each["system"], each["code"]) for each in subtypes_of(kind)]
    return codes in (now, now[:1], [_FORMER.get(kind, now[0])])
