"""A response is kept once, however often it is sent: on both databases, alone and in company."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.audit import Actor, Kind, Trail
from plugin.delivery.keep import keep
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from tests.delivery.records import record as make_record
from tests.product.world import Clock

VAULT = Vault((b"a key of the tests, 32 bytes long",))
TRAIL = Trail("https://rapport.invalid", Clock())


@pytest.fixture(params=["sqlite", "postgresql"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    address = f"sqlite:///{tmp_path}/ledger.sqlite3"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres_url")
    opened = Ledger(address, VAULT)
    yield opened
    opened.close()


async def send(ledger: Ledger, name: str) -> bool:
    """Keep the response of this name; whether it is new."""
    record = make_record(id=name, identifier=name)
    entry = TRAIL.entry(Kind.RESPONSE_RECEIVED, Actor(display="tests"))
    return await ledger.write(lambda connection: keep(connection, VAULT, record), entry)


async def count(ledger: Ledger, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return int(await ledger.read(lambda connection: connection.execute(query).scalar_one()))


async def test_what_is_sent_again_is_known(ledger: Ledger) -> None:
    assert [await send(ledger, "a"), await send(ledger, "a")] == [True, False]


async def test_what_is_sent_again_at_the_same_moment_is_known(ledger: Ledger) -> None:
    assert sorted(await asyncio.gather(*(send(ledger, "a") for _ in range(5)))) == [False] * 4 + [True]


async def test_in_company_too(ledger: Ledger) -> None:
    await asyncio.gather(*(send(ledger, name) for name in "abc"))
    again = await asyncio.gather(*(send(ledger, name) for name in "abcd"))
    assert again == [False, False, False, True]
    assert (await count(ledger, t.response), await count(ledger, t.delivery)) == (4, 4)
    assert await count(ledger, t.audit) == 7
