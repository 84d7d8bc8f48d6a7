"""Whatever is altered behind Rapport's back is named: every column of every table, every file of the log.

What is tried, and what it is named as, stands in docs/reference/audit.md: these tables are read from there.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.reading import ReadingLedger
from plugin.ledger.store import open_database
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Flaw, Progress
from plugin.verify.tree import Tree
from tests.audit import test_record
from tests.audit.conftest import Kept, advance, record
from tests.product.world import rapport_settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "audit.md"
EVERY = [(table.name, name) for table in t.metadata.sorted_tables for name in table.columns.keys()]  # noqa: SIM118 -- columns, not names, are iterated otherwise


def table_of(heading: str) -> list[list[str]]:
    """Read the cells of the table under a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def words(cell: str) -> list[str]:
    return [each.strip("` ") for each in cell.split(",")]


DETECTED = {
    (words(row[0])[0], column): set(words(row[2]))
    for row in table_of("Columns of the ledger")
    for column in words(row[1])
}


def flaws(kept: Kept) -> set[Flaw]:
    return {each.flaw for each in kept.verify()}


def altered(table: str, column: str, row: int) -> str:
    """Write SQL that alters one column of one row, whatever its type."""
    value = t.metadata.tables[table].c[column]
    if str(value.type) in {"BLOB", "BYTEA"}:
        last = f"CASE WHEN substr({column}, -1) = x'00' THEN x'01' ELSE x'00' END"
        change = f"COALESCE(CAST(substr({column}, 1, length({column}) - 1) || {last} AS BLOB), x'01')"
    elif str(value.type) == "BOOLEAN":
        change = f"1 - {column}"
    elif str(value.type) in {"BIGINT", "INTEGER"}:
        change = f"COALESCE({column}, 0) + 100000000"
    else:
        change = f"CASE WHEN {column} IS NULL THEN 'x' ELSE {column} || 'x' END"
    return f'UPDATE {table} SET "{column}" = {change} WHERE rowid = {row}'


def names_of(kept: Kept, table: str, column: str) -> tuple[int, set[str]]:
    """Give a row of a table that has something in this column, if any has, and how findings may name it."""
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            f'SELECT rowid AS own, * FROM {table} ORDER BY "{column}" IS NULL, rowid LIMIT 1'
        ).one()
    engine.dispose()
    row = found._mapping
    names = {
        "response": lambda: {f"response {row['id']}"},
        "revision": lambda: {f"revision {row['id']}", f"response {row['response']}"},
        "rescoring": lambda: {f"rescoring {row['id']}", f"response {row['response']}"},
        "delivery": lambda: {f"response {row['response']}"},
        "attempt": lambda: {f"attempt {row['id']}"},
        "audit": lambda: {f"audit {row['event']}", f"audit entry {row['event']}"},
        "norm": lambda: {f"norm {row['id']}", "norms"},
        "note": lambda: {f"note {row['id']}"},
        "review": lambda: {f"review {row['id']}"},
        "sign_off": lambda: {f"sign_off {row['id']}"},
        "erasure": lambda: {f"erasure {row['id']}"},
        "configuration": lambda: {f"configuration {row['id']}"},
        "alembic_version": lambda: {"alembic_version"},
        "launch": lambda: {f"launch {row['id']}"},
        "invitation": lambda: {f"invitation {row['id']}"},
        "note_delivery": lambda: {f"note {row['note']}"},
        # What a row is named by is itself altered.
        "pending_launch": lambda: {f"pending_launch {each}" for each in (row["state"], f"{row['state']}x")},
        "browser_session": lambda: {f"browser_session {row['handle']}{each}" for each in ("", "x")},
        "throttle": lambda: {f"throttle {row['key']}{each}" for each in ("", "x")},
        "collecting": lambda: {f"collecting {row['site']}{each}" for each in ("", "x")},
        "plan_copy": lambda: {f"plan_copy {row['site']}{each}" for each in ("", "x")},
        "collected": lambda: {
            f"collected {site} {place}"
            for site in (row["site"], f"{row['site']}x")
            for place in (row["reference"], f"{row['reference']}x")
        },
        "log_pending": lambda: {
            f"{kind} {name}"
            for kind in (row["kind"], f"{row['kind']}x")
            for name in (row["row"], f"{row['row']}x")
        },
        "log_leaf": lambda: {f"{row['kind']} {row['row']}", f"leaf {row['place']}"},
    }
    return int(row["own"]), names[table]()


