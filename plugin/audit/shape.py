"""The parts of an AuditEvent as IHE BALP wants them: agents by the way that data go, entities by what they are, profiles.

https://profiles.ihe.net/ITI/BALP 1.1: Create, Read, Update, Delete and Query with their Patient variants, and the use of an
opaque OAuth token. BALP profiles successes; a failure has the same shape and claims no profile.
"""

import base64

from plugin import __version__, peer, request_id
from plugin.audit.kinds import Does

JsonObject = dict[str, object]

BALP = "https://profiles.ihe.net/ITI/BALP"
_PROFILES = {
    Does.CREATE: "Create",
    Does.READ: "Read",
    Does.UPDATE: "Update",
    Does.DELETE: "Delete",
    Does.SEARCH: "Query",
}
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE: JsonObject = {"system": _DCM, "code": "110153", "display": "Source Role ID"}
_DESTINATION: JsonObject = {"system": _DCM, "code": "110152", "display": "Destination Role ID"}
_APPLICATION: JsonObject = {"system": _DCM, "code": "110150", "display": "Application"}
_CUSTODIAN: JsonObject = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "custodian",
    "display": "Custodian",
}
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_RECIPIENT = {"system": _PARTICIPATION, "code": "IRCP", "display": "information recipient"}
_AUTHOR = {"system": _PARTICIPATION, "code": "AUT", "display": "author (originator)"}
_TOKEN_USER = {"system": f"{BALP}/CodeSystem/UserAgentTypes", "code": "UserOauthAgent"}
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_REQUEST_ID = {"system": f"{BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"}
PERSON, OBJECT, OTHER = "1", "2", "4"

_CHANGES = (Does.CREATE, Does.UPDATE, Does.DELETE)


def profiles(what: Does, patient: str | None, token: str | None, entities: list[JsonObject]) -> list[str]:
    """Name the profiles that a successful entry follows: by what was done, and by the token it was done with."""
    found = []
    objects = [each for each in entities if _code(each) == OBJECT]
    if what in _PROFILES and any(("query" in each) == (what is Does.SEARCH) for each in objects):
        found.append(f"IHE.BasicAudit.{'Patient' if patient else ''}{_PROFILES[what]}")
    if token is not None:
        found.append("IHE.BasicAudit.OAUTHaccessTokenUse.Opaque")
    return [f"{BALP}/StructureDefinition/{each}" for each in found]


def machines(what: Does, own_address: str, server: str | None) -> list[JsonObject]:
    """Describe the two ends, client first; Rapport is the client of a `server` that it asked, else the server itself."""
    own = (f"Rapport {__version__}", own_address, peer.ADDRESS)
    if server is not None:
        client, answering = own, (server, server, peer.ADDRESS)
    else:
        asking = peer.current()
        client, answering = (asking.name, asking.address, asking.kind), own
    types = _ends(what)
    return [_machine(coding, *end) for coding, end in zip(types, (client, answering), strict=True)]


def people(what: Does, reference: str | None, display: str | None, token: str | None) -> list[JsonObject]:
    """Describe who acted, and again as the holder of the token, if there was one."""
    who = {**({"reference": reference} if reference else {}), **({"display": display} if display else {})}
    if not who:
        return []
    coding = _AUTHOR if what in _CHANGES else _RECIPIENT
    found: list[JsonObject] = [{"type": {"coding": [coding]}, "who": who, "requestor": True}]
    if token is not None:
        found.append({"type": {"coding": [_TOKEN_USER]}, "who": who, "requestor": True, "policy": [token]})
    return found


def entities(what: Does, patient: str | None, about: tuple[str, ...], query: str | None) -> list[JsonObject]:
    """Describe the query, the data (one object; others beside it are of another type), the patient and the request."""
    found: list[JsonObject] = []
    if what is Does.READ and not about and patient is not None:
        about = (patient,)  # a view of all that is kept of somebody
    if query is not None:
        encoded = base64.b64encode(query.encode()).decode()
        found.append({"type": _type(OBJECT, "System Object"), "role": _role("24", "Query"), "query": encoded})
    for place, reference in enumerate(about):
        main = place == 0 and query is None
        coding = _type(OBJECT, "System Object") if main else _type(OTHER, "Other")
        found.append(
            {"what": {"reference": reference}, "type": coding, "role": _role("4", "Domain Resource")}
        )
    if patient is not None:
        found.append(
            {"what": {"reference": patient}, "type": _type(PERSON, "Person"), "role": _role("1", "Patient")}
        )
    if (request := request_id.current()) is not None:
        found.append({"what": {"identifier": {"value": request}}, "type": _REQUEST_ID})
    return found


def details(pairs: tuple[tuple[str, str], ...]) -> list[JsonObject]:
    """Describe what was found beside the data."""
    if not pairs:
        return []
    told = [{"type": name, "valueString": text} for name, text in pairs]
    return [{"what": {"display": "Rapport's ledger"}, "type": _type(OTHER, "Other"), "detail": told}]


def _ends(what: Does) -> tuple[JsonObject, JsonObject]:
    """Give the types of client and server: who creates, changes or asks is the source; who reads is the destination."""
    match what:
        case Does.READ | Does.EXPORT:
            return _DESTINATION, _SOURCE
        case Does.DELETE:
            return _APPLICATION, _CUSTODIAN
        case _:
            return _SOURCE, _DESTINATION


def _machine(coding: JsonObject, name: str, address: str, kind: str) -> JsonObject:
    network = {"address": address, "type": kind}
    return {"type": {"coding": [coding]}, "who": {"display": name}, "requestor": False, "network": network}


def _type(code: str, display: str) -> JsonObject:
    return {"system": _ENTITY_TYPE, "code": code, "display": display}


def _role(code: str, display: str) -> JsonObject:
    return {"system": _ROLE, "code": code, "display": display}


def _code(entity: JsonObject) -> object:
    coding = entity["type"]
    return coding.get("code") if isinstance(coding, dict) else None
