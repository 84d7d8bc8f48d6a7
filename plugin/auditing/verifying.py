"""Verification of the whole ledger beside the serving: one at a time, half of the time resting, with an end."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin.audit import Actor, Kind, Trail
from plugin.audit.leaves import LOGGED, key_of
from plugin.audit.told import Acted
from plugin.ledger import AuditRow, Ledger, Vault
from plugin.ledger import tables as t
from plugin.ledger.reading import ReadingLedger
from plugin.unfinished import reworded, why_unfinished
from plugin.verify import Finding, Progress, Verifier

_log = structlog.get_logger()

MOST_KEPT = 100
MOST_LOOKED_FOR = 50  # verifications
LONGEST = 3600.0  # seconds
_LONGEST_REST = 0.5
_WHERE = re.compile(rf"^(audit entry|{'|'.join((*LOGGED, 'launch', 'invitation'))}) ([A-Za-z0-9\-]+)")
# Rows that name no site belong to one that does.
_OWNERS = {"attempt": t.response, "revision": t.response, "rescoring": t.response, "sign_off": t.review}
_BEGUN, _LOOKED_AT, _FOUND = "begun", "looked at", "found"


class _Stopped(Exception):
    """The process ends, or it has taken too long."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a verification found. `ended` is False while it goes on, or where it was cut off. `elsewhere`: of other sites."""

    when: datetime
    who: str
    ended: bool
    problem: str | None
    looked_at: str
    many: int
    kept: tuple[tuple[str, str], ...]  # flaw, where and what
    elsewhere: int
    with_ehr: bool = False  # whether the site's EHR was looked at, too