def test_what_nobody_touched_verifies(kept: Kept) -> None:
    assert kept.verify() == []


def test_a_row_that_was_set_aside_is_named_with_the_reason(kept: Kept) -> None:
    kept.run(
        "INSERT INTO log_pending (kind, \"row\", problem) VALUES ('response', 'r1', 'The seal was altered')"
    )
    (found,) = (each for each in kept.verify() if each.flaw is Flaw.NOT_LOGGED)
    assert found.where == "response r1"
    assert "The seal was altered" in found.what


@pytest.mark.parametrize("key", ["9" * 20, "9" * 5000, "words"])
def test_a_leaf_that_names_an_attempt_there_cannot_be_is_named_and_the_rest_is_looked_at(
    kept: Kept, key: str
) -> None:
    own = "(SELECT min(place) FROM log_leaf WHERE kind = 'attempt')"
    kept.run(f"UPDATE log_leaf SET \"row\" = '{key}' WHERE place = {own}", "UPDATE norm SET why = 'another'")
    found = {(each.flaw, each.where.partition(" ")[0]) for each in kept.verify()}
    assert {(Flaw.DELETED, "attempt"), (Flaw.NOT_LOGGED, "attempt"), (Flaw.ALTERED, "norm")} <= found


@pytest.mark.parametrize("key", ["9" * 20, "words"])
def test_the_log_goes_on_when_an_attempt_waits_for_it_that_there_cannot_be(kept: Kept, key: str) -> None:
    record(kept, 1)
    kept.run(f"INSERT INTO log_pending (kind, \"row\") VALUES ('attempt', '{key}')")
    asyncio.run(advance(kept.folder))
    assert [(each.flaw, each.where) for each in kept.verify() if each.flaw is Flaw.NOT_LOGGED] == [
        (Flaw.NOT_LOGGED, f"attempt {key}")
    ]


def test_every_column_of_every_table_is_tried() -> None:
    assert set(DETECTED) == set(EVERY)


Part = dict[tuple[str, str], tuple[int, set[str]]]


# Rows of these are held against those of others.
ALONE = ("audit", "log_leaf")
HELD_AGAINST = {
    "response": ("attempt", "delivery", "invitation", "sign_off"),
    "rescoring": ("attempt", "delivery", "invitation", "revision"),
    "delivery": ("attempt", "invitation", "revision", "sign_off"),
}


def may_stand_beside(table: str, other: str) -> bool:
    """Tell whether no finding about a row of either table is of a row of the other."""
    against = (*HELD_AGAINST.get(table, ()), *HELD_AGAINST.get(other, ()), *ALONE)
    return table != other and table not in against and other not in against


def apart(kept: Kept, columns: Iterable[tuple[str, str]]) -> list[Part]:
    """Part columns, one of a table, each with a row: no finding about a row could be about another one of its part."""
    parts: list[Part] = []
    for table, column in columns:
        row, names = names_of(kept, table, column)
        part = next(
            part
            for part in (*parts, {})
            if all(may_stand_beside(table, other) for other, _ in part)
            if all(names.isdisjoint(others) for _, others in part.values())
        )
        if not part:
            parts.append(part)
        part[table, column] = row, names
    return parts


