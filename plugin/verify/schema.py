"""Whether the database holds what Rapport put there and nothing else: tables, columns, triggers, views, rules, policies."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import tables as t
from plugin.ledger.schema import HEAD
from plugin.verify.findings import Finding, Flaw

# Rapport makes none of these. The rules of views are theirs; constraints have triggers of PostgreSQL's own.
_STRANGERS = {
    "sqlite": "SELECT type, name, tbl_name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY type, name",
    "postgresql": """
        SELECT 'trigger', tgname::text, tgrelid::regclass::text FROM pg_trigger
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE NOT tgisinternal AND relnamespace::regnamespace::name = ANY (current_schemas(false))
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
    """Give tables and columns that are not this software's; SQLite's own begin with its name."""
    inspector = sa.inspect(connection)
    for name in sorted(inspector.get_table_names()):
        table = t.metadata.tables.get(name)
        if table is None:
            yield Finding(Flaw.SCHEMA, f"table {name}", "Rapport did not make it.")
            continue
        for column in inspector.get_columns(name):
            if column["name"] not in table.c:
                yield Finding(Flaw.SCHEMA, f"column {name}.{column['name']}", "Rapport did not make it.")
