"""What one access token may do with resources: its scopes and its patient, as conditions on the store. Pure."""

from dataclasses import dataclass

from sandbox_ehr.errors import refuse
from sandbox_ehr.fhir.parameters import PARAMETERS, SHARED
from sandbox_ehr.fhir.query import (
    NOTHING_MORE,
    Condition,
    both,
    compile_condition,
    either,
    in_compartment,
    in_no_other_compartment,
)
from sandbox_ehr.scopes import ResourceScope

_WORDS = {"c": "create", "r": "read", "u": "update", "s": "search"}


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of a token: its scopes, the patient in its context (an id), its client and user for the log."""

    scopes: tuple[ResourceScope, ...]
    patient: str | None
    client_id: str
    user: str | None = None

    def can(self, resource_type: str, action: str) -> bool:
        """Whether any resource of this type can be reached by this interaction."""
        return bool(self._applying(resource_type, action))

    def condition(self, resource_type: str, action: str, base: str) -> Condition:
        """What a resource must meet to be created, read, updated or found; FhirRefused 403 if none can be."""
        applying = self._applying(resource_type, action)
        if not applying:
            text = f"The granted scopes do not allow to {_WORDS[action]} {resource_type} resources."
            raise refuse(403, "forbidden", text)
        return either(*(self._limit(scope, resource_type, action, base) for scope in applying))

    def _applying(self, resource_type: str, action: str) -> list[ResourceScope]:
        return [
            scope
            for scope in self.scopes
            if scope.covers(resource_type, action)
            and not (scope.level == "patient" and not self._patient_level(resource_type, action))
        ]

    def _patient_level(self, resource_type: str, action: str) -> bool:
        return self.patient is not None and not (resource_type in SHARED and action in "cu")

    def _limit(self, scope: ResourceScope, resource_type: str, action: str, base: str) -> Condition:
        # A filter by a parameter that the type does not have lets nothing of that type through.
        conditions = [
            compile_condition(resource_type, name, value, base)
            if name in PARAMETERS[resource_type]
            else Condition("0")
            for name, value in sorted(scope.filters)
        ]
        if scope.level == "patient" and self.patient is not None and resource_type not in SHARED:
            conditions.append(in_compartment(resource_type, self.patient))
            if action in "cu":
                conditions.append(in_no_other_compartment(resource_type, self.patient))
        return both(*conditions) if conditions else NOTHING_MORE
