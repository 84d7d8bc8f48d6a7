"""Checks resources on their way in: FHIR structure (R4B models), required codes, and JSON that FHIR does not allow."""

import re
from collections.abc import Iterator
from decimal import Decimal

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from sandbox_ehr.errors import FhirRefused, Issue, refuse
from sandbox_ehr.fhir.dates import to_interval
from sandbox_ehr.fhir.json_text import JsonObject, children, quote
from sandbox_ehr.fhir.parameters import PARAMETERS, TYPES

REQUIRED_CODES: dict[str, dict[str, frozenset[str]]] = {
    name: {element: frozenset(codes.split()) for element, codes in elements.items()}
    for name, elements in {
        "Observation": {
            "status": "registered preliminary final amended corrected cancelled entered-in-error unknown"
        },
        "QuestionnaireResponse": {"status": "in-progress completed amended entered-in-error stopped"},
        "Questionnaire": {"status": "draft active retired unknown"},
        "PlanDefinition": {"status": "draft active retired unknown"},
        "Encounter": {
            "status": "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
        },
        "DocumentReference": {
            "status": "current superseded entered-in-error",
            "docStatus": "preliminary final amended entered-in-error",
        },
        "Medication": {"status": "active inactive entered-in-error"},
        "MedicationStatement": {
            "status": "active completed entered-in-error intended stopped on-hold unknown not-taken"
        },
        "MedicationRequest": {
            "status": "active on-hold cancelled completed entered-in-error stopped draft unknown",
            "intent": "proposal plan order original-order reflex-order filler-order instance-order option",
        },
        "Consent": {"status": "draft proposed active rejected inactive entered-in-error"},
        "EpisodeOfCare": {"status": "planned waitlist active onhold finished cancelled entered-in-error"},
        "Device": {"status": "active inactive entered-in-error unknown"},
        "Patient": {"gender": "male female other unknown"},
        "Group": {"type": "person animal practitioner device medication substance"},
        "RelatedPerson": {"gender": "male female other unknown"},
        "Practitioner": {"gender": "male female other unknown"},
        "AuditEvent": {"action": "C R U D E", "outcome": "0 4 8 12"},
    }.items()
}
"""Required bindings of the types we hold (https://hl7.org/fhir/R4/valuesets.html): the models do not check them."""

_TEXTS = (
    *("authored", "authoredOn", "birthDate", "date", "effectiveDateTime", "effectiveInstant", "end"),
    *("issued", "recorded", "resourceType", "start"),
    *("valueCode", "valueDate", "valueDateTime", "valueString", "valueUri"),
)
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "valueInteger": (int,),
    "valueDecimal": (int, Decimal),
    "valueBoolean": (bool,),
    **dict.fromkeys(_TEXTS, (str,)),
}
_LEAP_SECOND = re.compile(r"(?<=T\d\d:\d\d:)60(?=[.Z+-])", re.ASCII)
_PYTHON = re.compile(r"Value is expected from the instance of (\w+), but got type .*")


def check_resource(resource: JsonObject, expected: str) -> None:
    """FhirRefused if it is not a sound resource of the expected type: 400 for the type, 422 with all issues else."""
    found = resource.get("resourceType")
    if found not in TYPES:
        text = f"resourceType is {quote(found)}, which this server does not hold."
        raise refuse(400, "not-supported", text)
    if found != expected:
        raise refuse(400, "invalid", f"resourceType is {found}, expected {expected}.", "resourceType")
    issues = [*_check_json(resource, expected), *_check_codes(resource, expected)]
    if not issues:
        issues = [*_check_structure(resource, expected), *_check_invariants(resource, expected)]
    issues = issues or list(_check_dates(resource, expected))
    if issues:
        raise FhirRefused(422, *issues)


def _check_json(value: object, path: str) -> Iterator[Issue]:
    """Find nulls, empties and wrong JSON types, which the models let pass."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}"
            if inner is None or inner in ("", [], {}):
                yield Issue("structure", "FHIR has no null and no empty values: leave the element out.", here)
            elif key in _JSON_TYPES and not _is_one_of(inner, _JSON_TYPES[key]):
                yield Issue("structure", f"{key} has the wrong JSON type.", here)
            elif key.startswith("value") and isinstance(inner, dict) and "value" in inner and "unit" in inner:
                if not _is_one_of(inner["value"], (int, Decimal)):
                    yield Issue("structure", "A quantity's value is a JSON number.", f"{here}.value")
            else:
                yield from _check_json(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _check_json(inner, f"{path}[{index}]")


def _is_one_of(value: object, types: tuple[type, ...]) -> bool:
    return type(value) in types


def _check_codes(resource: JsonObject, resource_type: str) -> Iterator[Issue]:
    for element, codes in REQUIRED_CODES.get(resource_type, {}).items():
        value = resource.get(element)
        if value is not None and not (isinstance(value, str) and value in codes):
            text = f"{element} is {quote(value)}, expected one of {', '.join(sorted(codes))}."
            yield Issue("code-invalid", text, f"{resource_type}.{element}")


def _check_structure(resource: JsonObject, resource_type: str) -> Iterator[Issue]:
    try:
        get_fhir_model_class(resource_type).model_validate(_without_leap_seconds(resource))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            yield Issue("structure", _words(each["msg"]), _path(resource_type, each["loc"]))
    except (TypeError, ValueError, AttributeError, KeyError, LookupError, RecursionError):
        # The models trip over some odd shapes instead of refusing them.
        yield Issue("structure", f"This is no {resource_type} as FHIR defines it.", resource_type)


def _without_leap_seconds(value: object) -> object:
    """Give a copy that the models can read: they know no second 60, which FHIR allows."""
    if isinstance(value, dict):
        return {key: _without_leap_seconds(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_leap_seconds(each) for each in value]
    return _LEAP_SECOND.sub("59", value) if isinstance(value, str) else value


def _words(message: str) -> str:
    """Say it without the words of Python."""
    found = _PYTHON.fullmatch(message)
    return f"A {found[1]} is expected, as a JSON object." if found else message.removeprefix("Value error, ")


def _check_dates(resource: JsonObject, resource_type: str) -> Iterator[Issue]:
    """Find what the store could not be searched by."""
    paths = {
        path
        for parameter in PARAMETERS[resource_type].values()
        if parameter.kind == "date"
        for path in parameter.paths
    }
    for path in sorted(paths):
        for found in children(resource, *path):
            texts = (
                [found] if not isinstance(found, dict) else children(found, "start") + children(found, "end")
            )
            for text in texts:
                if not _is_date(text):
                    place = ".".join((resource_type, *path))
                    yield Issue("value", f"{quote(text)} is not a date of the calendar.", place)


def _is_date(text: object) -> bool:
    try:
        to_interval(text if isinstance(text, str) else "")
    except (ValueError, OverflowError):
        return False
    return True


def _check_invariants(resource: JsonObject, resource_type: str) -> Iterator[Issue]:
    absent = resource_type == "Observation" and "dataAbsentReason" in resource
    if absent and any(key.startswith("value") for key in resource):
        text = "obs-6: dataAbsentReason is only allowed where there is no value."
        yield Issue("invariant", text, "Observation.dataAbsentReason")


def _path(resource_type: str, location: tuple[int | str, ...]) -> str:
    named = (step for step in location if step != "root")  # what the models call the value itself
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in named)
    return f"{resource_type}{steps}"
