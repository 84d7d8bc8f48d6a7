"""Reads a patient's contacts out of the record's Encounters: a session's number, whether by video, who was there. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

import msgspec

from plugin.days import day_of, day_written
from plugin.trends.agreement import SAME_SESSION

JsonObject = dict[str, object]

_HELD = {"arrived", "in-progress", "finished"}  # Encounter.status of contacts that take or took place
_IN_PERSON = {"AMB", "HH", "FLD"}  # v3-ActCode: ambulatory, home health, in the field (a school, outreach)
_VIRTUAL = "VR"  # v3-ActCode: virtual


@dataclass(frozen=True, slots=True)
class Contact:
    """One session that takes or took place. `start` as the EHR writes it, `day` None where that cannot be read.

    `ended` is the day of its end, None where the record tells of none. `carers` are the RelatedPersons that the record names as taking part; `names_people` tells whether it names anybody.
    """

    reference: str
    start: str
    day: date | None
    virtual: bool
    carers: tuple[str, ...] = ()
    names_people: bool = False
    ended: date | None = None


@dataclass(frozen=True, slots=True)
class Contacts:
    """All sessions that the record tells of, oldest first."""

    held: tuple[Contact, ...] = ()
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _by_day: Mapping[date, tuple[Contact, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the sessions once: every score of a history asks for its own."""
        places: dict[str, int] = {}
        days: dict[date, tuple[Contact, ...]] = {}
        for place, each in enumerate(self.held, 1):
            places.setdefault(each.reference, place)
            if each.day is not None:
                days[each.day] = (*days.get(each.day, ()), each)
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_by_day", days)

    def number_of(self, reference: str) -> int | None:
        """Tell which session this is, counted from 1; None if it is none of them."""
        return self._places.get(reference)

    def number_in(self, reference: str | None, day: date) -> int | None:
        """Tell which session a form of a day belongs to: the one that it names, else the only one of its day."""
        held = self.of(reference, day)
        return self.number_of(held[0].reference) if len(held) == 1 else None

    def only_day(self, reference: str | None) -> date | None:
        """Give the day of a session that began and ended on one; None for a stay, a series, and one that has no end yet."""
        found = self._named(reference)
        return found.day if found is not None and found.day == found.ended else None

    def goes_on(self, reference: str | None, today: date) -> bool:
        """Tell whether a session is known to last over days: a stay, a series, one that was begun days ago and has no end."""
        found = self._named(reference)
        if found is None or found.day is None:
            return False
        return found.ended != found.day if found.ended else found.day + SAME_SESSION < today

    def is_another(self, reference: str | None, session: str | None) -> bool:
        """Tell whether a form that names `reference` is of another session than this one, be it on the same day."""
        known = session is not None and reference is not None and reference in self._places
        return known and reference != session

    def was_virtual(self, reference: str | None, day: date) -> bool | None:
        """Tell whether a form belongs to a session by video; None where the record does not say.

        By its encounter; without one by the day, if all sessions of that day were of one kind.
        """
        kinds = {each.virtual for each in self.of(reference, day)}
        return kinds.pop() if len(kinds) == 1 else None

    def had_carer(self, reference: str | None, day: date) -> bool | None:
        """Tell whether somebody who looks after the child took part in a form's session; None where the record does not say."""
        told = {bool(each.carers) for each in self.of(reference, day) if each.names_people}
        return told.pop() if len(told) == 1 else None

    def of(self, reference: str | None, day: date) -> tuple[Contact, ...]:
        """Give the session that a form names; without one that is known, those of its day."""
        found = self._named(reference)
        return (found,) if found is not None else self._by_day.get(day, ())

    def _named(self, reference: str | None) -> Contact | None:
        place = self._places.get(reference or "")
        return self.held[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class ThisSession:
    """The session that a chart is opened for: its Encounter, if it has one, and the site's `today`."""

    contacts: Contacts
    encounter: str | None
    today: date
    zone: tzinfo

    def has(self, encounter: str | None, when: datetime) -> bool:
        """Tell whether a form that names `encounter`, if any, belongs to it.

        By the Encounter: its form may be answered at home, on the evening before or the day after. One that goes on for days
        counts by its days, as does everything without an Encounter on either side; a form that names another session of
        the record is none of this one.
        """
        if self.contacts.is_another(encounter, self.encounter):
            return False
        is_named = encounter is not None and encounter == self.encounter
        if is_named and not self.contacts.goes_on(encounter, self.today):
            return True
        return day_of(when, self.zone) == (self.contacts.only_day(self.encounter) or self.today)


class _Coding(msgspec.Struct):
    code: str = ""


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


class _Reference(msgspec.Struct):
    reference: str = ""


class _Participant(msgspec.Struct):
    individual: _Reference = msgspec.field(default_factory=_Reference)


class _Encounter(msgspec.Struct, rename={"contact_class": "class"}):
    contact_class: _Coding = msgspec.field(default_factory=_Coding)
    period: _Period = msgspec.field(default_factory=_Period)
    id: str = ""
    status: str = ""
    participant: tuple[_Participant, ...] = ()


def read_contacts(encounters: Iterable[JsonObject], zone: tzinfo) -> Contacts:
    """Give the sessions among Encounters, their days by the site's zone.

    What cannot be read, was not held or is of another kind is left out.
    """
    held = []
    for raw in encounters:
        try:
            found = msgspec.convert(raw, _Encounter)
        except msgspec.ValidationError:
            continue
        code, start = found.contact_class.code, found.period.start
        if found.status in _HELD and start and (code in _IN_PERSON or code == _VIRTUAL):
            people = tuple(
                each.individual.reference for each in found.participant if each.individual.reference
            )
            carers = tuple(each for each in people if each.startswith("RelatedPerson/"))
            reference = f"Encounter/{found.id}"
            day = day_written(start, zone)
            ended = day_written(found.period.end, zone)
            held.append(Contact(reference, start, day, code == _VIRTUAL, carers, bool(people), ended))
    return Contacts(tuple(sorted(held, key=lambda each: (_began(each.start, zone), each.start))))


def _began(text: str, zone: tzinfo) -> datetime:
    """Say when a session began, to put them in order: a day, month or year at its beginning, what cannot be read last."""
    try:
        moment = datetime.fromisoformat(text + "0000-01-01"[len(text) :])
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
