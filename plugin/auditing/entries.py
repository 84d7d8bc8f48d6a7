"""What the trail says about one administration: how it came about, what was decided since, and who has looked."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit import Kind
from plugin.delivery.keep import Record
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.observations.build import full_url
from plugin.unfinished import reworded

MOST = 5_000
NOT_KNOWN = "not known"
AT_THE_COMMAND_LINE = " at the command line"

VIEWS = frozenset(
    {
        Kind.PATIENT_VIEWED,
        Kind.SUMMARY_GIVEN,
        Kind.NOTE_DRAFTED,
        Kind.RESPONSE_VIEWED,
        Kind.RECORD_SEARCHED,
        Kind.CASELOAD_VIEWED,
        Kind.NOTE_VIEWED,
        Kind.CARDS_GIVEN,
        Kind.RECORD_COMPARED,
        Kind.DELIVERIES_VIEWED,
        Kind.AUDIT_SEARCHED,
        Kind.CHAIN_VIEWED,
        Kind.REVIEW_VIEWED,
        Kind.EXPORTED,
        Kind.RESEARCH_EXPORTED,
    }
)
LISTS = frozenset({Kind.AUDIT_SEARCHED, Kind.REVIEW_VIEWED})
"""Views in which it stood in a list without answer or score."""
DECISIONS = frozenset(
    {
        Kind.DELIVERY_RETRIED,
        Kind.DELIVERY_RELEASED,
        Kind.DELIVERY_DISCARDED,
        Kind.RESPONSE_AMENDED,
        Kind.RESPONSE_VOIDED,
        Kind.RESPONSE_RESCORED,
    }
)
_OF_NOTES = (
    Kind.NOTE_WRITTEN,
    Kind.NOTE_DELIVERY,
    Kind.NOTE_VIEWED,
    Kind.DELIVERY_RETRIED,
    Kind.CHAIN_VIEWED,
)
# Kinds whose entries name no patient, so that they are not found by one.
_ELSEWHERE = (*DECISIONS, Kind.DELIVERIES_VIEWED, Kind.RECORD_COMPARED, Kind.REVIEW_VIEWED, Kind.EXPORTED)
# What is about everything there was at the time, this administration included.
_OF_ALL = frozenset({Kind.EXPORTED, Kind.RECORD_COMPARED})
# Whose entries name whatever was given: a search that did not name it did not give it.
_NAMING = frozenset({Kind.RECORD_SEARCHED, Kind.RESPONSE_VIEWED, Kind.CHAIN_VIEWED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the trail. `named`: it names the very response, not only the patient.

    `is_altered`: it does not open, so that nobody can tell what it names.
    """

    event: str
    when: datetime
    kind: str
    who: str
    succeeded: bool
    failure: str | None
    reason: str | None
    named: bool
    is_altered: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """Entries about one administration, oldest first; `whole` if none was left out for their number.

    `unnamed`: so many that tell of a device given back name no form, and may be about another administration.
    """

    entries: tuple[Entry, ...]
    whole: bool
    unnamed: int = 0

    def of(self, *kinds: str) -> tuple[Entry, ...]:
        """Give those of some kinds."""
        return tuple(each for each in self.entries if each.kind in kinds)


@dataclass(frozen=True, slots=True)
class Folded:
    """Entries of one kind by one person, told as one: how many, and the last day of them."""

    kind: str
    who: str
    many: int
    last: datetime


def fold(entries: Sequence[Entry], kinds: Collection[str]) -> tuple[tuple[Entry, ...], tuple[Folded, ...]]:
    """Give the entries that are of none of these kinds, as they came, and those that are, folded by kind and person.

    One that was altered, that failed or that has a reason stays by itself.
    """
    left: list[Entry] = []
    of: dict[tuple[str, str], list[Entry]] = {}
    for each in entries:
        is_plain = each.succeeded and not (each.is_altered or each.failure or each.reason)
        if each.kind in kinds and is_plain:
            of.setdefault((each.kind, each.who), []).append(each)
        else:
            left.append(each)
    return tuple(left), tuple(Folded(*by, len(own), own[-1].when) for by, own in of.items())


class _Event(msgspec.Struct, rename="camel"):
    agent: list[dict[str, Any]] = []
    entity: list[dict[str, Any]] = []
    outcome_desc: str | None = None
    purpose_of_event: list[dict[str, Any]] = []


_decoder = msgspec.json.Decoder(_Event)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_entries(connection: Connection, vault: Vault, record: Record) -> Account:
    """Read what the trail says about a response, and about its patient; an entry that was altered is among them, by its columns.

    What names another response of the patient, another's launch or invitation, or a note from before it, is not about this one. An entry of before
    that tells of a device given back without naming its form is told only where no other form was out.
    """
    site, patient, received = record.site, record.patient, record.received
    ids = _ids(connection, record)
    of_patient = (t.audit.c.patient == patient, t.audit.c.site == site)
    kinds = [str(each) for each in _ELSEWHERE]
    others = (t.audit.c.kind.in_(kinds), t.audit.c.patient.is_(None), t.audit.c.recorded >= received)
    found: list[Entry] = []
    whole, devices = True, _Devices(ids)
    for conditions in (of_patient, others):
        query = sa.select(t.audit).where(*conditions).order_by(t.audit.c.id.desc()).limit(MOST + 1)
        rows = connection.execute(query).all()
        whole = whole and len(rows) <= MOST
        found += _entries(vault, rows[:MOST][::-1], record, devices)
    return Account(tuple(sorted(found, key=lambda each: each.when)), whole, devices.unnamed)


