"""Whether the secret keys are those that a ledger was written under: looked at before anything is written under others."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.errors import SettingsInvalid
from plugin.ledger.tables import audit
from plugin.ledger.vault import KEY_ID_BYTES, Vault

_KEY = sa.func.substr(audit.c.sealed_resource, 1, KEY_ID_BYTES)
_IS_SEALED = sa.func.length(audit.c.sealed_resource) > 0


def check_key(engine: Engine, vault: Vault) -> None:
    """Refuse, SettingsInvalid, keys under none of which any entry of the trail was sealed; an empty ledger takes any.

    One entry is enough: others may be altered, or may be of a start under a wrong key, which `rapport audit verify` tells.
    """
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(audit.name):
            return
        newest = connection.execute(sa.select(_KEY).where(_IS_SEALED).order_by(audit.c.id.desc()).limit(1))
        found = newest.scalar()
        if found is None or bytes(found).hex() in vault.key_ids or _is_any_ours(connection, vault):
            return
    raise SettingsInvalid(
        "This ledger was written under another key than RAPPORT_SECRET_KEY has: its newest entry names key "
        f"{bytes(found).hex()}, configured is {' and '.join(vault.key_ids)}. Nothing was written.",
        "Set RAPPORT_SECRET_KEY to the key that belongs to this database, such as the one kept for its backup; "
        "`rapport keys list` says by which keys how much is sealed. Or correct server.database.",
    )


def _is_any_ours(connection: Connection, vault: Vault) -> bool:
    ours = [bytes.fromhex(each) for each in vault.key_ids]
    query = sa.select(audit.c.id).where(_IS_SEALED, _KEY.in_(ours)).limit(1)
    return connection.execute(query).first() is not None
