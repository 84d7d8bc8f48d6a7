"""SMART scopes, versions 1 and 2: parse them, and narrow what an app asks for to what it is registered for. Pure.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

_RESOURCE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.([a-z*]+)(?:\?(.+))?")
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_ORDER = "cruds"
CONTEXT_SCOPES = (
    "launch",
    "launch/patient",
    "launch/encounter",
    "openid",
    "fhirUser",
    "profile",
    "online_access",
    "offline_access",
    "messaging/ui",
)


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """Which interactions (of c r u d s) on which resources, at which level, within which search filters."""

    level: str
    resource: str
    actions: frozenset[str]
    filters: frozenset[tuple[str, str]] = frozenset()

    def __str__(self) -> str:
        letters = "".join(letter for letter in _ORDER if letter in self.actions)
        query = "&".join(f"{name}={value}" for name, value in sorted(self.filters))
        return f"{self.level}/{self.resource}.{letters}{f'?{query}' if query else ''}"

    def covers(self, resource_type: str, action: str) -> bool:
        """Whether it speaks of this interaction on this type at all (its filters may still exclude resources)."""
        return self.resource in {"*", resource_type} and action in self.actions


@lru_cache(maxsize=1024)
def parse_scope(text: str) -> ResourceScope | None:
    """Read a resource scope in either syntax; None if it is not one."""
    found = _RESOURCE.fullmatch(text)
    if found is None:
        return None
    level, resource, letters, query = found.groups()
    letters = _VERSION_1.get(letters, letters)
    in_order = "".join(letter for letter in _ORDER if letter in letters)
    if letters != in_order:
        return None
    filters = frozenset(parse_qsl(query, keep_blank_values=True)) if query else frozenset()
    return ResourceScope(level, resource, frozenset(letters), filters)


def parse_scopes(text: str) -> tuple[ResourceScope, ...]:
    """Read the resource scopes of a space-separated list, leaving out the others."""
    return tuple(scope for each in text.split() if (scope := parse_scope(each)) is not None)


def narrow(requested: str, registered: Iterable[str], *, levels: frozenset[str]) -> str:
    """Give the part of `requested` that `registered` allows at these levels; empty if nothing is left.

    A scope that is allowed in full keeps its spelling, because apps compare; a narrowed one is written in version 2.
    """
    registered = tuple(registered)
    caps = tuple(scope for each in registered if (scope := parse_scope(each)) is not None)
    granted: dict[str, None] = {}
    for text in requested.split():
        scope = parse_scope(text)
        if scope is None:
            if text in CONTEXT_SCOPES and text in registered and "system" not in levels:
                granted[text] = None
        elif scope.level in levels:
            granted.update(dict.fromkeys(_meet(text, scope, caps)))
    return " ".join(granted)


def _meet(text: str, scope: ResourceScope, caps: tuple[ResourceScope, ...]) -> list[str]:
    parts: dict[tuple[str, frozenset[tuple[str, str]]], frozenset[str]] = {}
    for cap in caps:
        shared = scope.actions & cap.actions
        together = {scope.resource, cap.resource} - {"*"}
        if cap.level != scope.level or len(together) > 1 or not shared:
            continue
        key = (next(iter(together), "*"), scope.filters | cap.filters)
        parts[key] = parts.get(key, frozenset()) | shared
    if parts.get((scope.resource, scope.filters)) == scope.actions:
        return [text]
    return [str(ResourceScope(scope.level, *key[:1], actions, key[1])) for key, actions in parts.items()]
