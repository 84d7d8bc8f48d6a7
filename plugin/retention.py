"""Removes what a site keeps no longer (`[site.retention]`): some rows at a time, accounted for in log and trail like an erasure.

Nothing that is not in the EHR's record yet goes, nor a token that could still bring it there.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin import request_id
from plugin.access.invitations import InvitationState
from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.delivery.returning import waits_for_token
from plugin.delivery.states import DeliveryState
from plugin.erasure import RETENTION, Decision, clear_remains, erase_rows, new_id
from plugin.ledger import Ledger, change_rows
from plugin.ledger import tables as t
from plugin.ledger.schema import lock
from plugin.metrics import Metrics
from plugin.retention_settings import Retention

log = structlog.get_logger()

_PAUSE = 86_400.0  # seconds: an SQLite file is written anew each time, and writers wait
_AT_ONCE = 500  # rows of one table in one transaction: writers wait meanwhile
_ALWAYS_KEPT = tuple(
    each
    for each in Kind
    if each in {Kind.PATIENT_ERASED, Kind.RETENTION_APPLIED, Kind.CONFIGURATION_CHANGED}
    or each.value.startswith(("norm-", "review-"))
)
"""Entries that account for rows which stay."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to go now, by table: rows that are erased, and launches that only lose tokens and context."""

    rows: Mapping[str, list[object]] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[str]:
        """How many rows of which table, and how many launches lose their tokens."""
        counted = Counter({name: len(keys) for name, keys in self.rows.items() if keys})
        if self.emptied:
            counted["launch_token"] = len(self.emptied)
        return counted


def find_due(
    connection: Connection, site: str, kept: Retention, now: datetime, most: int | None = None
) -> Due:
    """Find what a site keeps no longer, at most `most` rows of each kind."""
    find = _Find(connection, site, now, most)
    rows: dict[str, list[object]] = {}
    emptied: list[str] = []
    if kept.answers is not None:
        rows.update(find.answers(kept.answers))
    if kept.attempts is not None:
        gone = set(rows.get("attempt", ()))
        rows["attempt"] = [*gone, *(each for each in find.attempts(kept.attempts) if each not in gone)]
    if kept.drafts is not None:
        known = set(rows.get("invitation", ()))
        rows["invitation"] = [*known, *(each for each in find.unsent(kept.drafts) if each not in known)]
    if kept.launches is not None:
        rows["launch"], emptied = find.launches(kept.launches)
    if kept.audit is not None:
        rows["audit"] = find.entries(kept.audit)
    return Due({name: keys for name, keys in rows.items() if keys}, tuple(emptied))


@dataclass(frozen=True, slots=True)
class _Find:
    connection: Connection
    site: str
    now: datetime
    most: int | None

    def _keys(self, column: sa.Column[str], *wanted: sa.ColumnElement[bool]) -> list[object]:
        query = sa.select(column).where(*wanted).order_by(column).limit(self.most)
        return list(self.connection.execute(query).scalars())

    def answers(self, age: timedelta) -> dict[str, list[object]]:
        """Find responses that were delivered long ago with all that hangs on them, and notes."""
        delivered = self._keys(
            t.delivery.c.response,
            t.delivery.c.site == self.site,
            t.delivery.c.state == DeliveryState.DELIVERED,
            t.delivery.c.delivered < self.now - age,
        )
        of_delivered = t.response.c.id.in_(delivered)
        invitations = sa.select(t.response.c.invitation).where(of_delivered)
        notes = self._keys(
            t.note.c.id,
            t.note.c.site == self.site,
            t.note.c.written < self.now - age,
            sa.exists().where(
                t.note_delivery.c.note == t.note.c.id, t.note_delivery.c.state == DeliveryState.DELIVERED
            ),
        )

        def hanging(table: sa.Table) -> list[object]:
            query = sa.select(table.c.id).where(table.c.response.in_(delivered))
            return list(self.connection.execute(query).scalars())

        return {
            "response": delivered,
            "delivery": delivered,
            "attempt": hanging(t.attempt),
            "revision": hanging(t.revision),
            "rescoring": hanging(t.rescoring),
            "invitation": self._keys(t.invitation.c.id, t.invitation.c.id.in_(invitations)),
            "note": notes,
            "note_delivery": notes,
        }

    def attempts(self, age: timedelta) -> list[object]:
        """Find tries that did not deliver what was delivered since: the one that did stays with its response."""
        return self._keys(
            t.attempt.c.id,
            t.attempt.c.finished < self.now - age,
            t.attempt.c.state != DeliveryState.DELIVERED,
            t.attempt.c.response.in_(
                sa.select(t.delivery.c.response).where(
                    t.delivery.c.site == self.site, t.delivery.c.state == DeliveryState.DELIVERED
                )
            ),
        )

    def unsent(self, age: timedelta) -> list[object]:
        """Find invitations, with their drafts, whose time was over long ago and that were not sent."""
        return self._keys(
            t.invitation.c.id,
            t.invitation.c.site == self.site,
            t.invitation.c.state != InvitationState.SUBMITTED,
            t.invitation.c.expires < self.now - age,
        )

    def launches(self, age: timedelta) -> tuple[list[object], list[str]]:
        """Find launches that ended long ago: those that can go, and those that say who measured, which lose their tokens."""
        launch, due = t.launch, self.now - age
        ended = (
            launch.c.site == self.site,
            (launch.c.expires < due) | (launch.c.ended < due),
            ~waits_for_token(launch.c.site, launch.c.patient),
        )
        needed = (
            sa.exists().where(t.invitation.c.launch == launch.c.id)
            | sa.exists().where(t.response.c.site == launch.c.site, t.response.c.patient == launch.c.patient)
            | sa.exists().where(t.note.c.launch == launch.c.id)
        )
        has_tokens = sa.func.length(launch.c.sealed_context) > 0
        emptied = self._keys(launch.c.id, *ended, needed, has_tokens)
        return self._keys(launch.c.id, *ended, ~needed), [str(each) for each in emptied]

    def entries(self, age: timedelta) -> list[object]:
        """Find old entries about patients of whom nothing else is kept."""
        audit = t.audit
        stands = [
            sa.exists().where(table.c.site == audit.c.site, table.c.patient == audit.c.patient)
            for table in (t.response, t.note, t.invitation, t.launch)
        ]
        return self._keys(
            audit.c.id,
            audit.c.site == self.site,
            audit.c.patient.is_not(None),
            audit.c.recorded < self.now - age,
            audit.c.kind.not_in(_ALWAYS_KEPT),
            *(~each for each in stands),
        )


