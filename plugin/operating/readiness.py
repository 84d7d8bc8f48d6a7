"""Whether this process can do its work: its parts by name, and which of them fails. Nothing more is told to outsiders."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.engine import Connection

from plugin.audit.trail import Clock
from plugin.ledger import Ledger, insert_row
from plugin.ledger.away import cause_of
from plugin.ledger.schema import HEAD, version_of
from plugin.ledger.tables import throttle

log = structlog.get_logger()

_PATIENCE = 3.0  # seconds for a part to answer
_OWN_ROW = "readiness"  # the row that the check writes; keys of real throttles are digests

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Each part with whether it works."""

    parts: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        """Whether all of them do."""
        return all(self.parts.values())


async def examine(checks: Mapping[str, Check]) -> Readiness:
    """Ask every part at the same time; one that does not answer, or breaks, is not ready. Why stands in the log."""
    answers = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
    return Readiness(dict(zip(checks, answers, strict=True)))


async def _ask(name: str, check: Check) -> bool:
    try:
        works = await asyncio.wait_for(check(), _PATIENCE)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the part does not work
        log.warning("not-ready", part=name, error=cause_of(error))
        return False
    if not works:
        log.warning("not-ready", part=name)
    return works


def can_write(ledger: Ledger, clock: Clock) -> Check:
    """Check that something can be written and committed: a full disk still reads."""

    def note(connection: Connection) -> None:
        connection.execute(throttle.delete().where(throttle.c.key == _OWN_ROW))
        insert_row(connection, throttle, {"key": _OWN_ROW, "since": clock(), "tries": 0})

    async def check() -> bool:
        await ledger.bookkeep(note)
        return True

    return check


def is_current(ledger: Ledger) -> Check:
    """Check that the database's schema is the one this software needs."""

    async def check() -> bool:
        return await ledger.read(version_of) == HEAD

    return check


def told_by(answer: Callable[[], bool]) -> Check:
    """Check by a question that is answered at once."""

    async def check() -> bool:
        return answer()

    return check
