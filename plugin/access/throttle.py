"""Counts tries of what could be guessed. Functions of one connection."""

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from plugin.errors import TooManyAttempts
from plugin.ledger import Vault, insert_into
from plugin.ledger.tables import throttle

WINDOW = timedelta(minutes=10)


def count_try(connection: Connection, vault: Vault, what: str, source: str, now: datetime, most: int) -> None:
    """Count one try of `what` from `source`; TooManyAttempts after `most` within ten minutes.

    Only a keyed digest of the source is kept. Call it in a transaction of its own, before the try.
    """
    key = vault.digest("throttle", f"{what}\n{source}")
    connection.execute(throttle.delete().where(throttle.c.since < now - WINDOW))
    # One statement: of two first tries at the same moment, in two processes, neither fails and both count.
    tries = connection.execute(
        insert_into(connection, throttle)
        .values(key=key, since=now, tries=1)
        .on_conflict_do_update(index_elements=("key",), set_={"tries": throttle.c.tries + 1})
        .returning(throttle.c.tries)
    ).scalar_one()
    if tries > most:
        raise TooManyAttempts("That was tried too often.", "Wait ten minutes, then try again.")
