"""Whether the secret keys are those that a ledger was written under: looked at before anything is written under others."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.errors import SettingsInvalid
from plugin.ledger.tables import audit
from plugin.ledger.vault import KEY_ID_BYTES, Vault


def check_key(engine: Engine, vault: Vault) -> None:
    """Refuse, SettingsInvalid, keys under which neither the oldest entry of the trail was sealed nor the newest.

    Of a ledger that was written to under a wrong key before, the oldest entry still names the right one. An empty ledger
    takes any key. An entry that names its key and does not open was altered, which `rapport audit verify` tells.
    """
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(audit.name):
            return
        named = {_key_of(connection, audit.c.id.asc()), _key_of(connection, audit.c.id.desc())} - {None}
    if named and named.isdisjoint(vault.key_ids):
        raise SettingsInvalid(
            "This ledger was written under another key than RAPPORT_SECRET_KEY has: its entries name key "
            f"{' and '.join(sorted(filter(None, named)))}, configured is {' and '.join(vault.key_ids)}. "
            "Nothing was written.",
            "Set RAPPORT_SECRET_KEY to the key that belongs to this database, such as the one kept for its backup; "
            "`rapport keys list` says by which keys how much is sealed. Or correct server.database.",
        )


def _key_of(connection: Connection, order: sa.ColumnElement[int]) -> str | None:
    sealed = audit.c.sealed_resource
    query = sa.select(sa.func.substr(sealed, 1, KEY_ID_BYTES)).where(sa.func.length(sealed) > 0)
    found = connection.execute(query.order_by(order).limit(1)).scalar()
    return None if found is None else bytes(found).hex()
