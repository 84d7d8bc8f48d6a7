"""What becomes true by the passing of time: invitations whose time is over are closed, with an entry in the trail.

Refusals that were counted only get the entry that says how many they were.

Browser sessions and begun launches that are over go, whatever a site keeps for how long: anybody begins them, and they hold
nothing that anybody would look for.

Tokens of ended launches that were still needed at their end go back to the EHR.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin import request_id
from plugin.access.invitations import Invitation, expired_invitations, mark_expired
from plugin.access.launches import forget_begun
from plugin.access.sessions import forget_sessions
from plugin.access.throttle import forget_refusals, unwritten_refusals
from plugin.access.unsaved import forget_unsaved
from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.delivery.returning import TokenReturn
from plugin.ledger import Ledger

log = structlog.get_logger()

MOST_BEGUN = 50_000
"""Begun launches that wait for sign-ins in browsers in which nobody has signed in, some 1.1 KB each with their sessions (SQLite).

The oldest go first: a limit by address would let one machine behind a hospital's lock out everybody in it.
"""
_PAUSE = 60.0  # seconds
_AT_ONCE = 500  # rows in one transaction: writers wait meanwhile


class _DoneAlready(Exception):
    """Another process closed it."""


class Housekeeping:
    """Looks once a minute."""

    def __init__(
        self,
        ledger: Ledger,
        trail: Trail,
        clock: Clock,
        returning: TokenReturn,
        most_begun: int = MOST_BEGUN,
    ) -> None:
        self._ledger = ledger
        self._trail = trail
        self._clock = clock
        self._returning = returning
        self._most_begun = most_begun

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            try:
                await self.sweep()
                await self._returning.sweep()
            except sa.exc.SQLAlchemyError as error:
                log.error("housekeeping", error=type(error).__name__)  # noqa: TRY400 -- a message may hold data
            await asyncio.sleep(_PAUSE)

    async def sweep(self) -> int:
        """Close every invitation whose time is over; gives how many. What is left of sign-ins goes, too."""
        request_id.begin()
        await self._forget_sign_ins()
        vault, now = self._ledger.vault, self._clock()
        found = await self._ledger.read(lambda connection: expired_invitations(connection, vault, now))
        for key, more in await self._ledger.read(lambda connection: unwritten_refusals(connection, now)):
            await self._tell_refusals(key, more)
        return sum([await self._expire(each, whole=whole) for each, whole in found])

    async def _forget_sign_ins(self) -> None:
        now: datetime = self._clock()
        after: str | None = ""
        await self._ledger.bookkeep(partial(forget_begun, now=now, most=self._most_begun))
        await self._ledger.bookkeep(partial(forget_unsaved, now=now))
        while after is not None:
            after = await self._ledger.bookkeep(partial(forget_sessions, now=now, after=after, most=_AT_ONCE))

    async def _tell_refusals(self, key: str, more: int) -> None:
        def forget(connection: Connection) -> None:
            if not forget_refusals(connection, key, more):
                raise _DoneAlready

        entry = self._trail.entry(
            Kind.ACCESS_REFUSED,
            Actor(display="Unknown"),
            failure=f"{more} more from one address within about ten minutes: counted, not written down one by one",
        )
        with suppress(_DoneAlready):
            await self._ledger.write(forget, entry)

    async def _expire(self, found: Invitation, *, whole: bool) -> bool:
        def close(connection: Connection) -> None:
            if not mark_expired(connection, found.id):
                raise _DoneAlready

        entry = self._trail.entry(
            Kind.INVITATION_EXPIRED,
            Actor(display="Rapport, by the time set for it"),
            site=found.site if whole else None,
            patient=found.patient if whole else None,
            about=(f"urn:uuid:{found.id}",),
            reason=None if whole else "Its row was altered in the database",
        )
        try:
            await self._ledger.write(close, entry)
        except _DoneAlready:
            return False
        return True
