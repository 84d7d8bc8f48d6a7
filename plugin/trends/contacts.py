"""Reads a patient's contacts out of the record's Encounters: which number a session has, and whether it was by video. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import msgspec

JsonObject = dict[str, object]

_HELD = {"arrived", "in-progress", "finished"}  # Encounter.status of contacts that take or took place
_IN_PERSON = {"AMB", "HH"}  # v3-ActCode: ambulatory, home health
_VIRTUAL = "VR"  # v3-ActCode: virtual


@dataclass(frozen=True, slots=True)
class Contact:
    """One session that takes or took place. `start` as the EHR writes it, `day` None where that cannot be read."""

    reference: str
    start: str
    day: date | None
    virtual: bool


@dataclass(frozen=True, slots=True)
class Contacts:
    """All sessions that the record tells of, oldest first."""

    held: tuple[Contact, ...] = ()

    def number_of(self, reference: str) -> int | None:
        """Tell which session this is, counted from 1; None if it is none of them."""
        return next((place for place, each in enumerate(self.held, 1) if each.reference == reference), None)

    def was_virtual(self, reference: str | None, day: date) -> bool | None:
        """Tell whether a form belongs to a session by video; None where the record does not say.

        By its encounter; without one by the day, if all sessions of that day were of one kind.
        """
        named = next((each for each in self.held if each.reference == reference), None)
        if named is not None:
            return named.virtual
        kinds = {each.virtual for each in self.held if each.day == day}
        return kinds.pop() if len(kinds) == 1 else None


class _Coding(msgspec.Struct):
    code: str = ""


class _Period(msgspec.Struct):
    start: str | None = None


class _Encounter(msgspec.Struct, rename={"contact_class": "class"}):
    contact_class: _Coding = msgspec.field(default_factory=_Coding)
    period: _Period = msgspec.field(default_factory=_Period)
    id: str = ""
    status: str = ""


def read_contacts(encounters: Iterable[JsonObject]) -> Contacts:
    """Give the sessions among Encounters; what cannot be read, was not held or is of another kind is left out."""
    held = []
    for raw in encounters:
        try:
            found = msgspec.convert(raw, _Encounter)
        except msgspec.ValidationError:
            continue
        code, start = found.contact_class.code, found.period.start
        if found.status in _HELD and start and (code in _IN_PERSON or code == _VIRTUAL):
            held.append(Contact(f"Encounter/{found.id}", start, _day(start), code == _VIRTUAL))
    return Contacts(tuple(sorted(held, key=lambda each: each.start)))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
