"""The worker: takes due deliveries from the outbox, writes each into its record, notes how it ended."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin import request_id
from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.delivery import outbox
from plugin.delivery.account import attempts_of
from plugin.delivery.gate import Gate
from plugin.delivery.keep import Record
from plugin.delivery.outbox import LEASE, Claimed, Outcome, Room
from plugin.delivery.reacting import exhausted, held, puzzle, react, with_remedy
from plugin.delivery.revising import read_current
from plugin.delivery.states import TRIED, DeliveryState
from plugin.delivery.writers import Written
from plugin.ehr import EhrError, EhrUnavailable, Heard, OutcomeUnknown
from plugin.ledger import Ledger
from plugin.ledger.away import AWAY, cause_of
from plugin.metrics import Metrics
from plugin.pace import DEFAULT_PACE, Pace

log = structlog.get_logger()
T = TypeVar("T")

_DATABASE_PAUSE = 1.0  # seconds
_IN_FLIGHT = 16  # at all sites together
_SET_BACK = timedelta(minutes=1)  # a clock that goes back so far is not being adjusted, but was wrong
_IDLE_POLL = 1.0  # seconds; new work wakes the worker at once
_STALLED = 60.0  # seconds without a turn of the loop after which it is taken for dead
_RENEWAL = LEASE.total_seconds() / 3
NEVER_TAKEN = "Entered in error, and the EHR never took it: it does not stand in the record."
GRACE = timedelta(seconds=5)  # for what is in flight when the worker is asked to stop


class NoToken(Exception):
    """No token that may write this record is at hand; `args[0]` says what would bring one."""


class NoWriter(Exception):
    """The EHR takes neither answers nor results; `args[0]` says what it declares."""


class Sender(Protocol):
    """Writes a record into its EHR with a token of its own finding; NoToken and NoWriter besides the EHR's errors."""

    def __call__(self, claimed: Claimed, record: Record, heard: Heard) -> Awaitable[Written]:
        """Write one record; `heard` keeps what is answered, however it ends."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What the worker knows of a site: its address (for the trail), its writers in words, its pace."""

    address: str
    writers: str = ""
    pace: Pace = DEFAULT_PACE


