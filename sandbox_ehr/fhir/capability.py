"""The CapabilityStatement of the sandbox EHR, written from the tables that the server works by. Pure."""

from datetime import datetime

from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.fhir.parameters import PARAMETERS, Parameter
from sandbox_ehr.settings import NOTICE

_SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_INTERACTIONS = ("read", "vread", "history-instance", "create", "update", "search-type")


def build_capability_statement(base_url: str, started: datetime) -> JsonObject:
    """Build the statement, with the SMART security extension for clients that do not know discovery."""
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
        "software": {"name": "Sandbox EHR"},
        "implementation": {"description": NOTICE, "url": f"{base_url}/r4"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": security,
                "resource": [_describe(name, parameters) for name, parameters in PARAMETERS.items()],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _describe(name: str, parameters: dict[str, Parameter]) -> JsonObject:
    search = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
    search += [{"name": each, "type": parameter.kind} for each, parameter in parameters.items()]
    references = [f"{name}:{each}" for each, parameter in parameters.items() if parameter.kind == "reference"]
    description: JsonObject = {
        "type": name,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": True,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "referencePolicy": ["literal", "local", "enforced"],
        "searchParam": search,
    }
    return {**description, "searchInclude": references} if references else description