class _NothingDue(Exception):
    """There is nothing (any more)."""


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """Removes what is due at every site, when it is told to, or once a day. `who` stands in the trail."""

    ledger: Ledger
    trail: Trail
    clock: Clock
    kept: Mapping[str, Retention]
    metrics: Metrics
    who: str = RETENTION

    async def run(self) -> None:
        """Look once a day until cancelled."""
        while True:
            try:
                await self.sweep()
            except sa.exc.SQLAlchemyError as error:
                log.error("retention", error=type(error).__name__)  # noqa: TRY400 -- a message may hold data
            await asyncio.sleep(_PAUSE)

    async def sweep(self) -> dict[str, Counter[str]]:
        """Remove what is due, one process at a time; gives how many rows of which table went, by site."""
        request_id.begin()
        asked = {site: kept for site, kept in self.kept.items() if kept.removes_something}
        if not asked:
            return {}
        done = {site: Counter[str]() for site in asked}
        async with self.ledger.alone("retention"):
            for site, kept in asked.items():
                while counts := await self._some(site, kept):
                    done[site] += counts
            if any(done.values()):
                await self.ledger.apart(clear_remains)
        return {site: counts for site, counts in done.items() if counts}

    async def count(self) -> dict[str, Counter[str]]:
        """Count what a sweep would remove. What goes with launches or entries only after the rest is not foreseen."""
        now = self.clock()
        return {
            site: found
            for site, kept in self.kept.items()
            if (found := await self.ledger.read(_counting(site, kept, now)))
        }

    async def _some(self, site: str, kept: Retention) -> Counter[str]:
        now, identity, why = self.clock(), new_id(), f"Kept as long as [site.retention] of {site} says"
        entry = self.trail.entry(
            Kind.RETENTION_APPLIED,
            Actor(display=self.who),
            site=site,
            about=(f"urn:uuid:{identity}",),
            reason=why,
        )

        def remove(connection: Connection) -> Counter[str]:
            lock(connection, "log")
            due = find_due(connection, site, kept, now, _AT_ONCE)
            if not due.counts:
                raise _NothingDue
            emptied = (t.launch.c.id.in_(due.emptied),)
            change_rows(connection, t.launch, emptied, {"sealed_context": b""})
            decision = Decision(site, "", self.who, why)  # of no one patient
            erase_rows(connection, self.ledger.vault, decision, due.rows, identity, now)
            return due.counts

        if not await self.ledger.read(_counting(site, kept, now, 1)):
            return Counter()
        try:
            counts = await self.ledger.write(remove, entry)
        except _NothingDue:
            return Counter()
        for name, many in counts.items():
            self.metrics.erased.labels(site, name).inc(many)
        log.info("retention.applied", site=site, **counts)
        return counts


def _counting(
    site: str, kept: Retention, now: datetime, most: int | None = None
) -> Callable[[Connection], Counter[str]]:
    return lambda connection: find_due(connection, site, kept, now, most).counts
