"""The parts of an AuditEvent as IHE BALP wants them: agents by the way that data go, entities by what they are, profiles.

https://profiles.ihe.net/ITI/BALP 1.1: Create, Read, Update, Delete and Query with their Patient variants, and the use of an
opaque OAuth token. BALP profiles successes; a failure has the same shape and claims no profile.
"""

import base64
from functools import lru_cache

import msgspec

from plugin import __version__, peer, request_id
from plugin.audit.kinds import Does
from plugin.peer import Peer

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
_PERSON: JsonObject = {"system": _ENTITY_TYPE, "code": PERSON, "display": "Person"}
_OBJECT: JsonObject = {"system": _ENTITY_TYPE, "code": OBJECT, "display": "System Object"}
_OTHER: JsonObject = {"system": _ENTITY_TYPE, "code": OTHER, "display": "Other"}
_PATIENT: JsonObject = {"system": _ROLE, "code": "1", "display": "Patient"}
_RESOURCE: JsonObject = {"system": _ROLE, "code": "4", "display": "Domain Resource"}
_QUERY: JsonObject = {"system": _ROLE, "code": "24", "display": "Query"}
_KEPT = 1024  # pairs of ends

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


def machines(what: Does, own_address: str, server: str | None) -> tuple[msgspec.Raw, ...]:
    """Describe the two ends, client first; Rapport is the client of a `server` that it asked, else the server itself."""
    own = Peer(f"Rapport {__version__}", own_address, peer.ADDRESS)
    if server is not None:
        return _write_ends(what, own, Peer(server, server, peer.ADDRESS))
    return _write_ends(what, peer.current(), own)


@lru_cache(maxsize=_KEPT)
def _write_ends(what: Does, client: Peer, server: Peer) -> tuple[msgspec.Raw, ...]:
    # Written once: the same two ends talk for a while.
    return tuple(
        msgspec.Raw(msgspec.json.encode(_machine(coding, end)))
        for coding, end in zip(_ends(what), (client, server), strict=True)
    )


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
        found.append({"type": _OBJECT, "role": _QUERY, "query": encoded})
    for place, reference in enumerate(about):
        main = place == 0 and query is None
        kind = _OBJECT if main else _OTHER
        found.append({"what": {"reference": reference}, "type": kind, "role": _RESOURCE})
    if patient is not None:
        found.append({"what": {"reference": patient}, "type": _PERSON, "role": _PATIENT})
    if (request := request_id.current()) is not None:
        found.append({"what": {"identifier": {"value": request}}, "type": _REQUEST_ID})
    return found


def details(pairs: tuple[tuple[str, str], ...]) -> list[JsonObject]:
    """Describe what was found beside the data."""
    if not pairs:
        return []
    told = [{"type": name, "valueString": text} for name, text in pairs]
    return [{"what": {"display": "Rapport's ledger"}, "type": _OTHER, "detail": told}]


def _ends(what: Does) -> tuple[JsonObject, JsonObject]:
    """Give the types of client and server: who creates, changes or asks is the source; who reads is the destination."""
    match what:
        case Does.READ | Does.EXPORT:
            return _DESTINATION, _SOURCE
        case Does.DELETE:
            return _APPLICATION, _CUSTODIAN
        case _:
            return _SOURCE, _DESTINATION


def _machine(coding: JsonObject, end: Peer) -> JsonObject:
    network = {"address": end.address, "type": end.kind}
    return {
        "type": {"coding": [coding]},
        "who": {"display": end.name},
        "requestor": False,
        "network": network,
    }


def _code(entity: JsonObject) -> object:
    coding = entity["type"]
    return coding.get("code") if isinstance(coding, dict) else None
