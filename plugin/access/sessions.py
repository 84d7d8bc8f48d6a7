"""Browser sessions: an opaque handle in a cookie, the lock while a device is handed over.

The handle itself is never stored, only its keyed digest. Functions of one database connection.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.errors import Invalid, RapportError
from plugin.ledger import Vault, change_rows, insert_row, remove_rows, row_fits
from plugin.ledger.tables import browser_session, invitation, launch, pending_launch

PIN_ATTEMPTS = 5
LATER_ATTEMPTS = 5  # one at a time, each after twice the wait of the one before
FIRST_WAIT = timedelta(minutes=5)
LOCK_LIFE = timedelta(days=400)  # as long as a browser keeps a cookie at most (RFC 6265bis section 5.5)
INACTIVITY = timedelta(minutes=60)
LONGEST = timedelta(hours=12)  # from the last sign-in, however busy
LONGEST_HAND_OVER = timedelta(seconds=15)  # an EHR that is slower than this has made it fail, too
PENDING_LIFE = timedelta(minutes=10)  # of a launch that was begun, until it is back from the EHR
TOUCH_EVERY = timedelta(minutes=1)
_PASSES = 5  # with 16 MB: one of the settings that OWASP's Password Storage Cheat Sheet gives for scrypt
_COST = 2**14
_HANDLE_BYTES = 32  # 256 bits; ASVS 7.2.3 asks for 128


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session: `key` is the digest of its handle.

    `locked`: since when the device is handed over; after five wrong PINs, when the last of them was typed; without a PIN,
    since when it has none.
    """

    key: str
    locked: datetime | None
    pin: (
        str | None
    )  # hashed; kept from one hand-over to the next, until somebody signs in; None of a lock: it opens no more
    pin_attempts: int
    last_seen: datetime
    locked_for: str | None = None  # the invitation that the device was handed over with
    handing: datetime | None = None  # since when a hand-over is being saved
    is_altered: bool = False  # its row is not as Rapport wrote it: no page opens by it, no PIN opens its lock

    def is_being_handed_over(self, now: datetime) -> bool:
        """Whether a hand-over is being saved just now, by whichever process; of one that broke off not for longer than it takes."""
        return self.handing is not None and abs(now - self.handing) < LONGEST_HAND_OVER

    @property
    def is_barred(self) -> bool:
        """Whether too many PINs were wrong, or none opens it: no sign-in does but one that is proven to be later."""
        return self.locked is not None and (self.pin_attempts >= PIN_ATTEMPTS or self.pin is None)

    @property
    def lacks_pin(self) -> bool:
        """Whether the PIN that locked it was somebody else's than whose launches are in it now."""
        return self.locked is not None and self.pin is None and not self.is_altered

    @property
    def next_try(self) -> datetime | None:
        """When the next PIN is looked at, of a device that is barred; None if no more are."""
        if self.locked is None or self.pin is None or self.pin_attempts >= PIN_ATTEMPTS + LATER_ATTEMPTS:
            return None
        return self.locked + _wait(self.pin_attempts)


def told_altered(kind: Callable[[str, str], RapportError]) -> RapportError:
    """Make the error, of the kind that the page reacts to, by which somebody is told that their session's row was altered."""
    return kind(
        "What Rapport keeps of this browser's session was altered in the database.",
        "Open Rapport again from the patient's chart in the EHR, and tell your administrator: rapport audit verify names what was altered.",
    )


def new_handle() -> str:
    """Make an opaque session handle."""
    return secrets.token_urlsafe(_HANDLE_BYTES)


def start_session(connection: Connection, key: str, now: datetime) -> None:
    """Begin a browser session."""
    insert_row(
        connection, browser_session, {"handle": key, "created": now, "last_seen": now, "pin_attempts": 0}
    )


def read_session(connection: Connection, vault: Vault, handle: str | None, now: datetime) -> Session | None:
    """Find the session of a cookie; None if it is unknown, has been idle too long, or is too old.

    One that is locked is found however old: its lock must not open by waiting. So is one that was altered.
    """
    if not handle:
        return None
    row = connection.execute(
        sa.select(browser_session).where(browser_session.c.handle.in_(vault.digests("session", handle)))
    ).first()
    if row is None:
        return None
    found = _session(vault, row, now)
    is_over = row.last_seen < now - INACTIVITY or row.created < now - LONGEST
    if is_over and found.locked is None:
        return None
    return found


