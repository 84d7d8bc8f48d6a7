"""SMART scopes, versions 1 and 2: what a token may do.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

_RESOURCE_SCOPE = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(?:(read|write|\*)|(?=[cruds])(c?r?u?d?s?))(?:\?(.+))?"
)
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


class Level(StrEnum):
    """Whose data a scope reaches: one patient's, what the user may see, or what the system may."""

    PATIENT = "patient"
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One scope on resources: `patient/Observation.rs?category=survey`."""

    level: Level
    type: str  # resource type, or * for all
    interactions: str  # of "cruds", in that order
    query: tuple[tuple[str, str], ...] = ()  # every one must hold (granular scopes)

    def describe(self) -> str:
        """Say it in English."""
        doing = ", ".join(_WORDS[letter] for letter in self.interactions)
        kind = "any resource" if self.type == "*" else self.type
        where = " and ".join(f"{name} is {value}" for name, value in self.query)
        whose = {
            Level.PATIENT: "of the patient in context",
            Level.USER: "that the user may reach",
            Level.SYSTEM: "that the system may reach",
        }[self.level]
        return f"{doing} {kind} {whose}" + (f", where {where}" if where else "")


@dataclass(frozen=True, slots=True)
class Scopes:
    """Scopes that were granted (or asked for); what is not understood allows nothing and is kept in `other`."""

    resources: tuple[ResourceScope, ...] = ()
    other: tuple[str, ...] = ()  # openid, fhirUser, launch/patient ...

    @classmethod
    def parse(cls, text: str) -> "Scopes":
        """Read a space-separated scope string; never fails."""
        resources: list[ResourceScope] = []
        other: list[str] = []
        for word in text.split():
            scope = _parse_resource_scope(word)
            if scope is None:
                other.append(word)
            else:
                resources.append(scope)
        return cls(tuple(resources), tuple(other))

    def allows(
        self, resource_type: str, interactions: str, *, level: Level | str | None = None, **having: str
    ) -> bool:
        """Tell whether every interaction (letters of "cruds") on a type is granted, at one level or at any.

        `having` says what is true of the resource meant, by search parameter (`category="survey"`, or
        `"system|survey"`). Without it only scopes without a restriction count.
        """
        return bool(interactions) and all(
            any(
                letter in scope.interactions
                and scope.type in {"*", resource_type}
                and level in {None, scope.level}
                and _satisfied(scope.query, having)
                for scope in self.resources
            )
            for letter in interactions
        )

    def may(self, resource_type: str, interaction: str) -> bool:
        """Tell whether asking can succeed: some resource of this type may be reached, whatever it must be like."""
        return any(
            interaction in scope.interactions and scope.type in {"*", resource_type}
            for scope in self.resources
        )

    def __contains__(self, word: str) -> bool:
        return word in self.other

    def describe(self) -> tuple[str, ...]:
        """Say each resource scope in English."""
        return tuple(scope.describe() for scope in self.resources)


def _parse_resource_scope(word: str) -> ResourceScope | None:
    found = _RESOURCE_SCOPE.fullmatch(word)
    if found is None:
        return None
    level, kind, version_1, version_2, query = found.groups()
    restrictions = tuple(parse_qsl(query, keep_blank_values=True)) if query else ()
    if query and (not restrictions or version_1):
        return None  # a restriction that is not understood must not widen the grant
    letters = _VERSION_1[version_1] if version_1 else version_2
    return ResourceScope(Level(level), kind, letters, restrictions)


def _satisfied(query: tuple[tuple[str, str], ...], having: dict[str, str]) -> bool:
    return all(
        name in having and any(_same_token(value, having[name]) for value in values.split(","))
        for name, values in query
    )


def _same_token(granted: str, asked: str) -> bool:
    """Compare two FHIR tokens `system|code`; a side without a system speaks of the code alone."""
    granted_system, _, granted_code = granted.rpartition("|")
    asked_system, _, asked_code = asked.rpartition("|")
    return granted_code == asked_code and (
        not granted_system or not asked_system or granted_system == asked_system
    )
