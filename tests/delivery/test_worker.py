"""The worker: order kept, poison set aside, a site that is away left in peace, a stop that loses nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from plugin.audit import Actor, Kind, Trail
from plugin.delivery.account import attempts_of
from plugin.delivery.keep import Record, keep
from plugin.delivery.outbox import Claimed
from plugin.delivery.states import DeliveryState
from plugin.delivery.worker import DeliveryWorker, Destination, NoToken
from plugin.delivery.writers import Written
from plugin.ehr import EhrRefused, EhrUnavailable, Heard, OutcomeUnknown, RefusalIssue
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from plugin.pace import Pace
from plugin.pages.retold import retell
from tests.delivery.records import WHEN
from tests.delivery.records import record as make_record
from tests.product.world import Clock

QUICK = Pace(first_pause=timedelta(seconds=1), per_second=1000)
Answer = Callable[[Record], Awaitable[Written]]


async def take(_record: Record) -> Written:
    return Written(("Observation/1",))


@dataclass
class Desk:
    """A ledger with records in it, a worker, and an EHR that answers as it is told."""

    ledger: Ledger
    clock: Clock
    answer: Answer = take
    sent: list[str] = field(default_factory=list)

    async def __call__(self, claimed: Claimed, record: Record, heard: Heard) -> Written:
        self.sent.append(record.id)
        return await self.answer(record)

    async def keep(
        self, name: str, patient: str = "Patient/1", minute: int = 0, encounter: str | None = None
    ) -> None:
        kept = make_record(
            id=name,
            identifier=name,
            patient=patient,
            received=WHEN + timedelta(minutes=minute),
            encounter=encounter,
        )
        trail = Trail("https://rapport.invalid", self.clock)
        entry = trail.entry(Kind.RESPONSE_RECEIVED, Actor(display="tests"))
        await self.ledger.write(lambda connection: keep(connection, self.ledger.vault, kept), entry)

    async def row(self, name: str) -> Any:
        query = sa.select(t.delivery).where(t.delivery.c.response == name)
        return await self.ledger.read(lambda connection: connection.execute(query).one())

    async def until(self, name: str, *states: DeliveryState, attempts: int = 1) -> Any:
        for _ in range(4000):
            row = await self.row(name)
            if row.state in states and row.attempts >= attempts:
                return row
            await asyncio.sleep(0.01)
        raise AssertionError(f"{name} is {row.state} after {row.attempts} attempts: {row.detail}")

    @asynccontextmanager
    async def working(self, pace: Pace = QUICK) -> AsyncIterator[DeliveryWorker]:
        trail = Trail("https://rapport.invalid", self.clock)
        destinations = {"sandbox": Destination("https://ehr.invalid", "response, observations", pace)}
        worker = DeliveryWorker(self.ledger, trail, self, self.clock, destinations)
        running = asyncio.create_task(worker.run())
        yield worker
        worker.stop()
        await running

    async def try_again(self, worker: DeliveryWorker, name: str, times: int) -> None:
        """Let time pass until a delivery has been tried so often."""
        for number in range(1, times + 1):
            await self.until(name, *(set(DeliveryState) - {DeliveryState.SENDING}), attempts=number)
            self.clock.pass_time(minutes=20)
            worker.wake()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    clock.pass_time(hours=1)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite3", Vault((b"a key of the tests, 32 bytes long",)))
    yield Desk(ledger, clock)
    ledger.close()


def spoil(ledger: Path, name: str) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE response SET sealed_results = x'00' WHERE id = ?", (name,))


async def test_one_that_cannot_be_read_is_set_aside_and_the_patients_next_goes_on(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.keep("spoilt", minute=0)
    await desk.keep("next", minute=1)
    spoil(tmp_path / "ledger.sqlite3", "spoilt")
    async with desk.working() as worker:
        await desk.try_again(worker, "spoilt", 5)
        row = await desk.until("spoilt", DeliveryState.SET_ASIDE)
        await desk.until("next", DeliveryState.DELIVERED)
    assert (row.attempts, desk.sent) == (5, ["next"])
    assert "SealBroken" in row.detail


async def test_one_that_makes_rapport_stumble_is_tried_as_often_as_the_site_sets(desk: Desk) -> None:
    async def stumble(_record: Record) -> Written:
        raise ZeroDivisionError("the child's name is Amara")

    desk.answer = stumble
    await desk.keep("a")
    async with desk.working(Pace(first_pause=timedelta(seconds=1), set_aside_after=2)) as worker:
        await desk.try_again(worker, "a", 2)
        row = await desk.until("a", DeliveryState.SET_ASIDE)
    assert row.attempts == 2
    assert "Amara" not in row.detail


async def test_understood_failures_are_never_set_aside(desk: Desk) -> None:
    async def away(_record: Record) -> Written:
        raise EhrUnavailable("The EHR cannot be reached.")

    desk.answer = away
    await desk.keep("a")
    async with desk.working() as worker:
        await desk.try_again(worker, "a", 8)
    assert (await desk.row("a")).state == DeliveryState.SCORED


async def test_what_no_worker_lived_to_see_end_is_set_aside_without_another_try(desk: Desk) -> None:
    await desk.keep("deadly")
    await desk.ledger.bookkeep(lambda c: c.execute(t.delivery.update().values(failures=20)))
    async with desk.working():
        await desk.until("deadly", DeliveryState.SET_ASIDE)
    assert desk.sent == []


async def test_an_attempt_says_its_number_its_writers_and_what_the_ehr_answered(desk: Desk) -> None:
    async def refuse(_record: Record) -> Written:
        raise EhrRefused(422, (RefusalIssue("value", "BAD_CODE", "Observation.code"),))

    desk.answer = refuse
    await desk.keep("a")
    async with desk.working():
        await desk.until("a", DeliveryState.REFUSED)
    (only,) = await desk.ledger.read(lambda connection: attempts_of(connection, "a"))
    assert (only.number, only.writer, only.status) == (1, "response, observations", 422)
    assert "value BAD_CODE at Observation.code" in only.detail


async def test_a_retry_after_keeps_everything_of_the_site_waiting(desk: Desk) -> None:
    async def busy(_record: Record) -> Written:
        raise EhrUnavailable("The EHR is too busy (HTTP 429).", 120)

    desk.answer = busy
    await desk.keep("a", "Patient/1")
    async with desk.working() as worker:
        await desk.until("a", DeliveryState.SCORED)
        desk.answer = take
        await desk.keep("b", "Patient/2")
        desk.clock.pass_time(seconds=119)
        worker.wake()
        await asyncio.sleep(0.1)
        assert desk.sent == ["a"]
        desk.clock.pass_time(seconds=1)
        worker.wake()
        await desk.until("b", DeliveryState.DELIVERED)


async def test_a_patients_order_is_kept_while_the_outcome_of_one_is_unknown(desk: Desk) -> None:
    async def lost(_record: Record) -> Written:
        raise OutcomeUnknown("The EHR broke off.")

    desk.answer = lost
    await desk.keep("first", minute=0)
    await desk.keep("second", minute=1)
    async with desk.working() as worker:
        await desk.until("first", DeliveryState.UNKNOWN)
        desk.answer = take
        desk.clock.pass_time(minutes=20)
        worker.wake()
        await desk.until("second", DeliveryState.DELIVERED)
    assert desk.sent == ["first", "first", "second"]


async def test_one_that_is_held_does_not_keep_the_next_waiting(desk: Desk) -> None:
    async def hold_first(kept: Record) -> Written:
        if kept.id == "first":
            raise NoToken("no token")
        return Written(())

    desk.answer = hold_first
    await desk.keep("first", minute=0)
    await desk.keep("second", minute=1)
    async with desk.working():
        await desk.until("second", DeliveryState.DELIVERED)
    assert (await desk.row("first")).state == DeliveryState.HELD


async def test_few_are_in_flight_and_the_next_follows_as_soon_as_one_is_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, now = 0, 0

    async def slow(_record: Record) -> Written:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return Written(())

    desk.answer = slow
    for number in range(12):
        await desk.keep(f"r{number}", f"Patient/{number}", minute=number)
    monkeypatch.setattr(
        "plugin.delivery.worker._IDLE_POLL", 3600.0
    )  # no next look at the clock: only an end wakes it
    async with desk.working(Pace(at_once=3, per_second=1000)):
        for number in range(12):
            await desk.until(f"r{number}", DeliveryState.DELIVERED)
    assert most == 3


async def test_a_stop_waits_for_what_is_in_flight(desk: Desk) -> None:
    going = asyncio.Event()

    async def slow(_record: Record) -> Written:
        going.set()
        await asyncio.sleep(0.1)
        return Written(())

    desk.answer = slow
    await desk.keep("a")
    async with desk.working():
        await going.wait()
    assert (await desk.row("a")).state == DeliveryState.DELIVERED


async def test_what_does_not_end_in_time_is_handed_back_for_the_next_worker_to_look_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = asyncio.Event()

    async def hang(_record: Record) -> Written:
        going.set()
        await asyncio.sleep(3600)
        return Written(())

    desk.answer = hang
    monkeypatch.setattr("plugin.delivery.worker.GRACE", timedelta(seconds=0.05))  # the test's own patience
    await desk.keep("a")
    async with desk.working():
        await going.wait()
    row = await desk.row("a")
    assert (row.state, row.owner, row.due) == (DeliveryState.UNKNOWN, None, desk.clock())


async def test_a_database_that_fails_for_a_while_does_not_stop_the_worker(desk: Desk) -> None:
    await desk.keep("a")
    rename = "ALTER TABLE {} RENAME TO {}"
    await desk.ledger.bookkeep(lambda c: c.exec_driver_sql(rename.format("delivery", "away")))
    async with desk.working() as worker:
        await asyncio.sleep(0.05)
        await desk.ledger.bookkeep(lambda c: c.exec_driver_sql(rename.format("away", "delivery")))
        worker.wake()
        await desk.until("a", DeliveryState.DELIVERED)


@pytest.mark.parametrize(("encounter", "told"), [(None, True), ("Encounter/1", False)])
async def test_a_refusal_for_want_of_an_encounter_says_what_helps(
    desk: Desk, encounter: str | None, told: bool
) -> None:
    async def refuse(_record: Record) -> Written:
        place = "Observation.encounter.reference"
        raise EhrRefused(400, (RefusalIssue("business-rule", None, place),))

    desk.answer = refuse
    await desk.keep("one", encounter=encounter)
    async with desk.working():
        row = await desk.until("one", DeliveryState.REFUSED)
    assert "business-rule at Observation.encounter.reference" in row.detail
    assert ("open it from within an encounter" in row.detail) is told
    assert ("aus einem Kontakt heraus" in retell(row.detail, "de")) is told