@dataclass
class LedgerVerification:
    """Verifies the ledger of one process when somebody asks. `open_verifier` gives a fresh verifier of a vault."""

    reading: ReadingLedger
    ledger: Ledger
    trail: Trail
    open_verifier: Callable[[], Verifier]
    longest: float = LONGEST
    _task: "asyncio.Task[None] | None" = field(default=None, init=False)
    _progress: Progress = field(default_factory=Progress, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)

    @property
    def under_way(self) -> tuple[int, int] | None:
        """How many of how many rows have been looked at; None if none is under way in this process."""
        if self._task is None or self._task.done():
            return None
        return self._progress.done, self._progress.total

    async def start(self, actor: Actor, site: str) -> bool:
        """Begin one, with its entry in the trail; False if one is under way."""
        if self.under_way is not None:
            return False
        self._stop.clear()
        self._progress = Progress()
        begun = self.trail.entry(
            Kind.LEDGER_VERIFIED, actor, site=site, details=((_BEGUN, "the whole ledger"),)
        )
        # Taken before anything is awaited: a second request finds it.
        self._task = asyncio.get_running_loop().create_task(self._run(actor, site, begun))
        return True

    async def stop(self) -> None:
        """End the one that is under way, if any."""
        self._stop.set()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def finished(self) -> None:
        """Wait until none is under way."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self, actor: Actor, site: str, begun: AuditRow) -> None:
        await self.ledger.record(begun)
        failure = None
        found: list[tuple[str, str]] = []
        many = 0
        try:
            many, found = await self.reading.read(self._verify)
        except _Stopped:
            failure = "It was stopped before its end: the process ended, or it took too long"
        except Exception as error:  # noqa: BLE001 -- last rim of a task: the trail must tell that it failed
            _log.error("verification failed", problem=type(error).__name__)
            failure = f"It failed ({why_unfinished(error)})"
        await self.ledger.record(
            self.trail.entry(
                Kind.LEDGER_VERIFIED,
                actor,
                site=site,
                failure=failure,
                details=outcome(self._progress, many, found),
            )
        )

    def _verify(self, connection: Connection) -> tuple[int, list[tuple[str, str]]]:
        begun = last = time.monotonic()

        def rest() -> None:
            nonlocal last
            now = time.monotonic()
            if self._stop.is_set() or now - begun > self.longest:
                raise _Stopped
            if self._stop.wait(min(now - last, _LONGEST_REST)):
                raise _Stopped
            last = time.monotonic()

        self._progress.told = rest
        many = 0
        kept: list[tuple[str, str]] = []
        for finding in self.open_verifier().verify(connection, self._progress):
            many += 1
            if len(kept) < MOST_KEPT:
                kept.append(said_of(finding))
        return many, kept


def outcome(
    progress: Progress, many: int, kept: Sequence[tuple[str, str]], *, beside: str = ""
) -> tuple[tuple[str, str], ...]:
    """Give the details of the entry that tells what a verification found; `beside`: what else was looked at."""
    counts = ", ".join(f"{many} {name}" for name, many in progress.counts().items()).replace("_", " ")
    if progress.not_looked_at:
        counts += "; not at sealed tokens and drafts, which this database role may not read"
    return ((_LOOKED_AT, f"{counts}{beside}"), (_FOUND, str(many)), *kept[:MOST_KEPT])


def said_of(finding: Finding) -> tuple[str, str]:
    """Write a finding as the trail keeps it."""
    return str(finding.flaw), f"{finding.where}: {finding.what}"


_decoder = msgspec.json.Decoder(Acted)


def read_last_runs(connection: Connection, vault: Vault, site: str) -> tuple[Run, ...]:
    """Read what the last verification found, as the trail tells it, but for rows of other sites.

    If it left this site's EHR alone, the last one that did not comes after it, looked for among the last MOST_LOOKED_FOR.
    """
    rows = connection.execute(
        sa.select(t.audit)
        .where(t.audit.c.kind == str(Kind.LEDGER_VERIFIED))
        .order_by(t.audit.c.id.desc())
        .limit(MOST_LOOKED_FOR)
    )
    found: list[Run] = []
    for row in rows:
        run = _read_run(connection, vault, site, row)
        if not found or run.with_ehr:
            found.append(run)
        if run.with_ehr:
            break
    return tuple(found)


def _read_run(connection: Connection, vault: Vault, site: str, row: sa.Row[Any]) -> Run:
    event = _decoder.decode(vault.open("audit", row.event, row.sealed_resource))
    details = event.details
    named = dict(details)
    found = [each for each in details if each[0] not in {_BEGUN, _LOOKED_AT, _FOUND}]
    own = [each for each in found if _is_of(connection, site, each[1])]
    looked_at = named.get(_LOOKED_AT, "")
    return Run(
        when=row.recorded,
        who=event.requestor or "not known",
        ended=_BEGUN not in named,
        problem=None if event.outcome_desc is None else reworded(event.outcome_desc),
        looked_at=looked_at,
        many=int(named.get(_FOUND, "0")),
        kept=tuple(own),
        elsewhere=len(found) - len(own),
        with_ehr=looked_at.endswith(beside_ehr(site)),
    )


def beside_ehr(site: str) -> str:
    """Write that a site's EHR was looked at, too."""
    return f", and the EHR of {site}"


def _is_of(connection: Connection, site: str, text: str) -> bool:
    """Tell whether a finding is of this site, or of none."""
    found = _WHERE.match(text)
    if found is None:
        return True
    kind, row = found[1].replace("audit entry", "audit"), found[2]
    table = t.metadata.tables[kind]
    key = LOGGED[kind].key if kind in LOGGED else "id"
    owner = _OWNERS.get(kind)
    if owner is not None:
        query = sa.select(owner.c.site).join(table, table.c[owner.name] == owner.c.id)
    elif "site" in table.c:
        query = sa.select(table.c.site)
    else:
        return True  # of the installation as a whole
    wanted = key_of(kind, row)
    if wanted is None:
        return True
    known = connection.execute(query.where(table.c[key] == wanted)).scalar()
    return not known or known == site