@pytest.mark.parametrize("waiting", [False, True], ids=["of what stands", "of what waits for the log"])
def test_an_altered_column_is_found_in_its_row(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory, *, waiting: bool
) -> None:
    if waiting:
        record(kept, 1)
    expected = {each: DETECTED[each] for each in DETECTED if (each[0] == "log_pending") is waiting}
    told: dict[tuple[str, str], set[str]] = {}
    for part in apart(kept, expected):
        copy = Kept(tmp_path_factory.mktemp("altered"))
        shutil.copytree(kept.folder, copy.folder, dirs_exist_ok=True)
        statements = [altered(table, column, row) for (table, column), (row, _) in part.items()]
        assert copy.run(*statements) == len(part)
        found = copy.verify()
        for of, (_, names) in part.items():
            told[of] = {str(each.flaw) for each in found if names & {each.where, each.where.split(",")[0]}}
    assert told == expected


ROWS = {
    "a delivery counts as not sent": "UPDATE delivery SET state = 'saved'",
    "a delivery counts as refused": "UPDATE delivery SET state = 'refused'",
    "a delivery is removed": "DELETE FROM delivery",
    "an attempt is removed": "DELETE FROM attempt",
    "an attempt is added": (
        "INSERT INTO attempt (response, started, finished, state, detail) "
        "SELECT response, started, finished, state, detail FROM attempt LIMIT 1"
    ),
    "an audit entry is removed": "DELETE FROM audit WHERE id = 3",
    "a response is removed": "DELETE FROM response",
    "a response is removed with all that belongs to it": (
        "DELETE FROM attempt; DELETE FROM delivery; DELETE FROM response"
    ),
    "scores by another version are removed": "DELETE FROM rescoring",
    "scores by another version are added, to be logged": (
        "INSERT INTO rescoring SELECT 'forged', response, 1, instrument, key_hash, computed, computed_by, why, software, "
        "sealed_results FROM rescoring; INSERT INTO log_pending (kind, \"row\") VALUES ('rescoring', 'forged')"
    ),
    "a norm is removed": "DELETE FROM norm",
    "a norm is added, to be logged": (
        "INSERT INTO norm SELECT 'forged', site, instrument, score, rater, age_band, action, decided, decided_by, "
        "why, figures FROM norm; INSERT INTO log_pending (kind, \"row\") VALUES ('norm', 'forged')"
    ),
    "a review is removed with what was signed in it": "DELETE FROM sign_off; DELETE FROM review",
    "a sign-off is removed": "DELETE FROM sign_off",
    "a sign-off is added, to be logged": (
        "INSERT INTO sign_off SELECT 'forged', review, response, verdict, sealed_comment, signed, signed_by FROM sign_off; "
        "INSERT INTO log_pending (kind, \"row\") VALUES ('sign_off', 'forged')"
    ),
    "a configuration is removed": "DELETE FROM configuration",
    "an erasure is removed": "DELETE FROM erasure",
    "two responses exchange their answers": (
        "CREATE TEMP TABLE swap AS SELECT id, sealed_body FROM response; "
        "UPDATE response SET sealed_body = (SELECT sealed_body FROM swap WHERE swap.id != response.id)"
    ),
    "two responses exchange their scores": (
        "CREATE TEMP TABLE swap AS SELECT id, sealed_results FROM response; "
        "UPDATE response SET sealed_results = (SELECT sealed_results FROM swap WHERE swap.id != response.id)"
    ),
    "a launch is removed": "DELETE FROM launch WHERE id NOT IN (SELECT launch FROM invitation)",
    "a launch is invented": (
        "INSERT INTO launch SELECT 'forged', handle, site, patient, encounter, 'Practitioner/9', created, expires, ended, "
        "role_codes, sealed_context, sealed_note, note_kept, seal FROM launch LIMIT 1"
    ),
    "a launch loses its tokens": "UPDATE launch SET sealed_context = x''",
    "a browser session is invented": (
        "INSERT INTO browser_session SELECT 'forged', created, last_seen, handing, locked, locked_for, pin, pin_attempts, seal "
        "FROM browser_session LIMIT 1"
    ),
    "a browser session is unlocked": "UPDATE browser_session SET locked = NULL WHERE locked IS NOT NULL",
    "a delivery takes the seal of another": (
        "UPDATE delivery SET due = due + 1, seal = (SELECT seal FROM delivery AS other WHERE other.response != delivery.response)"
    ),
    "rows lose their seals": "UPDATE plan_copy SET seal = NULL",
    "what waits for the log is logged already": (
        'INSERT INTO log_pending (kind, "row") SELECT kind, "row" FROM log_leaf WHERE place = 0'
    ),
    "an invitation is removed": "DELETE FROM invitation WHERE state = 'opened'",
    "an invitation counts as withdrawn": "UPDATE invitation SET state = 'withdrawn' WHERE state = 'opened'",
    "a form that was sent counts as open": "UPDATE invitation SET state = 'opened' WHERE state = 'submitted'",
    "a caregiver's consent is removed": "UPDATE invitation SET gate_answer = NULL, gate_answered = NULL",
    "a note counts as written into the record": (
        "UPDATE note_delivery SET state = 'delivered', detail = '', location = 'DocumentReference/1'"
    ),
    "a leaf is removed": "DELETE FROM log_leaf WHERE place = 2",
    "a leaf is moved": "UPDATE log_leaf SET place = 100000 WHERE place = 2",
    "leaves are put in another order": (
        "UPDATE log_leaf SET place = -1 WHERE place = 1; UPDATE log_leaf SET place = 1 WHERE place = 2; "
        "UPDATE log_leaf SET place = 2 WHERE place = -1"
    ),
    "a leaf's salt is removed": "UPDATE log_leaf SET salt = NULL WHERE place = 2",
    "a leaf counts as erased, and its row stands": "UPDATE log_leaf SET erased = 1 WHERE place = 2",
    "a row is removed, and its leaf counts as erased": (
        "UPDATE log_leaf SET salt = NULL, erased = 1 WHERE kind = 'norm'; DELETE FROM norm"
    ),
    "the database is restored from yesterday": "DELETE FROM log_leaf WHERE place > 5",
}


