"""Browser sessions: an opaque handle in a cookie, the lock while a device is handed over.

The handle itself is never stored, only its keyed digest. Functions of one database connection.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.errors import Invalid
from plugin.ledger import Vault, change_rows, insert_row
from plugin.ledger.tables import browser_session, launch, pending_launch

PIN_ATTEMPTS = 5
INACTIVITY = timedelta(minutes=60)
LONGEST = timedelta(hours=12)  # from the last sign-in, however busy
TOUCH_EVERY = timedelta(minutes=1)
_PASSES = 5  # with 16 MB: one of the settings that OWASP's Password Storage Cheat Sheet gives for scrypt
_HANDLE_BYTES = 32  # 256 bits; ASVS 7.2.3 asks for 128


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session: `key` is the digest of its handle."""

    key: str
    locked: datetime | None
    pin: str | None  # hashed; kept from one hand-over to the next, until somebody signs in
    pin_attempts: int
    last_seen: datetime
    locked_for: str | None = None  # the invitation that the device was handed over with


def new_handle() -> str:
    """Make an opaque session handle."""
    return secrets.token_urlsafe(_HANDLE_BYTES)


def start_session(connection: Connection, key: str, now: datetime) -> None:
    """Begin a browser session."""
    insert_row(
        connection, browser_session, {"handle": key, "created": now, "last_seen": now, "pin_attempts": 0}
    )


def read_session(connection: Connection, vault: Vault, handle: str | None, now: datetime) -> Session | None:
    """Find the session of a cookie; None if it is unknown, has been idle too long, or is too old."""
    if not handle:
        return None
    row = connection.execute(
        sa.select(browser_session).where(browser_session.c.handle.in_(vault.digests("session", handle)))
    ).first()
    if row is None or row.last_seen < now - INACTIVITY or row.created < now - LONGEST:
        return None
    return Session(row.handle, row.locked, row.pin, row.pin_attempts, row.last_seen, row.locked_for)


def touch(connection: Connection, key: str, now: datetime) -> None:
    """Note that the session is in use."""
    change_rows(connection, browser_session, (browser_session.c.handle == key,), {"last_seen": now})


def renew_handle(connection: Connection, old: str, new: str, now: datetime) -> None:
    """Give a session a new handle at sign-in, with all its launches, begun ones too: a planted cookie is worth nothing then."""

    def renewed(row: Mapping[str, Any]) -> Mapping[str, object]:
        pin = row["pin"] if row["locked"] else None  # whoever signs in chooses their own
        return {"handle": new, "created": now, "last_seen": now, "pin": pin}  # somebody has signed in again

    change_rows(connection, browser_session, (browser_session.c.handle == old,), renewed)
    for table in (launch, pending_launch):
        change_rows(connection, table, (table.c.handle == old,), {"handle": new})


def check_pin_form(pin: str) -> None:
    """Invalid unless a PIN is 4 to 8 digits."""
    if not (4 <= len(pin) <= 8 and pin.isascii() and pin.isdigit()):
        raise Invalid("The PIN is not usable.", "Choose 4 to 8 digits that the respondent does not know.")


def hash_pin(pin: str) -> str:
    """Hash a PIN with scrypt (passes$salt$hash). Takes some 250 ms: call it outside a transaction."""
    salt = secrets.token_bytes(16)
    return f"{_PASSES}${salt.hex()}${_scrypt(pin, salt, _PASSES).hex()}"


def is_pin(pin: str, stored: str) -> bool:
    """Tell whether a PIN is the stored one, in constant time."""
    *passes, salt, digest = stored.split("$")
    made = _scrypt(
        pin, bytes.fromhex(salt), int(passes[0]) if passes else 1
    )  # 1 before they were written down
    return hmac.compare_digest(made, bytes.fromhex(digest))


def lock(connection: Connection, key: str, pin: str, now: datetime, invitation_id: str) -> None:
    """Lock the session while the device is with a respondent, for one form; `pin` is hashed."""
    change_rows(
        connection,
        browser_session,
        (browser_session.c.handle == key,),
        {"locked": now, "locked_for": invitation_id, "pin": pin, "pin_attempts": 0},
    )


def count_attempt(connection: Connection, key: str) -> int | None:
    """Count one PIN attempt before it is looked at; how many are left after it, None if it may not be looked at any more."""
    own = browser_session.c.handle == key, browser_session.c.pin_attempts < PIN_ATTEMPTS
    counted = change_rows(
        connection, browser_session, own, lambda row: {"pin_attempts": row["pin_attempts"] + 1}
    )
    return PIN_ATTEMPTS - int(counted[0]["pin_attempts"]) if counted else None


def unlock(connection: Connection, key: str, now: datetime) -> None:
    """Give the session back to the clinician; its PIN, still hashed, serves the next hand-over too."""
    change_rows(
        connection,
        browser_session,
        (browser_session.c.handle == key,),
        {"locked": None, "locked_for": None, "pin_attempts": 0, "last_seen": now},
    )


def end_session(connection: Connection, key: str, launches: Sequence[str], now: datetime) -> None:
    """End a session and its launches: those that the trail is told of."""
    ending = launch.c.id.in_(launches), launch.c.ended.is_(None)
    change_rows(connection, launch, ending, {"ended": now})
    connection.execute(browser_session.delete().where(browser_session.c.handle == key))


def _scrypt(pin: str, salt: bytes, passes: int) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=2**14, r=8, p=passes, dklen=32)
