"""Rows that change while they are in use carry a seal that only Rapport's own writes renew."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

import plugin
from plugin.ledger import Vault, change_rows, insert_new, insert_row, save_row
from plugin.ledger import tables as t
from plugin.ledger.rows import SEALED_ROWS, fits
from plugin.ledger.schema import prepare, upgrade
from plugin.ledger.store import open_database
from plugin.rotation import count_by_key, rotate

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
VAULT = Vault((OLD,))
NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
TRY = {"key": "k", "since": NOW, "tries": 1}
OWN = (t.throttle.c.key == "k",)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    sqlite = f"sqlite:///{tmp_path}/ledger.sqlite3"
    url = sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    opened = open_database(url, VAULT)
    prepare(opened)
    yield opened
    opened.dispose()


def is_whole(connection: Connection, vault: Vault = VAULT, table: sa.Table = t.throttle) -> bool:
    (row,) = connection.execute(sa.select(table)).all()
    return fits(vault, table, dict(row._mapping))


def test_every_way_to_write_a_row_seals_it(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_row(connection, t.throttle, TRY)
        assert is_whole(connection)
        (after,) = change_rows(connection, t.throttle, OWN, lambda row: {"tries": row["tries"] + 1})
        assert (after["tries"], is_whole(connection)) == (2, True)
        assert not insert_new(connection, t.throttle, TRY)
        save_row(connection, t.throttle, {**TRY, "tries": 7})
        assert is_whole(connection)
        assert connection.execute(sa.select(t.throttle.c.tries)).scalar_one() == 7


def test_what_a_column_is_by_default_is_sealed_too(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_new(connection, t.collecting, {"site": "s", "due": NOW, "since": NOW, "cursor": NOW})
        assert is_whole(connection, table=t.collecting)


def test_a_write_does_not_mend_a_seal_that_was_broken(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_row(connection, t.throttle, {**TRY, "tries": 9})
        connection.execute(t.throttle.update().values(tries=0))
        (after,) = change_rows(connection, t.throttle, OWN, {"tries": 1})
        assert (after["tries"], is_whole(connection)) == (1, False)


def test_a_seal_of_another_key_is_none(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_row(connection, t.throttle, TRY)
        assert not is_whole(connection, Vault((NEW,)))
        assert is_whole(connection, Vault((NEW, OLD)))


def test_a_key_is_replaced_and_broken_seals_are_named_and_stay_broken(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("a", "b"):
            insert_row(connection, t.throttle, {**TRY, "key": name})
        connection.execute(t.throttle.update().where(t.throttle.c.key == "b").values(tries=0))
        collected = {"version": "1", "state": "own", "reason": "", "seen": NOW}
        for place in ("q1", "q2"):
            insert_row(connection, t.collected, {"site": "s", "reference": place, **collected})
    both = Vault((NEW, OLD))
    rotated = rotate(engine, both)
    assert (rotated.values, rotated.broken) == (3, ["throttle b"])
    with engine.connect() as connection:
        assert count_by_key(connection) == {both.key_ids[0]: 3, both.key_ids[1]: 1}
        rows = connection.execute(sa.select(t.throttle)).all()
        assert {row.key: fits(both, t.throttle, dict(row._mapping)) for row in rows} == {
            "a": True,
            "b": False,
        }


def test_rows_from_before_there_were_seals_are_sealed_by_the_upgrade_and_never_again(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_row(connection, t.throttle, TRY)
        for table in SEALED_ROWS:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP COLUMN seal")
        connection.exec_driver_sql("DROP INDEX ix_throttle_since")
        connection.exec_driver_sql("ALTER TABLE invitation DROP COLUMN answered_on")
        connection.exec_driver_sql("DROP INDEX ix_launch_note_kept")
        connection.exec_driver_sql("ALTER TABLE launch DROP COLUMN sealed_note")
        connection.exec_driver_sql("ALTER TABLE launch DROP COLUMN note_kept")
        connection.exec_driver_sql("ALTER TABLE browser_session DROP COLUMN handing")
        connection.execute(t.alembic_version.update().values(version_num="0019"))
    upgrade(engine, VAULT)
    with engine.begin() as connection:
        assert is_whole(connection)
        connection.execute(t.throttle.update().values(seal=None))
    upgrade(engine, VAULT)
    with engine.connect() as connection:
        assert not is_whole(connection)


def test_a_connection_without_the_vault_writes_no_row_that_is_sealed(engine: Engine) -> None:
    without = open_database(engine.url.render_as_string(hide_password=False))
    with pytest.raises(LookupError), without.begin() as connection:
        insert_row(connection, t.throttle, TRY)
    without.dispose()


def test_nothing_of_rapport_writes_these_rows_past_their_seals() -> None:
    names = "|".join(table.name for table in SEALED_ROWS)
    past = re.compile(rf"\b(?:{names})\.(?:insert|update)\(|insert_into\(\s*\w+,\s*(?:\w+\.)?(?:{names})\b")
    own = {"rows.py"}
    code = [each for each in Path(plugin.__file__).parent.rglob("*.py") if "migrations" not in each.parts]
    assert len(code) > 300
    found = [each.name for each in code if each.name not in own and past.search(each.read_text("utf-8"))]
    assert found == []