class DeliveryWorker:
    """Delivers for ever. Several workers may share a PostgreSQL ledger; on SQLite there is one."""

    def __init__(
        self,
        ledger: Ledger,
        trail: Trail,
        send: Sender,
        clock: Clock,
        destinations: Mapping[str, Destination],
        metrics: Metrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._trail = trail
        self._send = send
        self._clock = clock
        self._destinations = destinations
        self._gate = Gate({site: each.pace for site, each in destinations.items()})
        self._metrics = metrics or Metrics()
        self._last_turn = time.monotonic()
        self._latest = clock()  # when work was looked for last
        self._owner = str(uuid.uuid4())
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: dict[asyncio.Task[None], Claimed] = {}

    @property
    def lives(self) -> bool:
        """Whether it looks for work, and has not been asked to stop."""
        return not self._stopping and time.monotonic() - self._last_turn < _STALLED

    def wake(self) -> None:
        """Say that something is due now."""
        self._wake.set()

    def stop(self) -> None:
        """Ask it to begin nothing more, to finish what is in flight if that is quick, and to end `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver until stopped or cancelled; what is not finished then is handed back, to be looked up first."""
        renewing = asyncio.create_task(self._renew_leases())
        try:
            while not self._stopping:
                self._wake.clear()
                self._last_turn = time.monotonic()
                for each in await self._claim():
                    self._begin(each)
                await self._pause()
            if self._running:
                await asyncio.wait(tuple(self._running), timeout=GRACE.total_seconds())
        finally:
            renewing.cancel()
            await self._hand_back()

    async def _claim(self) -> tuple[Claimed, ...]:
        now = self._clock()
        under_way = tuple(each.response for each in self._running.values())
        free = _IN_FLIGHT - len(self._running)
        room = self._gate.room(now)
        if not room or free <= 0:
            return ()

        was_set_back = now < self._latest - _SET_BACK

        def take(connection: Connection) -> tuple[Claimed, ...]:
            taken: list[Claimed] = []
            if was_set_back:
                outbox.hasten(connection, now)
            for site, many in room.items():
                limit = min(many, free - len(taken))
                if limit > 0:
                    since = now - self._destinations[site].pace.order_kept_for
                    taken += outbox.claim(connection, self._owner, now, site, Room(limit, since, under_way))
            return tuple(taken)

        try:
            taken = await self._ledger.bookkeep(take)
        except sa.exc.SQLAlchemyError as error:
            log.error("delivery.database", error=cause_of(error))  # noqa: TRY400 -- a message may hold data
            return ()
        self._latest = now
        return taken

    def _begin(self, claimed: Claimed) -> None:
        self._gate.begin(claimed.site)
        task = asyncio.create_task(self._deliver(claimed))
        self._running[task] = claimed
        task.add_done_callback(self._one_done)

    async def _pause(self) -> None:
        # Until something is due or done; a little while if only the rate of a site keeps it from being sent.
        try:
            await asyncio.wait_for(self._wake.wait(), _IDLE_POLL)
        except TimeoutError:
            return

    def _one_done(self, task: asyncio.Task[None]) -> None:
        claimed = self._running.pop(task)
        self._gate.end(claimed.site)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery.failed", error=type(error).__name__)  # its lease ends, and it is tried again

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL)
            own = tuple(each.response for each in self._running.values())
            now = self._clock()
            try:
                await self._ledger.bookkeep(
                    lambda connection, own=own, now=now: outbox.renew(connection, self._owner, own, now)  # type: ignore[misc]
                )
            except sa.exc.SQLAlchemyError as error:
                log.error("delivery.database", error=cause_of(error))  # noqa: TRY400 -- a message may hold data

    async def _hand_back(self) -> None:
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        now = self._clock()
        await self._ledger.bookkeep(lambda connection: outbox.hand_back(connection, self._owner, now))

    async def _deliver(self, claimed: Claimed) -> None:
        request_id.begin()
        started, begun = self._clock(), time.perf_counter()
        outcome = exhausted(claimed, started) or await self._attempt_and_listen(claimed)
        destination = self._destinations[claimed.site]
        failure = None if outcome.state is DeliveryState.DELIVERED else f"{outcome.state}: {outcome.detail}"
        audit = self._trail.entry(
            Kind.DELIVERY,
            Actor(display="Delivery worker"),
            site=claimed.site,
            patient=claimed.patient,
            about=(f"QuestionnaireResponse/{claimed.response}", *outcome.locations),
            server=destination.address,
            failure=failure,
        )
        finished = self._clock()
        await self._once_it_answers(
            lambda: self._ledger.write(
                lambda connection: outbox.finish(
                    connection, claimed, self._owner, started, finished, outcome, writer=destination.writers
                ),
                audit,
            ),
            # Whoever holds the lease by then decides: noting it late does no harm.
            patience=None,
        )
        self._metrics.delivery.labels(claimed.site).observe(time.perf_counter() - begun)
        self._metrics.attempts.labels(claimed.site, str(outcome.state)).inc()
        log.info(
            "delivery",
            response=claimed.response,
            site=claimed.site,
            state=str(outcome.state),
            attempt=claimed.attempts,
        )

    async def _attempt_and_listen(self, claimed: Claimed) -> Outcome:
        heard = Heard()
        outcome = await self._attempt(claimed, heard)
        known = outcome.status or heard.status(good=outcome.state is DeliveryState.DELIVERED)
        due = outcome.due
        if outcome.state in TRIED and heard.status(good=True) is not None:  # some of it stands there
            due = max(due, self._clock() + self._destinations[claimed.site].pace.settling)
        return replace(outcome, status=known, answer=str(heard), due=due)

    async def _attempt(self, claimed: Claimed, heard: Heard) -> Outcome:
        pace, sent = self._destinations[claimed.site].pace, 0
        try:
            record = await self._once_it_answers(
                lambda: self._ledger.read(
                    lambda connection: read_current(connection, self._ledger.vault, claimed.response)
                ),
                patience=LEASE / 3,
            )
            sent = record.revision
            if record.voided and not record.locations and await self._was_never_taken(claimed):
                return Outcome(DeliveryState.DISCARDED, NEVER_TAKEN, self._clock(), revision=sent)
            written = await self._send(claimed, record, heard)
        except NoToken as error:
            return held(str(error), self._clock())
        except NoWriter as error:
            return Outcome(DeliveryState.REFUSED, str(error), self._clock(), revision=sent)
        except EhrError as error:
            now = self._clock()
            self._note_answer(claimed.site, error, now)
            outcome = replace(react(error, claimed, pace, now), revision=sent)
            return with_remedy(outcome, had_encounter=record.encounter is not None)
        except sa.exc.SQLAlchemyError:
            raise  # our database is away, not this delivery at fault
        except Exception as error:  # noqa: BLE001 -- last rim of the worker: one delivery must not stop the others
            return puzzle(error, claimed, pace, self._clock())
        self._gate.succeeded(claimed.site)
        return Outcome(
            DeliveryState.DELIVERED,
            "; ".join(written.left_out),
            self._clock(),
            written.locations,
            revision=sent,
        )

    async def _was_never_taken(self, claimed: Claimed) -> bool:
        """Whether every earlier attempt is known to have been refused: nothing of it can stand in the record."""
        before = await self._ledger.read(lambda connection: attempts_of(connection, claimed.response))
        return len(before) == claimed.attempts - 1 and all(
            each.state is DeliveryState.REFUSED for each in before
        )

    async def _once_it_answers(self, work: Callable[[], Awaitable[T]], *, patience: timedelta | None) -> T:
        """Do `work` in the database, again and again while that is away, for so long; None: until it answers or this stops."""
        begun = time.monotonic()
        while True:
            try:
                return await work()
            except AWAY as error:
                waited = time.monotonic() - begun
                if self._stopping or (patience is not None and waited > patience.total_seconds()):
                    raise
                log.error("delivery.database", error=cause_of(error))  # noqa: TRY400 -- a message may hold data
                await asyncio.sleep(_DATABASE_PAUSE)

    def _note_answer(self, site: str, error: EhrError, now: datetime) -> None:
        match error:
            case EhrUnavailable(retry_after=seconds):
                self._gate.failed(site, now, retry_after=seconds)
            case OutcomeUnknown():
                self._gate.failed(site, now)
            case _:
                self._gate.succeeded(site)  # an answer, if not the one hoped for
