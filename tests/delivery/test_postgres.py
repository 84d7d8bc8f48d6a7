"""Several workers on one PostgreSQL: each delivery once, each patient in order, and nobody waits for a lock."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa

from plugin.delivery import outbox
from plugin.delivery.states import DeliveryState
from plugin.delivery.writers import Written
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.pace import Pace
from tests.delivery.outboxes import ALL, LATER, receive
from tests.delivery.test_worker import Desk
from tests.product.world import Clock

VAULT = Vault((b"a key of the tests, 32 bytes long",))
PATIENTS, EACH = 12, 5


@pytest.fixture
async def desks(postgres_url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    clock = Clock()
    clock.pass_time(hours=1)
    ledgers = [Ledger(postgres_url, VAULT) for _ in range(2)]
    yield Desk(ledgers[0], clock), Desk(ledgers[1], clock)
    for ledger in ledgers:
        ledger.close()


async def count_undelivered(desk: Desk) -> int:
    query = sa.select(sa.func.count()).where(t.delivery.c.state != DeliveryState.DELIVERED)
    return int(await desk.ledger.read(lambda connection: connection.execute(query).scalar_one()))


async def until_delivered(desk: Desk) -> None:
    while await count_undelivered(desk):  # noqa: ASYNC110 -- what is waited for happens in a database
        await asyncio.sleep(0.02)


async def test_two_workers_deliver_each_response_once_and_each_patient_in_order(
    desks: tuple[Desk, Desk],
) -> None:
    sent: list[str] = []

    async def slow(record: object) -> Written:
        await asyncio.sleep(0.002)
        sent.append(record.id)  # type: ignore[attr-defined]
        return Written(())

    for minute in range(EACH):
        for patient in range(PATIENTS):
            await desks[0].keep(f"{patient}-{minute}", f"Patient/{patient}", minute)
    async with AsyncExitStack() as stack:
        for desk in desks:
            desk.answer = slow
            await stack.enter_async_context(desk.working(Pace(at_once=8, per_second=1000)))
        async with asyncio.timeout(20):
            await until_delivered(desks[0])
    assert len(sent) == PATIENTS * EACH
    of_patient = defaultdict(list)
    for name in sent:
        of_patient[name.partition("-")[0]].append(int(name.partition("-")[2]))
    assert all(minutes == list(range(EACH)) for minutes in of_patient.values())
    assert all(desk.sent for desk in desks), "one of the two did all of the work"


def test_a_worker_does_not_wait_for_what_another_one_is_claiming(postgres_url: str) -> None:
    Ledger(postgres_url, VAULT).close()
    engine = open_database(postgres_url, VAULT)
    with engine.begin() as connection:
        for number in range(4):
            receive(connection, f"r{number}", f"p{number}", minute=number)
    with engine.begin() as first, engine.begin() as second:
        second.exec_driver_sql("SET LOCAL lock_timeout = '500ms'")
        begun = outbox.claim(first, "one", LATER, "clinic", outbox.Room(2, ALL.order_since))
        others = outbox.claim(second, "two", LATER, "clinic", ALL)
    engine.dispose()
    assert [each.response for each in begun] == ["r0", "r1"]
    assert [each.response for each in others] == ["r2", "r3"]


def test_two_processes_may_open_an_empty_database_at_the_same_time(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        for opened in threads.map(lambda _: Ledger(postgres_url, VAULT), range(4)):
            opened.close()


async def test_what_is_to_be_done_by_one_process_at_a_time_is(desks: tuple[Desk, Desk]) -> None:
    inside, most = 0, 0

    async def enter(desk: Desk) -> None:
        nonlocal inside, most
        async with desk.ledger.alone("refresh 1"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.05)
            inside -= 1

    await asyncio.gather(*(enter(desk) for desk in desks))
    assert most == 1
