"""The courier: takes notes that are due to the record, one after the other, and says how each ended.

As the delivery worker does for responses: a lease, a look into the record before anything is sent a second time, an audit entry an
attempt. Notes are few and written by hand, so that one at a time is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import sqlalchemy as sa
import structlog

from plugin.audit import Actor, Kind, Trail
from plugin.audit.facts import written
from plugin.audit.trail import Clock
from plugin.delivery.notes import Note, SentNote, claim_note, finish_note, read_note
from plugin.delivery.outbox import Claimed, Outcome
from plugin.delivery.reacting import held, puzzle, react
from plugin.delivery.states import DeliveryState
from plugin.delivery.worker import Destination, NoToken, NoWriter
from plugin.ehr import EhrError
from plugin.ledger import Ledger
from plugin.ledger.away import cause_of

_log = structlog.get_logger()
_IDLE = 5.0  # seconds between looks; a note that was just written wakes the courier
SendNote = Callable[[Note, bool], Awaitable[str]]
"""Writes a note into its record, looking for it first if asked to; gives its reference there."""


class NoteCourier:
    """Delivers notes for ever. Several may share a PostgreSQL ledger."""

    def __init__(
        self,
        ledger: Ledger,
        trail: Trail,
        send: SendNote,
        clock: Clock,
        destinations: Mapping[str, Destination],
    ) -> None:
        self._ledger = ledger
        self._trail = trail
        self._send = send
        self._clock = clock
        self._destinations = destinations
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that a note is due now."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then is due again when its lease ends, and looked for first."""
        while True:
            self._wake.clear()
            try:
                while await self.deliver_one():
                    pass
            except sa.exc.SQLAlchemyError as error:
                _log.error("note.database", error=cause_of(error))
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the waking.
                async with asyncio.timeout(_IDLE):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def deliver_one(self, only: str | None = None) -> bool:
        """Try the note that is due longest (or one, if it is due); False if there is none."""
        now = self._clock()
        claimed = await self._ledger.bookkeep(lambda connection: claim_note(connection, now, only))
        if claimed is None:
            return False
        outcome = await self._attempt(claimed)
        await self._finish(claimed, outcome)
        _log.info("note", note=claimed.note.id, site=claimed.note.site, state=str(outcome.state))
        return True

    async def _finish(self, claimed: SentNote, outcome: Outcome) -> None:
        note, location = claimed.note, next(iter(outcome.locations), None)
        delivered = outcome.state is DeliveryState.DELIVERED
        audit = self._trail.entry(
            Kind.NOTE_DELIVERY,
            Actor(display="Delivery worker"),
            site=note.site,
            patient=note.patient,
            about=(f"DocumentReference/{note.id}", *outcome.locations),
            server=self._destinations[note.site].address,
            failure=None if delivered else f"{outcome.state}: {outcome.detail}",
            details=written({"attempt": claimed.attempts}),
        )
        await self._ledger.write(
            lambda connection: finish_note(
                connection, claimed, outcome.state, outcome.detail, outcome.due, location
            ),
            audit,
        )

    async def _attempt(self, claimed: SentNote) -> Outcome:
        note = claimed.note
        pace = self._destinations[note.site].pace
        work = Claimed(note.id, note.site, note.patient, note.launch, claimed.attempts, claimed.attempts)
        try:
            vault = self._ledger.vault
            whole = await self._ledger.read(lambda connection: read_note(connection, vault, note.id))
            location = await self._send(whole.note, claimed.attempts > 1)
        except NoToken as error:
            return held(str(error), self._clock())
        except NoWriter as error:
            return Outcome(DeliveryState.REFUSED, str(error), self._clock())
        except EhrError as error:
            return react(error, work, pace, self._clock())
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 -- last rim: one note must not stop the others
            return puzzle(error, work, pace, self._clock())
        return Outcome(DeliveryState.DELIVERED, "", self._clock(), (location,))
