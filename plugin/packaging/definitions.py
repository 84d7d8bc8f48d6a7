"""The package's own definitions: value sets, the profile of a score, schedules, the ImplementationGuide. Pure."""

from collections.abc import Iterable

from plugin.packaging.archive import JsonObject
from plugin.schedule import Schedule
from questionnaires import Instrument

BASE = "https://w3id.org/rapport-fhir"
PACKAGE = "rapport.fhir.instruments"
US_CORE = "hl7.fhir.us.core"
US_CORE_VERSION = (
    "8.0.0"  # the release whose screening-assessment category binding `plugin.observations` keeps to
)
_PARENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"
_PUBLISHER = "The Rapport developers"

SCHEDULES = {
    "every-session": ("Every session", Schedule.parse("every")),
    "early-and-every-fourth": ("Sessions 1, 3, 4 and every fourth", Schedule.parse("1,3,4,+4")),
}


def build_value_set(code_system: JsonObject) -> JsonObject:
    """Build the ValueSet of all codes of a code system, with its id, version and date."""
    identity = str(code_system["id"])
    title = f"{code_system['title']}: all codes"
    return {
        **_head("ValueSet", identity, f"{code_system['name']}Codes", title, str(code_system["date"])),
        "version": code_system["version"],
        "description": f"Every code of {code_system['url']}.",
        "compose": {"include": [{"system": code_system["url"], "version": code_system["version"]}]},
    }


def build_score_profile(version: str, date: str) -> JsonObject:
    """Build the profile of one score: US Core's screening assessment, dated, a quantity, derived from a response.

    US Core asks that a derived answer names no performer but what it derives from.
    """
    elements: list[JsonObject] = [
        {
            "id": "Observation.code",
            "path": "Observation.code",
            "binding": {"strength": "required", "valueSet": f"{BASE}/ValueSet/score"},
        },
        {"id": "Observation.subject", "path": "Observation.subject", "min": 1},
        {
            "id": "Observation.effective[x]",
            "path": "Observation.effective[x]",
            "min": 1,
            "type": [{"code": "dateTime"}],
        },
        {"id": "Observation.performer", "path": "Observation.performer", "max": "0"},
        {"id": "Observation.value[x]", "path": "Observation.value[x]", "type": [{"code": "Quantity"}]},
        {
            "id": "Observation.derivedFrom",
            "path": "Observation.derivedFrom",
            "min": 1,
            "short": "The QuestionnaireResponse that the score was computed from",
        },
    ]
    return {
        **_head("StructureDefinition", "alliance-score", "AllianceScore", "Score of an alliance form", date),
        "version": version,
        "description": "One score computed from a QuestionnaireResponse: a number, or the reason why there is none.",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": "Observation",
        "baseDefinition": _PARENT,
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def build_plan(
    identity: str, title: str, schedule: Schedule, instruments: Iterable[Instrument], version: str, date: str
) -> JsonObject:
    """Build a schedule as PlanDefinition: at which sessions a site asks which of the forms.

    Sessions have no calendar in FHIR R4: the condition counts them, as `%session` from 1.
    """
    actions = [
        {"title": each.title, "definitionCanonical": each.canonical}
        for each in instruments
        if each.status != "retired"
    ]
    condition = {
        "kind": "applicability",
        "expression": {
            "description": f"{title}; %session is the number of the session, counted from 1",
            "language": "text/fhirpath",
            "expression": write_condition(schedule),
        },
    }
    name = "".join(part.capitalize() for part in identity.split("-"))
    return {
        **_head("PlanDefinition", identity, name, title, date),
        "version": version,
        "description": f"When the alliance is asked about: {title.lower()}. The site chooses among the forms.",
        "action": [
            {
                "title": title,
                "trigger": [{"type": "named-event", "name": "therapy-session"}],
                "condition": [condition],
                "selectionBehavior": "any",
                "action": actions,
            }
        ],
    }


def write_condition(schedule: Schedule) -> str:
    """Write a schedule as FHIRPath over `%session`."""
    first = " | ".join(map(str, schedule.first))
    last = schedule.first[-1]
    if schedule.every is None:
        return f"%session in ({first})"
    return f"%session in ({first}) or (%session > {last} and (%session - {last}) mod {schedule.every} = 0)"


def build_guide(resources: Iterable[tuple[str, JsonObject, bool]], version: str, date: str) -> JsonObject:
    """Build the ImplementationGuide that lists the package's resources, each with whether it is an example."""
    listed: list[JsonObject] = []
    for reference, resource, example in resources:
        entry: JsonObject = {
            "reference": {"reference": reference},
            "name": resource.get("title") or resource.get("preferredReportName") or reference,
            "exampleBoolean": example,
        }
        listed.append(entry)
    return {
        **_head(
            "ImplementationGuide",
            PACKAGE,
            "RapportInstruments",
            "Alliance instruments of Rapport",
            date,
        ),
        "version": version,
        "description": "Instruments, scores, ranges and schedules as Rapport uses them. Each form names its holder and licence.",
        "packageId": PACKAGE,
        "fhirVersion": ["4.0.1"],
        "dependsOn": [
            {
                "id": "uscore",
                "uri": "http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core",
                "packageId": US_CORE,
                "version": US_CORE_VERSION,
            }
        ],
        "definition": {"resource": listed},
    }


def _head(kind: str, identity: str, name: str, title: str, date: str) -> JsonObject:
    return {
        "resourceType": kind,
        "id": identity,
        "url": f"{BASE}/{kind}/{identity}",
        "name": name,
        "title": title,
        "status": "active",
        "experimental": False,
        "date": date,
        "publisher": _PUBLISHER,
    }
