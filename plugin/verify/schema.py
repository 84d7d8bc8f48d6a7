"""Whether the database holds what Rapport put there and nothing else: tables, indexes and what they hold, triggers, views, rules."""

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import tables as t
from plugin.ledger.schema import HEAD
from plugin.verify.findings import Finding, Flaw

# Rapport makes none of these. The rules of views are theirs; constraints have triggers of PostgreSQL's own, which are on.
_STRANGERS = {
    "sqlite": "SELECT type, name, tbl_name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY type, name",
    "postgresql": """
        SELECT 'trigger', tgname::text, tgrelid::regclass::text FROM pg_trigger
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE NOT tgisinternal AND relnamespace::regnamespace::name = ANY (current_schemas(false))
        UNION ALL SELECT 'switched-off trigger', tgname::text, tgrelid::regclass::text FROM pg_trigger
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE tgisinternal AND tgenabled <> 'O' AND relnamespace::regnamespace::name = ANY (current_schemas(false))
        UNION ALL SELECT 'collation of', attname::text, attrelid::regclass::text FROM pg_attribute
            JOIN pg_class ON pg_class.oid = attrelid JOIN pg_type ON pg_type.oid = atttypid
            WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND attcollation <> typcollation
            AND relnamespace::regnamespace::name = ANY (current_schemas(false))
        UNION ALL SELECT 'event trigger', evtname::text, evtname::text FROM pg_event_trigger
        UNION ALL SELECT 'view', viewname::text, viewname::text FROM pg_views
            WHERE schemaname = ANY (current_schemas(false))
        UNION ALL SELECT 'materialized view', matviewname::text, matviewname::text FROM pg_matviews
            WHERE schemaname = ANY (current_schemas(false))
        UNION ALL SELECT 'rule', rulename::text, tablename::text FROM pg_rules
            WHERE schemaname = ANY (current_schemas(false))
        UNION ALL SELECT 'policy', policyname::text, tablename::text FROM pg_policies
            WHERE schemaname = ANY (current_schemas(false))
        ORDER BY 1, 2
    """,
}


def check_schema(connection: Connection) -> Iterator[Finding]:
    """Give a schema's step that is not this software's, and whatever was added to the database or taken from it."""
    step = sa.select(t.alembic_version.c.version_num)
    is_there = sa.inspect(connection).has_table(t.alembic_version.name)
    steps = connection.execute(step).scalars().all() if is_there else []
    if list(steps) != [HEAD]:
        said = ", ".join(map(str, steps)) or "none"
        what = f"The database says that its schema is {said}; this software made it {HEAD}."
        yield Finding(Flaw.SCHEMA, "alembic_version", what)
    yield from _tables(connection)
    yield from _declared(connection)
    if connection.dialect.name == "sqlite":
        yield from _sound(connection)
    for kind, name, table in connection.exec_driver_sql(_STRANGERS[connection.dialect.name]):
        on = "" if name == table else f" on {table}"
        yield Finding(Flaw.SCHEMA, f"{kind} {name}{on}", "Rapport did not make it.")


def lacks(connection: Connection) -> tuple[str, ...]:
    """Name tables and columns without which the rest cannot be read."""
    inspector = sa.inspect(connection)
    lacking = []
    for name, table in t.metadata.tables.items():
        if table is t.alembic_version:
            continue
        if not inspector.has_table(name):
            lacking.append(name)
            continue
        there = {each["name"] for each in inspector.get_columns(name)}
        lacking += [f"{name}.{each.name}" for each in table.columns if each.name not in there]
    return tuple(lacking)


# Rapport declares nothing with these words. What they do, neither reflection nor comparison tells.
_UNUSED = re.compile(r"\b(COLLATE|CONFLICT|STRICT|ROWID|GENERATED|AUTOINCREMENT)\b", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_PLAIN = re.compile(r"CREATE (UNIQUE )?INDEX \S+ ON \S+ USING btree \((\w+|\"\w+\")(, (\w+|\"\w+\"))*\)")
_INDEXES = """
    SELECT index.relname::text, owner.relname::text, pg_get_indexdef(indexrelid), indisvalid AND indisready AND indislive
    FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
    WHERE owner.relnamespace::regnamespace::name = ANY (current_schemas(false)) ORDER BY 1
"""


def _declared(connection: Connection) -> Iterator[Finding]:
    """Give what tables and indexes are declared with beyond what is compared: which rows, whose values, what a conflict does."""
    if connection.dialect.name != "sqlite":
        yield from _declared_indexes(connection)
        return
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'index') ORDER BY type, name"
    for kind, name, table, declared in connection.exec_driver_sql(query).all():
        where = f"index {name} on {table}" if kind == "index" else f"table {name}"
        words = _UNUSED.findall(_QUOTED.sub("", declared or ""))
        if table in t.metadata.tables and words:
            said = ", ".join(dict.fromkeys(each.upper() for each in words))
            yield Finding(Flaw.SCHEMA, where, f"It is declared with {said}, and Rapport made it without.")
        if kind == "index" and _has_expression(connection, name):
            yield Finding(Flaw.SCHEMA, where, "Rapport did not make it.")
        elif kind == "index" and _is_partial(connection, table, name):
            yield Finding(Flaw.SCHEMA, where, "It is declared with WHERE, and Rapport made it without.")


