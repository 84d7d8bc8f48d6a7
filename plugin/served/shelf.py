"""What is kept of one patient, as FHIR resources with addresses of their own.

The ids are those by which the resources know each other before an EHR gives them others, so they never change.
References to the EHR's people and encounters become absolute: they are not ours.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.keep import Record, open_what_opens
from plugin.delivery.revising import as_far_as_they_open
from plugin.delivery.writers import OBSERVATION, PROVENANCE, RESPONSE, forwarded
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.observations.build import full_url
from questionnaires.datatypes import read_decimal

AUDIT = "AuditEvent"
_AT_A_TIME = 200  # entries of the trail
TYPES = (RESPONSE, OBSERVATION, PROVENANCE, AUDIT)
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50


@dataclass(frozen=True, slots=True)
class Among:
    """What a column of the trail says of every entry that can meet a search: one of these, or a time between (None: open)."""

    column: str
    values: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def condition(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Write it for a query."""
        column = table.c[self.column]
        if self.values:
            return column.in_(self.values)
        after = sa.true() if self.since is None else column >= self.since
        return after if self.until is None else after & (column <= self.until)


@dataclass(frozen=True)
class Kept:
    """One resource: when it came, who answered (None for audit entries), and by which kind of rater.

    It is opened and decoded when it is first looked into.
    """

    kind: str
    id: str
    updated: datetime
    open: Callable[[], dict[str, Any]]
    source: str | None = None
    rater: str | None = None
    is_altered: bool = False  # known beforehand not to open

    def open_now(self) -> None:
        """Open it here rather than where it is shown: a thread's work, not the event loop's. SealBroken as below."""
        self.resource  # noqa: B018

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The resource with its own id. SealBroken if what is kept was altered."""
        return self.open()


def read_shelf(
    connection: Connection,
    vault: Vault,
    site: str,
    patient: str,
    kind: str,
    home: str,
    among: tuple[Among, ...] = (),
    *,
    ahead: bool = True,
) -> Iterator[Kept]:
    """Read all resources of one kind about a patient, in the order in which they came. `home`: the EHR's FHIR base.

    Of entries of the trail those that `among` leaves, which spares reading and opening the others. With `ahead` what they hold
    is read with them, else when one is opened: most of a long trail is only counted.

    They come one by one while the connection is open; entries of the trail are not held in memory.
    """
    if kind == AUDIT:
        yield from _audit(connection, vault, site, patient, home, among, ahead=ahead)
        return
    rows = connection.execute(
        sa.select(t.response)
        .where(t.response.c.site == site, t.response.c.patient == patient)
        .order_by(t.response.c.received, t.response.c.id)
    )
    records = as_far_as_they_open(connection, vault, (open_what_opens(row, vault) for row in rows))
    for record in records:
        yield from (_altered(record, kind),) if record.altered else served(record, kind, home)


def _altered(record: Record, kind: str) -> Kept:
    """Stand for the resources of a record whose row was altered: it is counted, and does not open."""

    def refuse() -> dict[str, Any]:
        raise SealBroken(record.altered[0].rstrip("."))

    return Kept(kind, record.id, record.received, refuse, record.source, record.rater, is_altered=True)


def served(record: Record, kind: str, home: str) -> tuple[Kept, ...]:
    """Give a record's resources of one kind."""
    results = record.results
    observations = dict(zip(results.identifiers, (results.panel, *results.scores), strict=True))
    addresses = {full_url(record.id): f"{RESPONSE}/{record.id}"}
    addresses |= {full_url(each): f"{OBSERVATION}/{_uuid(each)}" for each in observations}
    bodies: dict[str, dict[str, bytes]] = {
        RESPONSE: {record.id: forwarded(record)},
        OBSERVATION: {_uuid(each): body for each, body in observations.items()},
        PROVENANCE: {_uuid(f"{record.id}/provenance"): results.provenance},
    }
    return tuple(
        Kept(
            kind,
            own_id,
            record.revised or record.received,
            partial(_with_id, body, own_id, record.revised or record.received, addresses, home),
            record.source,
            record.rater,
        )
        for own_id, body in bodies[kind].items()
    )


def _audit(
    connection: Connection,
    vault: Vault,
    site: str,
    patient: str,
    home: str,
    among: tuple[Among, ...],
    *,
    ahead: bool,
) -> Iterator[Kept]:
    held = t.audit.c.sealed_resource if ahead else sa.null()
    query = (
        sa.select(t.audit.c.event, t.audit.c.recorded, held)
        .where(t.audit.c.site == site, t.audit.c.patient == patient)
        .where(*(each.condition(t.audit) for each in among))
        .order_by(t.audit.c.id)
        .execution_options(yield_per=_AT_A_TIME)
    )

    def open_entry(event: str, recorded: datetime, sealed: bytes | None) -> dict[str, Any]:
        if sealed is None:
            own = sa.select(t.audit.c.sealed_resource).where(t.audit.c.event == event)
            sealed = connection.execute(own).scalar_one()
        return _with_id(vault.open("audit", event, sealed), event, recorded, {}, home, trail=True)

    for event, recorded, sealed in connection.execute(query):
        yield Kept(AUDIT, event, recorded, partial(open_entry, event, recorded, sealed))


def _with_id(
    body: bytes,
    own_id: str,
    updated: datetime,
    addresses: Mapping[str, str],
    home: str,
    *,
    trail: bool = False,
) -> dict[str, Any]:
    def place(reference: str) -> str:
        # Entries of the trail speak of our own resources by our own ids.
        is_own = trail and reference.partition("/")[0] in TYPES
        return reference if is_own else _place(reference, addresses, home)

    resource = _placed(_decoder.decode(body), place)
    meta = {**resource.pop("meta", {}), "lastUpdated": updated.isoformat(timespec="milliseconds")}
    kind = resource.pop("resourceType")
    resource.pop("id", None)
    return {"resourceType": kind, "id": own_id, "meta": meta, **resource}


def _placed(value: Any, place: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_placed(each, place) for each in value]
    if not isinstance(value, dict):
        return value
    placed = {name: _placed(each, place) for name, each in value.items()}
    reference = placed.get("reference")
    if isinstance(reference, str):
        placed["reference"] = place(reference)
    return placed


def _place(reference: str, addresses: Mapping[str, str], home: str) -> str:
    if reference in addresses:
        return addresses[reference]
    is_relative = not reference.startswith("#") and ":" not in reference
    return f"{home}/{reference}" if is_relative else reference


def _uuid(identifier: str) -> str:
    return full_url(identifier).removeprefix("urn:uuid:")
