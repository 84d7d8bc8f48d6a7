"""Counts tries of what could be guessed. Functions of one connection."""

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from plugin.errors import TooManyAttempts
from plugin.ledger import Vault, change_rows, insert_new
from plugin.ledger.tables import throttle

WINDOW = timedelta(minutes=10)


def count_try(connection: Connection, vault: Vault, what: str, source: str, now: datetime, most: int) -> None:
    """Count one try of `what` from `source`; TooManyAttempts after `most` within ten minutes.

    Only a keyed digest of the source is kept. Call it in a transaction of its own, before the try.
    """
    key = vault.digest("throttle", f"{what}\n{source}")
    connection.execute(throttle.delete().where(throttle.c.since < now - WINDOW))
    # Of two first tries at the same moment, in two processes, neither fails and both count: the later one waits for the row.
    first = insert_new(connection, throttle, {"key": key, "since": now, "tries": 1})
    own = (throttle.c.key == key,)
    counted = [] if first else change_rows(connection, throttle, own, lambda row: {"tries": row["tries"] + 1})
    if any(each["tries"] > most for each in counted):
        raise TooManyAttempts("That was tried too often.", "Wait ten minutes, then try again.")
