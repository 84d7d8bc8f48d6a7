"""Runs the steps on the connection that `plugin.ledger.schema.upgrade` hands over."""

from alembic import context

from plugin.ledger import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
with context.begin_transaction():
    context.run_migrations()