def rewritten(old: str, new: str, *, table: str = "attempt") -> str:
    """Write SQL that changes how a table is declared, which SQLite has no words for."""
    return (
        "PRAGMA writable_schema=ON; "
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'"
    )


PARTIAL = (
    "PRAGMA writable_schema=RESET; DROP INDEX ix_audit_kind; "
    "CREATE INDEX ix_audit_kind ON audit (kind) WHERE kind <> 'patient-viewed'"
)
HIDDEN = "; ".join(
    (
        "PRAGMA writable_schema=ON",
        "CREATE TEMP TABLE line AS SELECT * FROM sqlite_master WHERE name = 'ix_note_site_patient'",
        "CREATE TEMP TABLE hidden AS SELECT * FROM note",
        "DELETE FROM note",
        "DELETE FROM sqlite_master WHERE name = 'ix_note_site_patient'",
        "PRAGMA writable_schema=RESET",  # the schema is read anew
        "INSERT INTO note SELECT * FROM hidden",
        "PRAGMA writable_schema=ON",
        "INSERT INTO sqlite_master SELECT * FROM line",
    )
)
SCHEMA = {
    "a trigger is added": (
        "CREATE TRIGGER hiding AFTER INSERT ON audit BEGIN DELETE FROM audit WHERE id = NEW.id; END",
        "trigger hiding on audit",
    ),
    "a view is added": ("CREATE VIEW seen AS SELECT id FROM response", "view seen"),
    "a table is added": ("CREATE TABLE response_too (id TEXT)", "table response_too"),
    "a column is added": ("ALTER TABLE audit ADD COLUMN hidden TEXT", "column audit.hidden"),
    "an index is added": ("CREATE INDEX more ON audit (digest)", "index more on audit"),
    "an index is removed": ("DROP INDEX ix_norm_site", "index ix_norm_site on norm"),
    "a column takes values of another type": (
        rewritten("status INTEGER", "status TEXT"),
        "column attempt.status",
    ),
    "a column may be empty that must not": (
        rewritten("writer VARCHAR(100)", "writer VARCHAR(100) NOT NULL"),
        "column attempt.writer",
    ),
    "a column has another default": (
        rewritten("answer TEXT", "answer TEXT DEFAULT 5"),
        "column attempt.answer",
    ),
    "a constraint is added": (
        rewritten("detail TEXT NOT NULL", "detail TEXT NOT NULL CONSTRAINT tiny CHECK (number < 2)"),
        "constraint tiny on attempt",
    ),
    "the step of the schema is removed": ("DELETE FROM alembic_version", "alembic_version"),
    "text is compared in another way": (
        rewritten("state VARCHAR(16)", "state VARCHAR(16) COLLATE NOCASE"),
        "table attempt",
    ),
    "a conflict replaces what stands": (
        rewritten("UNIQUE (event)", "UNIQUE (event) ON CONFLICT REPLACE", table="audit"),
        "table audit",
    ),
    "an index on an expression is added": (
        "CREATE UNIQUE INDEX once ON review (lower(why))",
        "index once on review",
    ),
    "an index leaves rows out": (
        PARTIAL,
        "index ix_audit_kind on audit",
    ),
    "a row is kept out of an index": (HIDDEN, "index ix_note_site_patient on note"),
}
GONE = {
    "a table is removed": ("DROP TABLE throttle", "table throttle"),
    "a column is removed": ("ALTER TABLE revision DROP COLUMN why", "column revision.why"),
}


