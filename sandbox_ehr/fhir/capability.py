"""The CapabilityStatement of the sandbox EHR, written from the tables that the server works by. Pure."""

from datetime import datetime

from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.fhir.parameters import PARAMETERS, Parameter
from sandbox_ehr.personalities import Personality
from sandbox_ehr.settings import NOTICE

_BULK = "http://hl7.org/fhir/uv/bulkdata"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport"
_SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def build_capability_statement(base_url: str, started: datetime, personality: Personality) -> JsonObject:
    """Build what a personality declares, with the SMART security extension for clients that do not know discovery."""
    system = sorted(personality.system, reverse=True)
    endpoints = ("authorize", "token", "introspect", "revoke")
    uris = [{"url": each, "valueUri": f"{base_url}/auth/{each}"} for each in endpoints]
    security = {
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [{"url": _SMART, "extension": uris}],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "experimental": True,
        "date": started.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": f"Sandbox EHR ({personality.name})"},
        "implementation": {"description": NOTICE, "url": f"{base_url}/r4"},
        **({"instantiates": [f"{_BULK}/CapabilityStatement/bulk-data"]} if personality.bulk else {}),
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": security,
                "resource": [
                    *(_describe(name, personality) for name in personality.interactions),
                    *([_describe_subscription(personality.topics)] if personality.topics else []),
                ],
                **({"interaction": [{"code": each} for each in system]} if system else {}),
                **({"operation": [_export("")]} if "system" in personality.bulk else {}),
            }
        ],
    }


def _export(level: str) -> JsonObject:
    return {"name": "export", "definition": f"{_BULK}/OperationDefinition/{level}export"}


def _describe_subscription(topics: tuple[str, ...]) -> JsonObject:
    extension = f"{_BACKPORT}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
    return {
        "extension": [{"url": extension, "valueCanonical": each} for each in topics],
        "type": "Subscription",
        "supportedProfile": [f"{_BACKPORT}/StructureDefinition/backport-subscription"],
        "interaction": [{"code": each} for each in ("create", "read", "update", "delete")],
        "operation": [
            {
                "name": each,
                "definition": f"{_BACKPORT}/OperationDefinition/backport-subscription-{each}",
            }
            for each in ("status", "events")
        ],
    }


def _describe(name: str, personality: Personality) -> JsonObject:
    parameters: dict[str, Parameter] = {each: PARAMETERS[name][each] for each in personality.search[name]}
    history = personality.offers(name, "history-instance")
    search = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
    search += [{"name": each, "type": parameter.kind} for each, parameter in parameters.items()]
    references = [f"{name}:{each}" for each, parameter in parameters.items() if parameter.kind == "reference"]
    description: JsonObject = {
        "type": name,
        "interaction": [{"code": code} for code in personality.interactions[name]],
        "versioning": "versioned-update" if history else "versioned",
        "readHistory": history,
        "updateCreate": False,
        "conditionalCreate": personality.conditional_create,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "referencePolicy": ["literal", "local", "enforced"],
        "searchParam": search,
        **({"operation": [_export(f"{name.lower()}-")]} if name.lower() in personality.bulk else {}),
    }
    if not personality.offers(name, "search-type"):
        del description["searchParam"]
        return description
    return {**description, "searchInclude": references} if references else description
