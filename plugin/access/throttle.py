"""Counts tries of what could be guessed. Functions of one connection."""

import math
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.errors import TooManyAttempts
from plugin.ledger import Vault, change_rows, insert_new
from plugin.ledger.tables import throttle

WINDOW = timedelta(minutes=10)
MOST_REFUSALS = 60
"""Entries of the trail that one place is given within the window for refusals of people whom nobody knows."""
_REFUSALS = "refusal "  # what their keys begin with: the rest of the digest still has 224 bits
_KEY_LENGTH = 64


def count_try(connection: Connection, vault: Vault, what: str, source: str, now: datetime, most: int) -> None:
    """Count one try of `what` from `source`; TooManyAttempts after `most` within ten minutes.

    Only a keyed digest of the source is kept. Call it in a transaction of its own, before the try.
    """
    tries, since = _count(connection, vault.digest("throttle", f"{what}\n{source}"), now)
    if tries > most:
        raise _too_many(since, now)


def check_tries(
    connection: Connection, vault: Vault, what: str, source: str, now: datetime, most: int
) -> None:
    """TooManyAttempts if `most` tries were counted within ten minutes; counts none itself."""
    known = connection.execute(
        sa.select(throttle.c.tries, throttle.c.since).where(
            throttle.c.key == vault.digest("throttle", f"{what}\n{source}"), throttle.c.since >= now - WINDOW
        )
    ).first()
    if known is not None and known.tries >= most:
        raise _too_many(known.since, now)


def count_refusal(connection: Connection, vault: Vault, source: str, now: datetime) -> int:
    """Count a refusal of somebody unknown; gives how many came from this place within the window."""
    digest = vault.digest("throttle", f"refusal\n{source}")
    return _count(connection, f"{_REFUSALS}{digest}"[:_KEY_LENGTH], now)[0]


def unwritten_refusals(connection: Connection, now: datetime) -> tuple[tuple[str, int], ...]:
    """List the places whose window is over and from which more came than have entries: key, how many more."""
    rows = connection.execute(
        sa.select(throttle.c.key, throttle.c.tries).where(throttle.c.since < now - WINDOW, _holds_unwritten())
    )
    return tuple((str(row.key), int(row.tries) - MOST_REFUSALS) for row in rows)


def forget_refusals(connection: Connection, key: str, more: int) -> bool:
    """Take a place off the list; False if another process did, or more have come meanwhile."""
    gone = connection.execute(
        throttle.delete().where(throttle.c.key == key, throttle.c.tries == MOST_REFUSALS + more)
    )
    return gone.rowcount == 1


def _holds_unwritten() -> sa.ColumnElement[bool]:
    return sa.and_(throttle.c.key.startswith(_REFUSALS), throttle.c.tries > MOST_REFUSALS)


def _count(connection: Connection, key: str, now: datetime) -> tuple[int, datetime]:
    """Count one more; gives how many there are now, and since when."""
    # What has no entry yet waits for its last one, which says how many there were.
    connection.execute(throttle.delete().where(throttle.c.since < now - WINDOW, ~_holds_unwritten()))
    # Of two first tries at the same moment, in two processes, neither fails and both count: the later one waits for the row.
    first = insert_new(connection, throttle, {"key": key, "since": now, "tries": 1})
    own = (throttle.c.key == key,)
    counted = [] if first else change_rows(connection, throttle, own, lambda row: {"tries": row["tries"] + 1})
    return max(((int(each["tries"]), each["since"]) for each in counted), default=(1, now))


def _too_many(since: datetime, now: datetime) -> TooManyAttempts:
    wait = since + WINDOW - now
    minutes = max(math.ceil(wait / timedelta(minutes=1)), 1)
    return TooManyAttempts(
        "That was tried too often.",
        "Wait a minute, then try again." if minutes == 1 else f"Wait {minutes} minutes, then try again.",
        seconds=max(math.ceil(wait.total_seconds()), 0) + 1,
    )