def test_what_was_added_to_the_database_or_says_another_schema_is_found(kept: Kept) -> None:
    assert [row[0] for row in table_of("The database itself")] == [*SCHEMA, *GONE]
    for statement, _ in SCHEMA.values():
        kept.run(*statement.split("; ") if "PRAGMA" in statement else [statement])
    found = [(each.flaw, each.where) for each in kept.verify()]
    assert sorted(found) == sorted((Flaw.SCHEMA, where) for _, where in SCHEMA.values())


@pytest.mark.parametrize("what", GONE)
def test_without_a_table_or_a_column_that_is_named_and_that_the_rest_cannot_be_read(
    kept: Kept, what: str
) -> None:
    statement, where = GONE[what]
    kept.run(statement)
    progress = Progress()
    found = kept.verify(progress=progress)
    assert where in {each.where for each in found}
    assert {each.flaw for each in found} == {Flaw.SCHEMA}
    (said,) = progress.not_looked_at
    assert where.split()[1] in said


KINDS = {
    "text becomes bytes": "CAST(COALESCE({0}, 'x') AS BLOB)",
    "text is no UTF-8": "CAST(x'fffe' AS TEXT)",
    "text has a NUL in it": "COALESCE({0}, '') || char(0) || 'x'",
    "a number becomes words": "'words'",
    "a number becomes a fraction": "1.5",
    "a time lies beyond the year 9999": "9223372036854775807",
    "bytes become text": "'words'",
    "a flag is neither yes nor no": "7",
}
OF_KIND = {
    "text": [("response", "rater"), ("audit", "kind"), ("invitation", "author"), ("attempt", "state")],
    "number": [("delivery", "attempts"), ("attempt", "status"), ("throttle", "tries"), ("response", "received")],
    "time": [("audit", "recorded"), ("launch", "expires"), ("response", "authored"), ("delivery", "delivered")],
    "bytes": [("response", "sealed_body"), ("audit", "sealed_resource"), ("log_leaf", "entry"), ("launch", "seal")],
    "flag": [("erasure", "with_trail")],
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_a_value_of_another_kind_is_found_in_its_row_and_the_rest_is_looked_at(kept: Kept, what: str) -> None:
    assert [row[0] for row in table_of("Values of another kind")] == list(KINDS)
    kept.run("UPDATE norm SET why = 'another'")
    (kind,) = (each for each in OF_KIND if what.startswith((each, f"a {each}")))
    expected = {}
    for table, column in OF_KIND[kind]:
        row, names = names_of(kept, table, column)
        kept.run(f'UPDATE {table} SET "{column}" = {KINDS[what].format(column)} WHERE rowid = {row}')
        expected[table, column] = names
    found = {each.where.split(",")[0] for each in kept.verify() if each.flaw is Flaw.ALTERED}
    for column_of, names in expected.items():
        assert names & found, column_of
    assert any(each.startswith("norm ") for each in found)


@pytest.mark.parametrize(("table", "column"), [("response", "id"), ("launch", "id"), ("log_leaf", "place")])
def test_a_row_whose_key_is_of_another_kind_is_named_by_it(kept: Kept, table: str, column: str) -> None:
    row, names = names_of(kept, table, column)
    kept.run(f"UPDATE {table} SET {column} = CAST({column} AS BLOB) WHERE rowid = {row}")
    found = [each for each in kept.verify() if each.where in names and "is of the kind blob" in each.what]
    assert len(found) == 1


def test_a_ledger_that_may_only_be_read_is_verified_with_values_of_another_kind(kept: Kept) -> None:
    kept.run("UPDATE audit SET recorded = 'words' WHERE id = 3")
    settings = rapport_settings(kept.folder)
    reading = ReadingLedger(settings.database, Vault(settings.vault_keys), has_own_role=False)
    found, rest = asyncio.run(
        reading.read(
            lambda connection: (
                kept.verify(connection=connection),
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_temp_master").scalar_one(),
            )
        )
    )
    with pytest.raises(sa.exc.OperationalError, match="readonly"):
        asyncio.run(reading.read(lambda c: c.exec_driver_sql("DELETE FROM audit")))
    reading.close()
    assert Flaw.ALTERED in {each.flaw for each in found}
    assert rest == 0


@pytest.mark.parametrize(("what", "named"), table_of("Rows"))
def test_rows_that_were_changed_removed_or_added_are_found(kept: Kept, what: str, named: str) -> None:
    assert kept.run(*ROWS[what].split("; ")) >= 1
    assert {str(each) for each in flaws(kept)} >= set(words(named))


def test_every_way_to_alter_rows_stands_on_the_page() -> None:
    assert [row[0] for row in table_of("Rows")] == list(ROWS)


def test_the_copies_in_the_ehr_that_are_altered_stand_on_the_page() -> None:
    tried = {
        *((f"Observation: {name}", flaw) for name, _, flaw in test_record.OBSERVATION),
        *((f"QuestionnaireResponse: {name}", flaw) for name, _, flaw in test_record.RESPONSE),
        *((f"Provenance: {name}", "provenance") for name, _, _ in test_record.PROVENANCE),
    }
    told = {(row[0], words(row[1])[0]) for row in table_of("Copies in the EHR")}
    assert tried <= told


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


FILES: dict[str, Callable[[bytes], bytes | None]] = {
    "a byte is changed at its end": lambda whole: whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:],
    "a byte is changed in its middle": lambda whole: (
        whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    ),
    "it is cut short": lambda whole: whole[:-5],
    "it is emptied": lambda _: b"",
    "it is removed": lambda _: None,
    "bytes are appended": lambda whole: whole + bytes(32),
    "an entry is appended": lambda whole: whole + b"\x00\x03abc",
    "it holds its content twice": lambda whole: whole + whole,
}


