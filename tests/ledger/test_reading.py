"""The auditors' way into the ledger on PostgreSQL: a role of its own that may read what it needs, and write nothing."""

import asyncio
import re
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.errors import SettingsInvalid
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.reading import READABLE, ReadingLedger, write_grants
from plugin.ledger.schema import prepare
from plugin.ledger.store import open_database
from tests.product.test_auditing import BOOK, PAGES, Audit, drawn, logged, start
from tests.product.world import run_world

VAULT = Vault((bytes(range(32)),))


@pytest.fixture
def role_url(postgres_url: str) -> str:
    """Prepare a ledger, and a role by the SQL that the command prints; gives the role's URL."""
    role = f"auditor_{uuid.uuid4().hex[:8]}"
    engine = open_database(postgres_url)
    prepare(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(write_grants(role))
    engine.dispose()
    return re.sub(r"//[^@]*@", f"//{role}@", postgres_url)


def refused(url: str, statement: sa.Executable | str) -> str:
    """Give what the database says to a statement of this role, its read-only transactions switched off."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ WRITE")
            with pytest.raises(sa.exc.ProgrammingError) as error:
                connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
            connection.rollback()
            return str(error.value)
    finally:
        engine.dispose()


def test_the_role_may_write_no_table_even_if_it_tries(role_url: str) -> None:
    for table in t.metadata.sorted_tables:
        for statement in (table.delete(), sa.text(f"TRUNCATE {table.name}")):
            assert "permission denied" in refused(role_url, statement), table.name


def test_the_role_may_read_no_secret_token_or_draft(role_url: str) -> None:
    hidden = [
        ("launch", "sealed_context"),
        ("launch", "sealed_note"),
        ("launch", "handle"),
        ("invitation", "secret"),
        ("invitation", "sealed_draft"),
    ]
    hidden += [("browser_session", "pin"), ("pending_launch", "sealed_pending"), ("throttle", "key")]
    for table, column in hidden:
        assert "permission denied" in refused(role_url, f"SELECT {column} FROM {table}")


def test_every_table_is_readable_by_auditors_or_left_out_on_purpose() -> None:
    left_out = {"browser_session", "pending_launch", "throttle", "collecting", "plan_copy"}
    assert set(READABLE) == set(t.metadata.tables) - left_out


def test_a_role_that_may_write_is_refused(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    prepare(engine)
    engine.dispose()
    with pytest.raises(SettingsInvalid, match="a role that may write"):
        ReadingLedger(postgres_url, VAULT, has_own_role=True)


def test_without_a_role_of_its_own_the_transactions_are_read_only(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    prepare(engine)
    engine.dispose()
    reading = ReadingLedger(postgres_url, VAULT, has_own_role=False)
    with pytest.raises(sa.exc.InternalError, match="read-only transaction"):
        asyncio.run(reading.read(lambda c: c.execute(t.attempt.delete())))
    reading.close()


def test_a_name_that_is_more_than_a_name_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no plain name"):
        write_grants("x; DROP TABLE response")


async def test_every_page_of_auditors_works_by_that_role(
    tmp_path: Path, postgres_url: str, role_url: str
) -> None:
    stored = {"database": postgres_url, "audit_database": role_url}
    async with run_world(tmp_path, stored=stored, roles=BOOK, auditors_see_answers=True) as world:
        audit: Audit = await start(world)
        review = await drawn(audit)
        for path in PAGES:
            await audit.get(path.format(response=audit.response, review=review))
        assert "a PostgreSQL role of its own" in (await audit.get("/log")).text
        await logged(world)
        assert (await audit.search(patient=(await world.people())["amara"])).status_code == 200
        assert (await audit.search(number=audit.response)).status_code == 303
        exported = await audit.post("/exports", first="2026-01-01", last="2026-03-31", why="because")
        assert exported.status_code == 200
        await audit.post("/log/verify")
        await world.rapport.state.rapport.verification.finished()
        assert "Nothing is wrong." in (await audit.get("/log")).text
