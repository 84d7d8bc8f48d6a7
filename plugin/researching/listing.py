"""Lists a site's research exports as the trail tells them, for auditors: no person in them is named."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from plugin.audit.told import Acted
from plugin.auditing.proving import Proof, Prover
from plugin.ledger import SealBroken, Vault
from plugin.researching.earlier import DESPITE, EXPORT, FIRST, KEPT, LAST, entries_of
from plugin.researching.made import DIGEST, Made, read_made
from plugin.unfinished import reworded

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Export:
    """One export: what was asked for, and how it ended. `made` and `failure` are None where the trail tells no end.

    `who` is empty where the entry does not open. Exports of earlier versions tell no days or no end.
    """

    begun: datetime
    who: str
    why: str
    days: tuple[date, date] | None
    keep: str | None  # the column that was emptied last, where one was named
    made: Made | None
    despite: tuple[str, ...]  # kinds of a Doubt, which were asked about first
    digest: str | None  # SHA-256 of administrations.csv
    failure: str | None
    proofs: tuple[Proof, ...]  # of its entries, the first one first


class _Event(Acted, rename="camel"):
    purpose_of_event: list[dict[str, Any]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry with what it tells; an entry that does not open tells nothing, and its proof says so."""

    recorded: datetime
    event: str
    told: _Event
    details: dict[str, str]

    @property
    def export(self) -> str:
        return self.details.get(EXPORT, self.event)


_decoder = msgspec.json.Decoder(_Event)


def list_exports(connection: Connection, vault: Vault, prover: Prover, site: str) -> tuple[Export, ...]:
    """List the latest exports of a site, newest first, MOST_LISTED at most; each entry is held against the log."""
    rows = connection.execute(entries_of(site, 3 * MOST_LISTED))  # an export has two entries
    ends: dict[str, _Entry] = {}
    found: list[Export] = []
    for row in rows:
        entry = _read(vault, row.event, row.recorded, row.sealed_resource)
        if not _is_beginning(entry):
            ends[entry.export] = entry
            continue
        end = ends.pop(entry.export, None)
        proofs = tuple(
            prover.prove(connection, vault, "audit", each.event) for each in (entry, end) if each is not None
        )
        found.append(_export(entry, end, proofs))
        if len(found) == MOST_LISTED:
            break
    return tuple(found)


def _read(vault: Vault, event: str, recorded: datetime, sealed: bytes) -> _Entry:
    try:
        told = _decoder.decode(vault.open("audit", event, sealed))
    except SealBroken:
        told = _Event()
    return _Entry(recorded, event, told, dict(told.details))


def _is_beginning(entry: _Entry) -> bool:
    """Tell what an export begins with from what it ends with, which tells of rows or of a failure."""
    return read_made(entry.details) is None and entry.told.outcome_desc is None


def _export(entry: _Entry, end: _Entry | None, proofs: tuple[Proof, ...]) -> Export:
    days = None
    if FIRST in entry.details and LAST in entry.details:
        days = date.fromisoformat(entry.details[FIRST]), date.fromisoformat(entry.details[LAST])
    why = next((str(each.get("text", "")) for each in entry.told.purpose_of_event), "")
    return Export(
        begun=entry.recorded,
        who=entry.told.requestor,
        why=why if days is None else why.rpartition(" (")[0],  # its days stand beside it
        days=days,
        keep=entry.details.get(KEPT),
        made=None if end is None else read_made(end.details),
        despite=() if end is None else tuple(end.details.get(DESPITE, "").split()),
        digest=None if end is None else end.details.get(DIGEST),
        failure=None if end is None or end.told.outcome_desc is None else reworded(end.told.outcome_desc),
        proofs=proofs,
    )