def test_every_altered_file_of_the_log_is_found(kept: Kept) -> None:
    record(kept, 300, logged=True)  # full tiles, and tiles of the second level
    assert [row[0] for row in table_of("Files of the log")] == list(FILES)
    # Narrower versions of a partial tile are left from earlier checkpoints: these may be gone, and not be others.
    narrower = {name for name in files(kept.tiles) if ".p/" in name} - widest(kept.tiles)
    assert {"checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"} <= set(files(kept.tiles))
    assert {Path(name).parts[1] for name in narrower} == {"0", "entries"}
    for place, name in enumerate(files(kept.tiles)):
        path = kept.tiles / name
        whole = path.read_bytes()
        tried = {
            what: damage(whole)
            for what, damage in FILES.items()
            if damage(whole) is not None or name not in narrower
        }
        # Everything is verified once for each file, with one damage after the other: the rest of it stays as it is.
        thoroughly = list(tried)[place % len(tried)]
        for what, damaged in tried.items():
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            found = in_log(kept)
            assert Flaw.LOG in {each.flaw for each in found}, (name, what)
            if what == thoroughly:
                assert kept.verify() == found, (name, what)
        path.write_bytes(whole)
    assert in_log(kept) == kept.verify() == []


def in_log(kept: Kept) -> list[Finding]:
    """Verify the log, and nothing else of the ledger."""
    settings = rapport_settings(kept.folder)
    tiles, progress = Tiles(settings.log_folder), Progress()
    key = LogSigner(settings.log_name, settings.log_key).verifier
    tree = Tree(Vault(settings.vault_keys), tiles, key)
    signed = tree.signed()
    if isinstance(signed, Finding):
        return [signed]
    engine = open_database(settings.database)
    with engine.connect() as connection:
        found = [
            *tree.check_leaves(connection, signed, tiles.reach(), progress),
            *tree.check_files(signed, progress),
        ]
    engine.dispose()
    return found


