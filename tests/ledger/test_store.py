"""The writer thread: durable before told, neighbours independent, change and audit entry together."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import AuditRow, Ledger, Vault
from plugin.ledger import tables as t

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = b"0123456789abcdef0123456789abcdef"


def audit(event: str) -> AuditRow:
    return AuditRow(event, NOW, "response-received", "0", "clinic", "Patient/1", b'{"heard":"mostly"}', "d")


def add_session(handle: str) -> sa.Insert:
    return t.browser_session.insert().values(handle=handle, created=NOW, last_seen=NOW, pin_attempts=0)


async def keep_session(ledger: Ledger, handle: str) -> None:
    await ledger.bookkeep(lambda connection: connection.execute(add_session(handle)))


def count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite3", Vault([KEY]))
    yield opened
    opened.close()


async def test_nobody_else_on_the_machine_reads_the_files(ledger: Ledger, tmp_path: Path) -> None:
    await keep_session(ledger, "a")
    assert modes(tmp_path) == dict.fromkeys(
        ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"), 0o600
    )


async def test_change_and_audit_entry_stand_together(ledger: Ledger) -> None:
    await ledger.write(lambda connection: connection.execute(add_session("a")), audit("e1"))
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 1
    assert await ledger.read(lambda connection: count(connection, t.audit)) == 1


async def test_an_audit_entry_that_cannot_be_stored_undoes_its_change(ledger: Ledger) -> None:
    await ledger.record(audit("e1"))
    with pytest.raises(sa.exc.IntegrityError):
        await ledger.write(lambda connection: connection.execute(add_session("a")), audit("e1"))
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 0


async def test_one_failing_change_does_not_undo_its_neighbours(ledger: Ledger) -> None:
    await ledger.bookkeep(lambda connection: connection.execute(add_session("a")))

    async def add(handle: str) -> None:
        await ledger.bookkeep(lambda connection: connection.execute(add_session(handle)))

    results = await asyncio.gather(*(add(handle) for handle in "bac"), return_exceptions=True)
    assert [isinstance(each, Exception) for each in results] == [False, True, False]
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 3


async def test_an_entry_that_cannot_be_stored_undoes_no_neighbour(ledger: Ledger) -> None:
    await ledger.record(audit("e1"))
    made = await asyncio.gather(
        ledger.write(lambda connection: connection.execute(add_session("a")), audit("e2")),
        ledger.write(lambda connection: connection.execute(add_session("c")), audit("e1")),
        keep_session(ledger, "b"),
        return_exceptions=True,
    )
    assert [isinstance(each, Exception) for each in made] == [False, True, False]
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 2


async def test_the_audit_entry_rests_encrypted(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.record(audit("e1"))
    await asyncio.to_thread(ledger.close)
    stored = await asyncio.to_thread(read_all, tmp_path)
    assert b"browser_session" in stored
    assert b"mostly" not in stored


async def test_instants_keep_their_microseconds_and_their_zone(ledger: Ledger) -> None:
    precise = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
    row = t.browser_session.insert().values(handle="a", created=precise, last_seen=precise, pin_attempts=0)
    await ledger.bookkeep(lambda connection: connection.execute(row))
    found = await ledger.read(
        lambda connection: connection.execute(sa.select(t.browser_session.c.created)).scalar()
    )
    assert found == precise


def test_what_was_told_to_be_written_survives_a_killed_process(tmp_path: Path) -> None:
    script = """
import asyncio, os, signal, sys
from tests.ledger.test_store import KEY, add_session, audit
from plugin.ledger import Ledger, Vault

async def main():
    ledger = Ledger(sys.argv[1], Vault([KEY]))
    for number in range(20):
        await ledger.write(lambda c: c.execute(add_session(f"h{number}")), audit(f"e{number}"))
        print(number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    killed = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    told = len(killed.stdout.split())
    assert (killed.returncode, told) == (-9, 20), killed.stderr
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert count(connection, t.browser_session) == told
    engine.dispose()


async def test_a_caller_that_goes_away_does_not_stop_the_writer(ledger: Ledger) -> None:
    async def add(handle: str) -> None:
        await ledger.bookkeep(lambda connection: connection.execute(add_session(handle)))

    leaving = asyncio.create_task(add("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await asyncio.wait_for(add("b"), 5)
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 2


async def test_changes_of_one_turn_of_the_loop_are_committed_together(ledger: Ledger) -> None:
    found = await asyncio.gather(
        *(ledger.bookkeep(lambda connection: connection.get_transaction()) for _ in range(10))
    )
    assert len(set(found)) == 1


async def test_more_changes_than_fit_into_a_commit_are_all_made(ledger: Ledger) -> None:
    changes = (keep_session(ledger, f"{each}") for each in range(300))
    await asyncio.gather(*changes)
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 300


async def test_two_loops_write_through_one_ledger(ledger: Ledger) -> None:
    async def write_some(name: str) -> None:
        for each in range(50):
            await keep_session(ledger, f"{name}{each}")

    await asyncio.gather(write_some("a"), asyncio.to_thread(asyncio.run, write_some("b")))
    assert await ledger.read(lambda connection: count(connection, t.browser_session)) == 100


async def test_what_waits_when_a_ledger_is_closed_is_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    closing = Ledger(url, Vault([KEY]))
    waiting = [asyncio.create_task(keep_session(closing, f"{each}")) for each in range(100)]
    await asyncio.sleep(0)
    closing.close()
    await asyncio.gather(*waiting)
    opened = Ledger(url, Vault([KEY]))
    assert await opened.read(lambda connection: count(connection, t.browser_session)) == 100
    opened.close()


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Ledger("sqlite:///:memory:", Vault([os.urandom(32)]))
