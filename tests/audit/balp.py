"""The rules of IHE Basic Audit Log Patterns 1.1 as data, and what an entry breaks of them.

Written after the profiles' own text (https://profiles.ihe.net/ITI/BALP): what must be there once, what may, with which codes.
"""

import base64
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

BASE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
REST = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
SOURCE, DESTINATION, APPLICATION = (DCM, "110153"), (DCM, "110152"), (DCM, "110150")
CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
TOKEN_USER = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent")
REQUEST_ID = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
READS, WRITES = ("IRCP",), ("AUT", "INF", "CST")
DATA_ROLES = {"3", "4", "20"}  # Report, Domain Resource, Job


@dataclass(frozen=True)
class Rule:
    """One family of profiles: subtypes of which one must be there, action, the ends, and what a user may be."""

    subtypes: frozenset[str]
    action: str
    client: tuple[str, str]
    server: tuple[str, str]
    users: tuple[str, ...]
    query: bool = False


RULES = {
    "Create": Rule(frozenset({"create"}), "C", SOURCE, DESTINATION, WRITES),
    "Read": Rule(frozenset({"read", "vread"}), "R", DESTINATION, SOURCE, READS),
    "Update": Rule(frozenset({"update", "patch"}), "U", SOURCE, DESTINATION, WRITES),
    "Delete": Rule(frozenset({"delete"}), "D", APPLICATION, CUSTODIAN, WRITES),
    "Query": Rule(
        frozenset({"search", "search-type", "search-system"}), "E", SOURCE, DESTINATION, READS, query=True
    ),
}
FAMILIES = {**RULES, **{f"Patient{name}": rule for name, rule in RULES.items()}}
TOKEN = "OAUTHaccessTokenUse.Opaque"


def claimed(entry: Json) -> set[str]:
    """Give the profiles that an entry claims, by their short names."""
    return {each.removeprefix(BASE) for each in entry.get("meta", {}).get("profile", ())}


def problems(entry: Json) -> list[str]:
    """Say what an entry breaks of the profiles that it claims."""
    found: list[str] = []
    for name in claimed(entry):
        if name == TOKEN:
            found += _token(entry)
        elif name in FAMILIES:
            found += [f"{name}: {each}" for each in _family(entry, name)]
        else:
            found.append(f"there is no profile {name}")
    return found


def _family(entry: Json, name: str) -> list[str]:
    rule = FAMILIES[name]
    found: list[str] = []
    if _coding(entry["type"]) != REST:
        found.append("type is not rest")
    subtypes = {each["code"] for each in entry.get("subtype", ()) if each["system"] == RESTFUL}
    if not subtypes & rule.subtypes:
        found.append(f"no subtype of {sorted(rule.subtypes)}")
    if entry.get("action") != rule.action:
        found.append("action")
    if entry.get("outcome") != "0":
        found.append("outcome is not success")
    return found + _agents(entry["agent"], rule) + _entities(entry, rule, patient=name.startswith("Patient"))


def _agents(agents: list[Json], rule: Rule) -> list[str]:
    found = []
    for end, coding in (("client", rule.client), ("server", rule.server)):
        those = [each for each in agents if _concept(each) == coding]
        if len(those) != 1:
            found.append(f"{len(those)} agents are the {end}")
        if any(not each.get("who") or not each.get("network", {}).get("address") for each in those):
            found.append(f"the {end} lacks who or network")
    people = [each for each in agents if _concept(each)[0] == PARTICIPATION]
    if len(people) > 1:
        found.append("several users")
    for each in people:
        if _concept(each)[1] not in rule.users or not each.get("who") or each.get("requestor") is not True:
            found.append("the user's type, who or requestor")
        if "network" in each or "media" in each:
            found.append("users are not network devices")
    return found


def _entities(entry: Json, rule: Rule, *, patient: bool) -> list[str]:
    entities, found = entry.get("entity", []), []
    objects = [each for each in entities if _coding(each["type"]) == (ENTITY, "2")]
    if len(objects) != 1:
        return [f"{len(objects)} objects"]
    (one,) = objects
    if rule.query:
        if _coding(one.get("role", {})) != (ROLE, "24") or "what" in one or "detail" in one:
            found.append("the query's role, or it refers to something")
        if not base64.b64decode(one.get("query", ""), validate=True):
            found.append("no query in base64")
    elif _coding(one.get("role", {}))[1] not in DATA_ROLES or not one.get("what"):
        found.append("the data's role or reference")
    requests = [each for each in entities if _coding(each["type"]) == REQUEST_ID]
    if len(requests) > 1 or any(not each["what"]["identifier"]["value"] for each in requests):
        found.append("the request's id")
    people = [each for each in entities if _coding(each["type"]) == (ENTITY, "1")]
    if patient and (len(people) != 1 or _coding(people[0]["role"]) != (ROLE, "1")):
        found.append("not one patient")
    if any(not each["what"]["reference"].startswith("Patient/") for each in people):
        found.append("the patient is none")
    return found


def _token(entry: Json) -> list[str]:
    those = [each for each in entry["agent"] if _concept(each) == TOKEN_USER]
    if len(those) != 1 or those[0].get("requestor") is not True:
        return ["token: not one user of it"]
    policies = those[0].get("policy", [])
    if len(policies) != 1 or not 0 < len(policies[0]) <= 32:
        return ["token: not one policy of at most 32 characters"]
    return []


def _coding(coding: Json) -> tuple[str, str]:
    return coding.get("system", ""), coding.get("code", "")


def _concept(agent: Json) -> tuple[str, str]:
    return _coding(agent.get("type", {}).get("coding", [{}])[0])