def session_by_key(connection: Connection, vault: Vault, key: str, now: datetime) -> Session | None:
    """Read a session by the digest of its handle, however old; None if it is gone."""
    row = connection.execute(sa.select(browser_session).where(browser_session.c.handle == key)).first()
    return None if row is None else _session(vault, row, now)


def _session(vault: Vault, row: sa.Row[Any], now: datetime) -> Session:
    if not row_fits(vault, browser_session, row):
        # It may have been locked, and with how many wrong PINs nothing tells: it counts as locked for good.
        return Session(row.handle, now, None, PIN_ATTEMPTS + LATER_ATTEMPTS, now, is_altered=True)
    return Session(
        row.handle, row.locked, row.pin, row.pin_attempts, row.last_seen, row.locked_for, handing=row.handing
    )


def touch(connection: Connection, key: str, now: datetime) -> None:
    """Note that the session is in use."""
    change_rows(connection, browser_session, (browser_session.c.handle == key,), {"last_seen": now})


def renew_handle(connection: Connection, old: str, new: str, now: datetime) -> None:
    """Give a session a new handle at sign-in, with all its launches, begun ones too: a planted cookie is worth nothing then.

    What another person has open in it is ended before: plugin.routes.ending.
    """

    def renewed(row: Mapping[str, Any]) -> Mapping[str, object]:
        pin = row["pin"] if row["locked"] else None  # whoever signs in chooses their own
        return {"handle": new, "created": now, "last_seen": now, "pin": pin}  # somebody has signed in again

    change_rows(connection, browser_session, (browser_session.c.handle == old,), renewed)
    for table in (launch, pending_launch):
        change_rows(connection, table, (table.c.handle == old,), {"handle": new})


def drop_pin(connection: Connection, key: str, now: datetime) -> bool:
    """Have a lock's PIN open nothing any more: somebody else than who chose it has signed in. False where none is locked."""
    locked = browser_session.c.handle == key, browser_session.c.locked.is_not(None)
    return bool(change_rows(connection, browser_session, locked, {"pin": None, "locked": now}))


def read_digits(typed: str) -> str:
    """Take the digits out of what was typed, in whichever script they are, and write them as 0 to 9."""
    return "".join(str(int(each)) for each in typed if each.isdecimal())


def read_pin(typed: str) -> str | None:
    """Read a PIN; None unless it is 4 to 8 digits."""
    return read_digits(typed) if 4 <= len(typed) <= 8 and typed.isdecimal() else None


def read_new_pin(typed: str) -> str:
    """Read a PIN that is chosen; Invalid unless it is 4 to 8 digits."""
    pin = read_pin(typed)
    if pin is None:
        raise Invalid("The PIN is not usable.", "Choose 4 to 8 digits that the respondent does not know.")
    return pin


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


def begin_hand_over(connection: Connection, key: str, now: datetime) -> None:
    """Note that a hand-over is being saved: the EHR is asked who answers, the PIN is hashed."""
    change_rows(connection, browser_session, (browser_session.c.handle == key,), {"handing": now})


def end_hand_over(connection: Connection, key: str, began: datetime) -> None:
    """Note that it is over, well or not."""
    own = browser_session.c.handle == key, browser_session.c.handing == began
    change_rows(connection, browser_session, own, {"handing": None})


def count_attempt(connection: Connection, key: str, now: datetime) -> int | None:
    """Count one PIN attempt before it is looked at; how many are left at once after it, None if it may not be looked at now."""
    c = browser_session.c
    waited = (
        sa.and_(c.pin_attempts == wrong, c.locked <= now - _wait(wrong))
        for wrong in range(PIN_ATTEMPTS, PIN_ATTEMPTS + LATER_ATTEMPTS)
    )
    may = c.handle == key, c.locked.is_not(None), sa.or_(c.pin_attempts < PIN_ATTEMPTS, *waited)

    def count(row: Mapping[str, Any]) -> Mapping[str, object]:
        made = row["pin_attempts"] + 1
        return {"pin_attempts": made, "locked": now if made >= PIN_ATTEMPTS else row["locked"]}

    counted = change_rows(connection, browser_session, may, count)
    return max(0, PIN_ATTEMPTS - int(counted[0]["pin_attempts"])) if counted else None


def _wait(wrong: int) -> timedelta:
    """How long no PIN is looked at after so many wrong ones."""
    return FIRST_WAIT * (1 << (wrong - PIN_ATTEMPTS))


def unlock(connection: Connection, key: str, now: datetime) -> None:
    """Give the session back to the clinician; its PIN, still hashed, serves the next hand-over too."""
    change_rows(
        connection,
        browser_session,
        (browser_session.c.handle == key,),
        {"locked": None, "locked_for": None, "pin_attempts": 0, "last_seen": now},
    )


