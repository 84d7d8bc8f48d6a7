"""Tries are counted, each one, however many come at the same moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from plugin.access.throttle import count_try
from plugin.errors import TooManyAttempts
from plugin.ledger import Vault
from plugin.ledger.schema import prepare
from plugin.ledger.store import open_database

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MOST, TRIES = 10, 24
VAULT = Vault((bytes(32),))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    address = f"sqlite:///{tmp_path}/ledger.sqlite3"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres_url")
    opened = open_database(address, VAULT)
    prepare(opened)
    yield opened
    opened.dispose()


def test_of_many_tries_at_once_so_many_are_let_through_as_may_be(engine: Engine) -> None:
    def is_let_through(_: int) -> bool:
        try:
            with engine.connect() as connection, connection.execution_options(writing=True).begin():
                count_try(connection, VAULT, "code", "10.0.0.1", NOW, MOST)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        through = list(pool.map(is_let_through, range(TRIES)))
    assert through.count(True) == MOST


def test_a_try_does_not_read_those_of_everybody_else(tmp_path: Path) -> None:
    opened = open_database(f"sqlite:///{tmp_path}/ledger.sqlite3", VAULT)
    prepare(opened)
    asked: list[tuple[str, Any]] = []
    event.listen(opened, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    with opened.connect() as connection, connection.execution_options(writing=True).begin():
        for _ in range(2):
            count_try(connection, VAULT, "code", "10.0.0.1", NOW, MOST)
        looked = [each for each in asked if "throttle" in each[0] and not each[0].startswith("INSERT")]
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given) for query, given in looked]
        read = [row.detail for plan in plans for row in plan]
    opened.dispose()
    assert read
    assert [each for each in read if "SCAN" in each] == []