@dataclass(frozen=True, slots=True)
class _Named:
    """Ids that an entry may name: of the response at hand, and of others of its patient; of launches apart."""

    own: set[str]
    others: set[str]
    own_launch: set[str]
    launches: set[str]

    def is_another(self, event: _Event) -> bool:
        """Tell whether an entry is about others alone. Of one launch several may be, so that it decides only by itself."""
        named = _ids_in(event)
        if named & (self.own | self.others):
            return not named & self.own
        return bool(named & self.launches) and not named & self.own_launch


def _ids_in(event: _Event) -> set[str]:
    return {each for reference in _references(event) for each in _ID.findall(reference)}


@dataclass
class _Devices:
    """Follows which forms of the patient are out on a device, as the trail tells it; entries come oldest first."""

    ids: _Named
    unnamed: int = 0
    _out: set[str] = field(default_factory=set)

    def is_another(self, row: Any, event: _Event) -> bool:
        """Tell whether an entry is about others alone, or may be."""
        forms = _ids_in(event) & (self.ids.own | self.ids.others)
        if row.kind == Kind.HAND_OVER and row.outcome == "0":
            self._out |= forms
        if row.kind != Kind.HAND_OVER_ENDED:
            return self.ids.is_another(event)
        if forms:
            self._out -= forms if row.outcome == "0" else set()
            return not forms & self.ids.own
        may_be_own, is_certain = bool(self._out & self.ids.own), len(self._out) == 1
        if may_be_own and not is_certain:
            self.unnamed += 1
        if is_certain and row.outcome == "0":
            self._out.clear()
        return not (may_be_own and is_certain)


def _ids(connection: Connection, record: Record) -> _Named:
    """Give the ids of a response, its Observations, its invitation and its launch, and those of the patient's others.

    A note that was written before it came cannot tell of it.
    """
    site, patient = record.site, record.patient
    known, note = t.response.c, t.note.c
    row = connection.execute(sa.select(known.invitation, known.launch).where(known.id == record.id)).first()
    invitation, launch = row or (None, None)
    own = {*_given_as(record), *(str(each) for each in (invitation,) if each)}
    own_launch = {str(each) for each in (launch,) if each}
    of_before = note.site == site, note.patient == patient, note.written < record.received
    earlier = map(str, connection.execute(sa.select(note.id).where(*of_before)).scalars())

    def of_patient(*tables: sa.Table) -> set[str]:
        found: set[str] = set()
        for table in tables:
            query = sa.select(table.c.id).where(table.c.site == site, table.c.patient == patient)
            found.update(map(str, connection.execute(query).scalars()))
        return found

    others = of_patient(t.response, t.invitation).union(earlier) - own
    return _Named(own, others, own_launch, of_patient(t.launch))


def read_note_entries(
    connection: Connection, vault: Vault, note: str, *, site: str, patient: str
) -> tuple[Entry, ...]:
    """Read what the trail says of a note, oldest first; what does not open cannot be told to be about it."""
    kinds = [str(each) for each in _OF_NOTES]
    of_patient = (t.audit.c.patient == patient, t.audit.c.site == site, t.audit.c.kind.in_(kinds))
    query = sa.select(t.audit).where(*of_patient).order_by(t.audit.c.id.desc()).limit(MOST)
    found = []
    for row in connection.execute(query).all()[::-1]:
        with suppress(SealBroken):
            event = _decoder.decode(vault.open("audit", row.event, row.sealed_resource))
            if note in _ids_in(event):
                found.append(_entry(row, event, named=True))
    return tuple(found)


def _given_as(record: Record) -> set[str]:
    """Give the ids by which a response, its Observations and their Provenance are given over the FHIR interface."""
    derived = (*record.results.identifiers, f"{record.id}/provenance")
    return {record.id, *(full_url(each).removeprefix("urn:uuid:") for each in derived)}


def _entries(vault: Vault, rows: Sequence[Any], record: Record, devices: _Devices) -> Iterator[Entry]:
    site, given = record.site, _given_as(record)
    for row in rows:
        try:
            event = _decoder.decode(vault.open("audit", row.event, row.sealed_resource))
        except SealBroken:
            if row.site in (None, site):
                yield _altered(row)
            continue
        named = not given.isdisjoint(_ids_in(event))
        if row.patient is None and not named and (row.kind not in _OF_ALL or row.site not in (None, site)):
            continue
        if devices.is_another(row, event) or (row.kind in DECISIONS and not named):
            continue
        if row.kind in VIEWS and row.recorded < record.received:
            continue  # nobody can have seen it then
        if row.kind in _NAMING and not named:
            continue
        yield _entry(row, event, named=named)


def _entry(row: Any, event: _Event, *, named: bool) -> Entry:
    return Entry(
        row.event,
        row.recorded,
        row.kind,
        _who(event),
        row.outcome == "0",
        None if event.outcome_desc is None else reworded(event.outcome_desc),
        next((each.get("text") for each in event.purpose_of_event), None),
        named,
    )


def _altered(row: Any) -> Entry:
    return Entry(
        str(row.event),
        row.recorded,
        str(row.kind),
        NOT_KNOWN,
        row.outcome == "0",
        "It was altered and does not open: whom and what it names cannot be told.",
        None,
        named=False,
        is_altered=True,
    )


def is_at_the_command_line(who: str) -> bool:
    """Tell whether an entry's actor is the user of a machine, whom no EHR knows as a person."""
    return who.endswith(AT_THE_COMMAND_LINE)


def _references(event: _Event) -> Iterator[str]:
    for each in event.entity:
        what = each.get("what")
        if isinstance(what, Mapping):
            yield str(what.get("reference", ""))


def _who(event: _Event) -> str:
    for each in event.agent:
        who = each.get("who")
        if each.get("requestor") and isinstance(who, Mapping):
            return str(who.get("reference") or who.get("display") or NOT_KNOWN)
    return "Rapport"