def open_lock(connection: Connection, key: str) -> bool:
    """Open a lock otherwise than by its PIN, which serves no more; False if it was open."""
    locked = browser_session.c.handle == key, browser_session.c.locked.is_not(None)
    opened = {"locked": None, "locked_for": None, "pin": None, "pin_attempts": 0}
    return bool(change_rows(connection, browser_session, locked, opened))


@dataclass(frozen=True, slots=True)
class LockedDevice:
    """A browser that is locked: with which form, of whom, handed over by whom; None once that is erased."""

    key: str
    locked: datetime
    pin_attempts: int
    form: str | None
    patient: str | None
    author: str | None


def locked_devices(connection: Connection, site: str) -> tuple[LockedDevice, ...]:
    """List the browsers that were handed over at a site and not given back, the longest locked first."""
    b, form = browser_session.c, invitation.c
    of_site = sa.or_(
        form.site == site,
        sa.exists().where(launch.c.handle == b.handle, launch.c.site == site) & form.id.is_(None),
    )
    rows = connection.execute(
        sa.select(b.handle, b.locked, b.pin_attempts, form.id, form.patient, form.author)
        .select_from(browser_session.outerjoin(invitation, form.id == b.locked_for))
        .where(b.locked.is_not(None), of_site)
        .order_by(b.locked, b.handle)
    )
    return tuple(LockedDevice(*row) for row in rows)


def barred_devices(connection: Connection, vault: Vault, site: str, patient: str) -> tuple[LockedDevice, ...]:
    """List those of a patient's forms on which too many PINs were wrong; none that was altered."""
    found = locked_devices(connection, site)
    own = (each for each in found if each.patient == patient and each.pin_attempts >= PIN_ATTEMPTS)
    return tuple(each for each in own if is_whole(connection, vault, each))


def is_whole(connection: Connection, vault: Vault, device: LockedDevice) -> bool:
    """Tell whether neither the session of a locked device nor the form that it was handed over with was altered."""
    session = sa.select(browser_session).where(browser_session.c.handle == device.key)
    form = sa.select(invitation).where(invitation.c.id == device.form)
    return all(
        row_fits(vault, table, row)
        for table, query in ((browser_session, session), (invitation, form))
        for row in connection.execute(query)
    )


def forget_sessions(connection: Connection, now: datetime, after: str, most: int) -> str | None:
    """Remove sessions that are over, `most` at once of those whose keys follow `after`; gives the last key, None when done.

    One that holds nothing, neither a launch nor a begun one, is over when no launch that left it can come back. A lock stays
    as long as a browser can bring its cookie. So does one that was altered: without it its browser would be let in as one
    that was never locked.
    """
    c = browser_session.c
    connection.execute(browser_session.delete().where(c.last_seen < now - LOCK_LIFE))  # altered or not
    has_begun = c.handle.in_(sa.select(pending_launch.c.handle))  # read once: it has no index by handle
    has_launch = sa.exists().where(launch.c.handle == c.handle)
    is_empty = sa.and_(c.last_seen < now - PENDING_LIFE, ~has_begun, ~has_launch)
    is_over = sa.and_(c.locked.is_(None), sa.or_(c.last_seen < now - INACTIVITY, is_empty))
    due = sa.select(c.handle).where(c.handle > after, sa.or_(is_over, c.locked < now - LOCK_LIFE))
    keys = connection.execute(due.order_by(c.handle).limit(most)).scalars().all()
    remove_rows(connection, browser_session, (c.handle.in_(keys),))
    return str(keys[-1]) if len(keys) == most else None


def end_launches(connection: Connection, launches: Sequence[str], now: datetime) -> None:
    """End launches: their pages open no more, and what was being written in them is forgotten."""
    ending = launch.c.id.in_(launches), launch.c.ended.is_(None)
    change_rows(connection, launch, ending, {"ended": now, "sealed_note": None, "note_kept": None})


def end_session(connection: Connection, key: str, launches: Sequence[str], now: datetime) -> None:
    """End a session and its launches: those that the trail is told of. Of a device that is locked the lock stays.

    A session that was altered stays, too: it may have been locked.
    """
    end_launches(connection, launches, now)
    unlocked = browser_session.c.handle == key, browser_session.c.locked.is_(None)
    remove_rows(connection, browser_session, unlocked)


def _scrypt(pin: str, salt: bytes, passes: int) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=_COST, r=8, p=passes, dklen=32)
