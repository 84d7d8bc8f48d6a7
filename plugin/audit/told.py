"""Reads what an entry of the trail tells beside the data: the other side of `plugin.audit.shape.details`."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Detail(msgspec.Struct, rename="camel"):
    """One name with its text (AuditEvent.entity.detail)."""

    type: str
    value_string: str = ""


class Entity(msgspec.Struct):
    """What an entry is about, or what it tells of it."""

    what: Mapping[str, object] = {}
    detail: list[Detail] = []


class Told(msgspec.Struct):
    """An AuditEvent as far as its entities go."""

    entity: list[Entity] = []

    @property
    def details(self) -> list[tuple[str, str]]:
        """Give all names and texts, in their order."""
        return [(each.type, each.value_string) for entity in self.entity for each in entity.detail]


class Acted(Told, rename="camel"):
    """An AuditEvent as far as it also tells who acted, and how it failed."""

    agent: list[dict[str, Any]] = []
    outcome_desc: str | None = None

    @property
    def requestor(self) -> str:
        """Name who asked for it, by reference or else by name; "" where nobody is named."""
        who = next((each.get("who") for each in self.agent if each.get("requestor")), None) or {}
        return str(who.get("reference") or who.get("display") or "")
