"""Whatever is altered behind Rapport's back is named: every column of every logged table, every file of the log."""

import shutil
from pathlib import Path

import pytest

from plugin.audit.leaves import LOGGED
from plugin.ledger import tables as t
from plugin.verify import Flaw
from tests.audit.conftest import Kept

COLUMNS = [(kind, column) for kind, (table, *_) in LOGGED.items() for column in table.columns.keys()]  # noqa: SIM118 -- columns, not names, are iterated otherwise
# Tables that hold no record of what happened: sessions, drafts, counters, and what waits to be logged.
PASSING = {
    "alembic_version",
    "browser_session",
    "pending_launch",
    "launch",
    "invitation",
    "throttle",
    "log_pending",
}


def flaws(kept: Kept) -> set[Flaw]:
    return {each.flaw for each in kept.verify()}


def altered(kind: str, column: str) -> str:
    """Write SQL that alters one column of one row, whatever its type."""
    value = LOGGED[kind][0].c[column]
    kept_null = f"CASE WHEN {column} IS NULL THEN 'x' ELSE {{}} END"
    if str(value.type) in {"BLOB", "BYTEA"}:
        change = f"CAST(substr({column}, 1, length({column}) - 1) || x'00' AS BLOB)"
    elif str(value.type) in {"BIGINT", "INTEGER"}:
        change = f"COALESCE({column}, 0) + 100000000"
    else:
        change = kept_null.format(f"{column} || 'x'")
    key = LOGGED[kind][1]
    return f"UPDATE {kind} SET {column} = {change} WHERE {key} = (SELECT {key} FROM {kind} ORDER BY rowid LIMIT 1)"


def test_what_nobody_touched_verifies(kept: Kept) -> None:
    assert kept.verify() == []


def test_a_row_that_was_set_aside_is_named_with_the_reason(kept: Kept) -> None:
    kept.run(
        "INSERT INTO log_pending (kind, \"row\", problem) VALUES ('response', 'r1', 'The seal was altered')"
    )
    (found,) = kept.verify()
    assert (found.flaw, found.where) == (Flaw.NOT_LOGGED, "response r1")
    assert "The seal was altered" in found.what


def test_every_table_is_logged_compared_or_passing() -> None:
    compared = {"delivery", "log_leaf"}
    assert {table.name for table in t.metadata.sorted_tables} == set(LOGGED) | compared | PASSING


@pytest.mark.parametrize(("kind", "column"), COLUMNS, ids=[f"{kind}.{column}" for kind, column in COLUMNS])
def test_an_altered_column_is_found(kept: Kept, kind: str, column: str) -> None:
    assert kept.run(altered(kind, column)) >= 1
    assert flaws(kept)


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE delivery SET state = 'saved'", Flaw.STATE),
        ("UPDATE delivery SET state = 'refused'", Flaw.STATE),
        ("DELETE FROM delivery", Flaw.ORPHAN),
        ("DELETE FROM attempt", Flaw.DELETED),
        ("DELETE FROM audit WHERE id = 3", Flaw.DELETED),
        ("UPDATE log_leaf SET row = 'x' WHERE place = 2", Flaw.DELETED),
        ("UPDATE log_leaf SET kind = 'x' WHERE place = 2", Flaw.LOG),
        ("UPDATE log_leaf SET salt = NULL WHERE place = 2", Flaw.LOG),
        ("UPDATE log_leaf SET salt = x'00' WHERE place = 2", Flaw.ALTERED),
        ("UPDATE log_leaf SET entry = x'00' WHERE place = 2", Flaw.LOG),
        ("UPDATE log_leaf SET place = 100000 WHERE place = 2", Flaw.LOG),
        ("DELETE FROM log_leaf WHERE place = 2", Flaw.LOG),
        (
            (
                "INSERT INTO attempt (response, started, finished, state, detail) "
                "SELECT response, started, finished, state, detail FROM attempt LIMIT 1"
            ),
            Flaw.NOT_LOGGED,
        ),
    ],
)
def test_rows_that_were_changed_removed_or_added_are_found(kept: Kept, statement: str, flaw: Flaw) -> None:
    assert kept.run(statement) >= 1
    assert flaw in flaws(kept)


def test_a_response_deleted_with_all_that_belongs_to_it_is_found(kept: Kept) -> None:
    changed = kept.run(
        "DELETE FROM attempt",
        "DELETE FROM delivery",
        "DELETE FROM response",
    )
    assert changed >= 3
    assert Flaw.DELETED in flaws(kept)


def test_answers_exchanged_between_two_responses_are_found(kept: Kept) -> None:
    kept.run(
        "CREATE TEMP TABLE swap AS SELECT id, sealed_body FROM response",
        "UPDATE response SET sealed_body = (SELECT sealed_body FROM swap WHERE swap.id != response.id)",
    )
    assert Flaw.ALTERED in flaws(kept)


def test_leaves_in_another_order_are_found(kept: Kept) -> None:
    kept.run(
        "UPDATE log_leaf SET place = -1 WHERE place = 1",
        "UPDATE log_leaf SET place = 1 WHERE place = 2",
        "UPDATE log_leaf SET place = 2 WHERE place = -1",
    )
    assert Flaw.LOG in flaws(kept)


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def test_every_altered_file_of_the_log_is_found(kept: Kept, original: Path) -> None:
    # Only the widest version of a partial tile counts for a checkpoint; narrower ones are left from earlier checkpoints.
    current = [name for name in files(kept.tiles) if ".p/" not in name or name in widest(kept.tiles)]
    assert len(current) >= 3
    for name in current:
        path = kept.tiles / name
        whole = path.read_bytes()
        for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-5], b""):
            path.write_bytes(damaged)
            assert kept.verify(), name
        path.unlink()
        assert kept.verify(), name
        path.write_bytes(whole)
    assert kept.verify() == []


def widest(folder: Path) -> set[str]:
    found: dict[Path, Path] = {}
    for each in folder.rglob("*.p/*"):
        known = found.get(each.parent)
        if known is None or int(each.name) > int(known.name):
            found[each.parent] = each
    return {str(each.relative_to(folder)) for each in found.values()}


def test_a_database_of_yesterday_is_found(kept: Kept) -> None:
    kept.run(
        "DELETE FROM log_leaf WHERE place > 5",
    )
    assert any("restored" in each.what for each in kept.verify())


def test_a_whole_installation_of_yesterday_is_found_by_a_checkpoint_kept_outside(
    kept: Kept, original: Path
) -> None:
    kept_outside = (kept.tiles / "checkpoint").read_bytes()
    leaves = kept.run("DELETE FROM log_leaf WHERE place > 5")
    assert leaves
    shutil.rmtree(kept.tiles)
    from plugin.transparency import LogSigner, Tiles
    from tests.product.world import rapport_settings

    settings = rapport_settings(kept.folder)
    signer, tiles = LogSigner(settings.log_name, settings.log_key), Tiles(kept.tiles)
    kept.tiles.mkdir()
    import sqlalchemy as sa

    from plugin.ledger.store import open_database

    engine = open_database(settings.database)
    with engine.connect() as connection:
        entries = (
            connection.execute(sa.select(t.log_leaf.c.entry).order_by(t.log_leaf.c.place)).scalars().all()
        )
    engine.dispose()
    size = tiles.append(0, entries)
    tiles.write_checkpoint(signer.sign(size, tiles.root(size)))
    assert any("older checkpoint" in each.where for each in kept.verify(kept_outside))