def _has_expression(connection: Connection, index: str) -> bool:
    query = sa.text("SELECT 1 FROM pragma_index_xinfo(:name) WHERE cid = -2")
    return connection.execute(query, {"name": index}).first() is not None


def _is_partial(connection: Connection, table: str, index: str) -> bool:
    # Asked of SQLite: in how it is declared, WHERE can stand between comments.
    query = sa.text("SELECT partial FROM pragma_index_list(:table) WHERE name = :name")
    return bool(connection.execute(query, {"table": table, "name": index}).scalar())


def _declared_indexes(connection: Connection) -> Iterator[Finding]:
    """Give PostgreSQL's indexes that are more than columns, or not in use."""
    for name, table, declared, in_use in connection.exec_driver_sql(_INDEXES).all():
        if table in t.metadata.tables and not (in_use and _PLAIN.fullmatch(declared)):
            yield Finding(Flaw.SCHEMA, f"index {name} on {table}", "It is another than Rapport made.")


_MOST_MESSAGES = 10_000
_OF_INDEX = re.compile(
    r"(?:row \d+ (?:missing|values differ) from|wrong # of entries in|non-unique entry in"
    r"|rowid not at end-of-record for row \d+ of) index (.+)"
)
# Values are looked at row by row, and what is declared is compared.
_OF_VALUE = re.compile(r"\w+ value in \S+|CHECK constraint failed in \S+")


def _sound(connection: Connection) -> Iterator[Finding]:
    """Have SQLite hold every index against its table: a row that an index lacks is not found by whoever searches by it."""
    named = connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
    owners = {each.name: each.tbl_name for each in named}
    told = connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_MESSAGES})").scalars().all()
    lines = [line for each in told for line in str(each).splitlines()]
    indexes = dict.fromkeys(found[1] for line in lines if (found := _OF_INDEX.fullmatch(line)))
    for name in indexes:
        what = "It does not hold the rows of its table: a search by it leaves some out."
        yield Finding(Flaw.SCHEMA, f"index {name} on {owners.get(name, 'a table')}", what)
    others = [
        each
        for each in lines
        if each != "ok" and not _OF_INDEX.fullmatch(each) and not _OF_VALUE.fullmatch(each)
    ]
    if others:
        yield Finding(Flaw.SCHEMA, "ledger", f"SQLite finds its file damaged: {others[-1][:200]}.")


def _tables(connection: Connection) -> Iterator[Finding]:
    """Give tables, columns, keys, indexes and constraints that are not this software's, or lack, or are others."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"compare_type": True, "compare_server_default": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # of indexes on expressions: named by _declared
        compared = compare_metadata(MigrationContext.configure(connection, opts=options), t.metadata)
    for difference in compared:
        # What is changed about one column comes as a list of changes.
        for each in difference if isinstance(difference, list) else [difference]:
            yield _named(each)
    inspector = sa.inspect(connection)
    for name, table in t.metadata.tables.items():
        if not inspector.has_table(name):
            continue
        if inspector.get_pk_constraint(name)["constrained_columns"] != list(table.primary_key.columns.keys()):
            yield Finding(Flaw.SCHEMA, f"primary key of {name}", "It is another than Rapport made.")
        for check in inspector.get_check_constraints(name):
            yield Finding(
                Flaw.SCHEMA, f"constraint {check['name'] or 'CHECK'} on {name}", "Rapport did not make it."
            )


_CHANGED = {
    "modify_type": "It has another type than Rapport gave it.",
    "modify_nullable": "Whether it may be empty is not as Rapport made it.",
    "modify_default": "It has another default than Rapport gave it.",
}


def _named(difference: Sequence[Any]) -> Finding:
    """Name a difference between what is there and what is to be there, as alembic gives it."""
    what, *about = difference
    if what in _CHANGED:
        _, table, column, *_ = about
        return Finding(Flaw.SCHEMA, f"column {table}.{column}", _CHANGED[what])
    missing = what.startswith("add_")  # which would have to be done
    kind = {"fk": "foreign key"}.get(kind := what.split("_", 1)[1], kind)
    if kind == "column":
        where = f"{about[1]}.{about[2].name}"
    elif kind == "table":
        where = about[0].name
    else:
        columns = ", ".join(each.name for each in about[0].columns)
        where = f"{about[0].name or f'({columns})'} on {about[0].table.name}"
    return Finding(Flaw.SCHEMA, f"{kind} {where}", "It is gone." if missing else "Rapport did not make it.")
