"""A database of the first schema, with data, becomes one of the newest; an older one is never served."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

import plugin.ledger
from plugin.errors import SettingsInvalid
from plugin.ledger import Ledger, Vault, tables
from plugin.ledger.rows import SEALED_ROWS
from plugin.ledger.schema import HEAD, upgrade, version_of
from plugin.ledger.store import open_database
from plugin.verify.schema import check_schema

VAULT = Vault((bytes(range(32)),))
SCRIPTS = Path(plugin.ledger.__file__).parent / "migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def old(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Name an empty database."""
    sqlite = f"sqlite:///{tmp_path}/old.sqlite3"
    return sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def first_schema(url: str) -> Engine:
    """Make a database as the first version did: by its own first step, with a response and an audit entry."""
    from alembic import command

    engine = open_database(url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (1)")
        connection.execute(
            sa.text(
                "INSERT INTO response VALUES ('r1', 's', 'x|1', 'Patient/1', NULL, 'child', NULL, 'f|1', 'en', 5, 6, "
                "NULL, NULL, :sealed, 'd', :sealed, 'k', '0.1.0')"
            ),
            {"sealed": b"0"},
        )
        connection.exec_driver_sql(
            "INSERT INTO delivery VALUES ('r1', 's', 'saved', 6, 0, NULL, '', NULL, NULL)"
        )
    return engine


def test_a_database_of_the_first_schema_is_upgraded_and_keeps_its_rows(old: str) -> None:
    engine = first_schema(old)
    assert upgrade(engine, VAULT) == ("0001", HEAD)
    with engine.connect() as connection:
        assert version_of(connection) == HEAD
        assert connection.execute(sa.select(tables.response.c.id)).scalars().all() == ["r1"]
        assert connection.execute(sa.select(tables.delivery.c.state, tables.delivery.c.failures)).all() == [
            ("scored", 0)
        ]
        waiting = connection.execute(sa.select(tables.log_pending.c.kind, tables.log_pending.c.row)).all()
        assert [tuple(each) for each in waiting] == [("response", "r1")]
    assert upgrade(engine, VAULT) == (HEAD, HEAD)
    engine.dispose()


def test_an_upgraded_database_has_the_tables_of_a_new_one(old: str) -> None:
    engine = first_schema(old)
    upgrade(engine, VAULT)
    with engine.connect() as connection:
        assert list(check_schema(connection)) == []
    engine.dispose()


def test_a_database_that_has_the_index_of_the_next_step_already_is_upgraded(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/made-with-it.sqlite3")
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        later = {"note", "note_delivery", "review", "sign_off", "collecting", "collected", "revision"}
        later |= {"configuration", "erasure", "rescoring", "plan_copy"}
        made = [each for each in tables.metadata.sorted_tables if each.name not in later]
        tables.metadata.create_all(connection, tables=made)
        for column in ("gate", "gate_answer", "gate_answered", "code_made", "code_number", "answered_on"):
            connection.exec_driver_sql(f"ALTER TABLE invitation DROP COLUMN {column}")
        connection.exec_driver_sql("ALTER TABLE browser_session DROP COLUMN locked_for")
        connection.exec_driver_sql("DROP INDEX ix_launch_note_kept")
        connection.exec_driver_sql("ALTER TABLE launch DROP COLUMN sealed_note")
        connection.exec_driver_sql("ALTER TABLE launch DROP COLUMN note_kept")
        connection.exec_driver_sql("ALTER TABLE browser_session DROP COLUMN handing")
        connection.exec_driver_sql("ALTER TABLE response DROP COLUMN collected")
        connection.exec_driver_sql("ALTER TABLE attempt DROP COLUMN answer")
        for table in ("delivery", "attempt"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN revision")
        for table in {each.name for each in SEALED_ROWS} - later:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN seal")
        for name in ("site_patient_received", "site_received", "site_instrument", "launch"):
            connection.exec_driver_sql(f"DROP INDEX ix_response_{name}")
        connection.exec_driver_sql("DROP INDEX ix_throttle_since")
        connection.exec_driver_sql("CREATE INDEX ix_response_site_patient ON response (site, patient)")
        connection.execute(tables.alembic_version.insert().values(version_num="0006"))
    assert upgrade(engine, VAULT) == ("0006", HEAD)
    engine.dispose()


def test_the_newest_step_is_the_one_that_the_software_needs() -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == HEAD


def test_an_older_database_is_not_served_and_the_remedy_is_named(tmp_path: Path) -> None:
    first_schema(f"sqlite:///{tmp_path / 'old.sqlite3'}").dispose()
    with pytest.raises(SettingsInvalid, match="rapport database upgrade"):
        Ledger(f"sqlite:///{tmp_path / 'old.sqlite3'}", VAULT)


def test_a_database_of_a_newer_version_is_not_served(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    Ledger(url, VAULT).close()
    engine = open_database(url)
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        connection.execute(tables.alembic_version.update().values(version_num="9999"))
    engine.dispose()
    with pytest.raises(SettingsInvalid, match="a newer version"):
        Ledger(url, VAULT)