def widest(folder: Path) -> set[str]:
    found: dict[Path, Path] = {}
    for each in folder.rglob("*.p/*"):
        known = found.get(each.parent)
        if (known is None or int(each.name) > int(known.name)) and not each.parent.with_suffix("").exists():
            found[each.parent] = each
    return {str(each.relative_to(folder)) for each in found.values()}


def restore(kept: Kept, *, log: bool) -> None:
    """Put the database of yesterday back, and the log's files too if somebody thinks of them."""
    settings = rapport_settings(kept.folder)
    database = Path(str(sa.make_url(settings.database).database))
    for name in (f"{database}-wal", f"{database}-shm"):
        Path(name).unlink(missing_ok=True)
    shutil.copy(kept.folder / "yesterday" / "rapport.sqlite3", database)
    if log:
        shutil.rmtree(kept.tiles)
        shutil.copytree(kept.folder / "yesterday" / "log", kept.tiles)


def test_a_database_of_yesterday_beside_todays_log_is_found(kept: Kept) -> None:
    restore(kept, log=False)
    found = kept.verify()
    assert {each.flaw for each in found} == {Flaw.LOG}
    assert any("restored from an older state" in each.what for each in found)


def test_ledger_and_checkpoint_of_yesterday_beside_todays_files_are_found(kept: Kept) -> None:
    restore(kept, log=False)
    shutil.copy(kept.folder / "yesterday" / "log" / "checkpoint", kept.tiles / "checkpoint")
    (found,) = kept.verify()
    assert (found.flaw, found.where) == (Flaw.LOG, "ledger")
    assert "restored from an older state" in found.what


def test_a_tile_beyond_what_the_ledger_has_is_found(kept: Kept) -> None:
    (kept.tiles / "tile" / "0" / "x001").mkdir()
    (kept.tiles / "tile" / "0" / "x001" / "234").write_bytes(bytes(8192))
    (found,) = kept.verify()
    assert (found.flaw, found.where) == (Flaw.LOG, "ledger")
    assert f"entry {1235 * 256}" in found.what


def test_a_checkpoint_of_yesterday_beside_todays_ledger_and_files_is_found(kept: Kept) -> None:
    shutil.copy(kept.folder / "yesterday" / "log" / "checkpoint", kept.tiles / "checkpoint")
    (found,) = kept.verify()
    assert (found.flaw, found.where) == (Flaw.LOG, "checkpoint")
    assert "an older checkpoint was put back" in found.what


def test_what_was_logged_a_moment_ago_need_not_be_signed_yet(kept: Kept) -> None:
    shutil.copy(kept.folder / "yesterday" / "log" / "checkpoint", kept.tiles / "checkpoint")
    assert kept.verify(clock=lambda: datetime(2026, 3, 2, 9, 5, tzinfo=UTC)) == []


def test_a_whole_installation_of_yesterday_is_found_by_a_checkpoint_kept_outside(kept: Kept) -> None:
    kept_outside = (kept.tiles / "checkpoint").read_bytes()
    assert kept.verify(kept_outside) == []
    restore(kept, log=True)
    assert kept.verify() == []  # without what was kept outside nothing shows it
    assert [(each.flaw, each.where) for each in kept.verify(kept_outside)] == [(Flaw.LOG, "older checkpoint")]
