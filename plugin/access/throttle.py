"""Counts tries of what could be guessed. Functions of one connection."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.errors import TooManyAttempts
from plugin.ledger import Vault
from plugin.ledger.tables import throttle

WINDOW = timedelta(minutes=10)


def count_try(connection: Connection, vault: Vault, what: str, source: str, now: datetime, most: int) -> None:
    """Count one try of `what` from `source`; TooManyAttempts after `most` within ten minutes.

    Only a keyed digest of the source is kept. Call it in a transaction of its own, before the try.
    """
    key = vault.digest("throttle", f"{what}\n{source}")
    connection.execute(throttle.delete().where(throttle.c.since < now - WINDOW))
    counted = connection.execute(
        throttle.update().where(throttle.c.key == key).values(tries=throttle.c.tries + 1)
    )
    if counted.rowcount == 0:
        connection.execute(throttle.insert().values(key=key, since=now, tries=1))
    tries = connection.execute(sa.select(throttle.c.tries).where(throttle.c.key == key)).scalar_one()
    if tries > most:
        raise TooManyAttempts("That was tried too often.", "Wait ten minutes, then try again.")
