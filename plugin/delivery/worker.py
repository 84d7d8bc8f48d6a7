"""The worker: takes due deliveries from the outbox, writes each into its record, notes how it ended."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import structlog

from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.delivery import outbox
from plugin.delivery.keep import Record, read_kept
from plugin.delivery.outbox import Claimed, DeliveryState, Outcome
from plugin.delivery.writers import Written
from plugin.ehr import (
    BadAnswer,
    EhrError,
    EhrRefused,
    EhrUnavailable,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    TokenRefused,
)
from plugin.ledger import Ledger

log = structlog.get_logger()

_IN_FLIGHT = 8
_LONGEST_PAUSE = timedelta(minutes=10)
_HELD_PAUSE = timedelta(minutes=15)
_IDLE_POLL = 1.0  # seconds; new work wakes the worker at once


class NoToken(Exception):
    """No token that may write this record is at hand; `args[0]` says what would bring one."""


class NoWriter(Exception):
    """The EHR takes neither answers nor results; `args[0]` says what it declares."""


class Sender(Protocol):
    """Writes a record into its EHR with a token of its own finding; NoToken and NoWriter besides the EHR's errors."""

    def __call__(self, claimed: Claimed, record: Record) -> Awaitable[Written]:
        """Write one record."""


class DeliveryWorker:
    """Delivers for ever. Several workers may share a PostgreSQL ledger; on SQLite there is one."""

    def __init__(
        self, ledger: Ledger, trail: Trail, send: Sender, clock: Clock, name_site: Callable[[str], str]
    ) -> None:
        self._ledger = ledger
        self._trail = trail
        self._send = send
        self._clock = clock
        self._name_site = name_site
        self._owner = str(uuid.uuid4())
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Say that something is due now."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is in flight then stays leased and is taken up again."""
        try:
            while True:
                self._wake.clear()
                free = _IN_FLIGHT - len(self._running)
                claimed = await self._claim(free) if free else ()
                for each in claimed:
                    task = asyncio.create_task(self._deliver(each))
                    self._running.add(task)
                    task.add_done_callback(self._one_done)
                if not claimed or len(self._running) >= _IN_FLIGHT:
                    await self._pause()
        finally:
            running = tuple(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _claim(self, limit: int) -> tuple[Claimed, ...]:
        now = self._clock()
        return await self._ledger.bookkeep(
            lambda connection: outbox.claim(connection, self._owner, now, limit)
        )

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), _IDLE_POLL)
        except TimeoutError:
            return

    def _one_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery.failed", error=type(error).__name__)  # its lease ends, and it is tried again

    async def _deliver(self, claimed: Claimed) -> None:
        started = self._clock()
        record = await self._ledger.read(
            lambda connection: read_kept(connection, self._ledger.vault, claimed.response)
        )
        outcome = await self._attempt(claimed, record)
        failure = None if outcome.state is DeliveryState.DELIVERED else f"{outcome.state}: {outcome.detail}"
        audit = self._trail.entry(
            Kind.DELIVERY,
            Actor(display="Delivery worker"),
            site=claimed.site,
            patient=claimed.patient,
            about=(f"QuestionnaireResponse/{claimed.response}",),
            server=self._name_site(claimed.site),
            failure=failure,
        )
        finished = self._clock()
        await self._ledger.write(
            lambda connection: outbox.finish(connection, claimed, self._owner, started, finished, outcome),
            audit,
        )
        log.info(
            "delivery",
            response=claimed.response,
            site=claimed.site,
            state=str(outcome.state),
            attempt=claimed.attempts,
        )

    async def _attempt(self, claimed: Claimed, record: Record) -> Outcome:
        try:
            written = await self._send(claimed, record)
        except NoToken as error:
            return self._later(DeliveryState.HELD, str(error), _HELD_PAUSE)
        except NoWriter as error:
            return Outcome(DeliveryState.REFUSED, str(error), self._clock())
        except EhrError as error:
            return self._react(claimed, error)
        detail = "; ".join(written.left_out)
        return Outcome(DeliveryState.DELIVERED, detail, self._clock(), written.locations)

    def _react(self, claimed: Claimed, error: EhrError) -> Outcome:
        pause = back_off(claimed.attempts)
        match error:
            case TokenRefused():
                return self._later(DeliveryState.HELD, "The EHR did not accept the sign-in", _HELD_PAUSE)
            case OutcomeUnknown() | BadAnswer():
                return self._later(DeliveryState.UNKNOWN, str(error), pause)
            case EhrUnavailable(retry_after=seconds):
                asked = timedelta(seconds=seconds or 0)
                return self._later(DeliveryState.SAVED, str(error), max(pause, asked))
            case NotPermitted() | EhrRefused() | NotFound():
                return Outcome(DeliveryState.REFUSED, str(error), self._clock())
            case _:
                return self._later(DeliveryState.SAVED, str(error), pause)

    def _later(self, state: DeliveryState, detail: str, pause: timedelta) -> Outcome:
        return Outcome(state, detail, self._clock() + pause)


def back_off(attempts: int) -> timedelta:
    """Give a random pause of up to 2, 4, 8 ... seconds, ten minutes at most (full jitter, at least half a second)."""
    ceiling = min(2.0 ** min(attempts, 20), _LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=random.uniform(0.5, ceiling))  # noqa: S311 -- spreads retries, guards nothing
