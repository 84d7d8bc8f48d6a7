"""Whether the database holds what Rapport put there and nothing else: tables with all that binds them, triggers, views, rules."""

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
    steps = connection.execute(sa.select(t.alembic_version.c.version_num)).scalars().all()
    if list(steps) != [HEAD]:
        said = ", ".join(map(str, steps)) or "none"
        what = f"The database says that its schema is {said}; this software made it {HEAD}."
        yield Finding(Flaw.SCHEMA, "alembic_version", what)
    yield from _tables(connection)
    for kind, name, table in connection.exec_driver_sql(_STRANGERS[connection.dialect.name]):
        on = "" if name == table else f" on {table}"
        yield Finding(Flaw.SCHEMA, f"{kind} {name}{on}", "Rapport did not make it.")


def _tables(connection: Connection) -> Iterator[Finding]:
    """Give tables, columns, keys, indexes and constraints that are not this software's, or lack, or are others."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"compare_type": True, "compare_server_default": True}
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
