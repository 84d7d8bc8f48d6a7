"""What is remembered of the search: per site how far it is, per response in an EHR what became of it.

Functions of one database connection. A claim is a lease: whoever dies while looking is followed by another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.states import TRIED
from plugin.ledger import change_rows, insert_new, save_row
from plugin.ledger import tables as t

LEASE = timedelta(minutes=5)


class Found(StrEnum):
    """What became of a response that was found in an EHR."""

    KEPT = "kept"  # scored, and on its way
    OWN = "own"  # Rapport wrote it
    SET_ASIDE = "set-aside"  # cannot be scored: a person must act
    OTHER = "other"  # to a form that is not ours, or not finished: not remembered
    SEEN = "seen"  # looked at before, in this version
    WAITS = "waits"  # cannot be told from one that is just being written, or whose contact it names: looked at again


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the search at one site is."""

    site: str
    due: datetime
    since: datetime
    cursor: datetime
    polled: datetime | None
    looked: datetime | None
    failures: int
    trouble: str | None
    way: str | None
    subscription: str | None
    ends: datetime | None
    handled: int
    heard: int
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response as it stands in the EHR, as far as it must be known to tell whose it is."""

    reference: str
    version: str
    patient: str
    instrument: str
    identifier: str | None  # system|value


@dataclass(frozen=True, slots=True)
class Remembered:
    """One response that was found, for people: nothing of what was answered, and nobody's name."""

    site: str
    reference: str
    version: str
    state: Found
    reason: str
    response: str | None
    seen: datetime


def begin(connection: Connection, site: str, since: datetime, now: datetime) -> None:
    """Start the search at a site, unless it has been started: what the EHR had by `since` is left alone."""
    row = {"site": site, "due": now, "since": since, "cursor": since, "failures": 0, "handled": 0, "heard": 0}
    insert_new(connection, t.collecting, row)


def claim(connection: Connection, owner: str, sites: tuple[str, ...], now: datetime) -> tuple[Standing, ...]:
    """Lease the sites that are due: nobody else looks there until they are released or the lease ends."""
    due = (
        sa.select(t.collecting.c.site)
        .where(t.collecting.c.site.in_(sites), t.collecting.c.due <= now)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return ()
    change_rows(
        connection, t.collecting, (t.collecting.c.site.in_(ids),), {"due": now + LEASE, "owner": owner}
    )
    return tuple(each for each in standings(connection, tuple(ids)))


def claim_now(connection: Connection, owner: str, site: str, now: datetime) -> Standing | None:
    """Lease one site whether it is due or not; None if somebody looks there just now."""
    free = t.collecting.c.owner.is_(None) | (t.collecting.c.due <= now)
    taken = change_rows(
        connection,
        t.collecting,
        (
            t.collecting.c.site == site,
            free,
        ),
        {"due": now + LEASE, "owner": owner},
    )
    return next(iter(standings(connection, (site,))), None) if taken else None


def standings(connection: Connection, sites: tuple[str, ...]) -> tuple[Standing, ...]:
    """Read how far the search is."""
    rows = connection.execute(sa.select(t.collecting).where(t.collecting.c.site.in_(sites)))
    names = Standing.__slots__
    return tuple(Standing(**{name: row._mapping[name] for name in names}) for row in rows)


def save(connection: Connection, owner: str, site: str, values: Mapping[str, object]) -> bool:
    """Change what is remembered of a site; False if its lease has passed to somebody else."""
    changed = change_rows(
        connection,
        t.collecting,
        (
            t.collecting.c.site == site,
            t.collecting.c.owner == owner,
        ),
        values,
    )
    return len(changed) == 1


def release(
    connection: Connection,
    owner: str,
    site: str,
    due: datetime,
    values: Mapping[str, object],
    *,
    now: datetime | None = None,
) -> None:
    """End a look and note what it came to: the next is at `due`, or at `now` if more was told of meanwhile."""

    def end(row: Mapping[str, Any]) -> Mapping[str, object]:
        more = now is not None and row["heard"] > values.get("handled", row["handled"])
        return {**values, "owner": None, "due": now if more else due}

    change_rows(
        connection,
        t.collecting,
        (
            t.collecting.c.site == site,
            t.collecting.c.owner == owner,
        ),
        end,
    )


def release_leases(connection: Connection, now: datetime) -> None:
    """Let every site be looked at that an earlier process left leased: for a start with no other beside (SQLite)."""
    change_rows(connection, t.collecting, (t.collecting.c.owner.is_not(None),), {"owner": None, "due": now})


def hear(connection: Connection, site: str, events: int, now: datetime) -> None:
    """Note that the EHR told of so many events in all; what they were is asked of the EHR itself."""

    def told(row: Mapping[str, Any]) -> Mapping[str, object]:
        more = row["heard"] < events
        # Somebody who looks just now keeps the lease; the count tells them to look again.
        due = now if more and row["owner"] is None else row["due"]
        return {"heard": max(events, row["heard"]), "heard_at": now, "due": due}

    change_rows(connection, t.collecting, (t.collecting.c.site == site,), told)


def secret_of(connection: Connection, site: str) -> str | None:
    """Give the digest of what notifications of a site must carry."""
    found: str | None = connection.execute(
        sa.select(t.collecting.c.secret).where(t.collecting.c.site == site)
    ).scalar()
    return found


def tell(connection: Connection, site: str, candidate: Candidate) -> Found | None:
    """Tell what is known of a response in the EHR; None: it is new, or another version of it is."""
    known = connection.execute(
        sa.select(t.collected.c.version, t.collected.c.state).where(
            t.collected.c.site == site, t.collected.c.reference == candidate.reference
        )
    ).first()
    if known is not None and known.version == candidate.version:
        return Found.SEEN
    scored = known is not None and known.state == Found.KEPT
    if not scored and own_response(connection, site, candidate) is not None:
        return Found.OWN
    if known is None and candidate.identifier is None and _is_being_written(connection, site, candidate):
        return Found.WAITS
    return None


def kept_as(connection: Connection, site: str, reference: str) -> str | None:
    """Give our id of a response that we scored from the EHR; None if it is none of those."""
    found: str | None = connection.execute(
        sa.select(t.response.c.id).where(t.response.c.site == site, t.response.c.collected == reference)
    ).scalar()
    return found


def remember(
    connection: Connection,
    site: str,
    candidate: Candidate,
    state: Found,
    now: datetime,
    *,
    reason: str = "",
    response: str | None = None,
) -> None:
    """Note what became of a response in the EHR."""
    values = {
        "version": candidate.version,
        "state": state,
        "reason": reason,
        "response": response,
        "seen": now,
    }
    key = {"site": site, "reference": candidate.reference}
    save_row(connection, t.collected, {**key, **values})


def reopen(connection: Connection, site: str, reference: str) -> bool:
    """Have a response that was set aside looked at again, in whatever version; False if there is none.

    It stays listed until it has been looked at: the EHR may be away just now.
    """
    changed = change_rows(
        connection,
        t.collected,
        (
            t.collected.c.site == site,
            t.collected.c.reference == reference,
            t.collected.c.state == Found.SET_ASIDE,
        ),
        {"version": ""},
    )
    return len(changed) == 1


def list_found(
    connection: Connection, site: str | None = None, state: Found | None = None, limit: int = 50
) -> tuple[Remembered, ...]:
    """List what was found, newest first."""
    query = sa.select(t.collected).order_by(t.collected.c.seen.desc(), t.collected.c.reference).limit(limit)
    if site is not None:
        query = query.where(t.collected.c.site == site)
    if state is not None:
        query = query.where(t.collected.c.state == state)
    return tuple(
        Remembered(row.site, row.reference, row.version, Found(row.state), row.reason, row.response, row.seen)
        for row in connection.execute(query)
    )


def own_response(connection: Connection, site: str, candidate: Candidate) -> str | None:
    """Give our id of one that Rapport wrote: by its identifier, or, where the EHR drops identifiers, by where it was put."""
    same = (t.response.c.site == site) & (t.response.c.collected.is_(None))
    if candidate.identifier is not None:
        by_identifier = sa.select(t.response.c.id).where(
            same, t.response.c.identifier == candidate.identifier
        )
        found: str | None = connection.execute(by_identifier).scalar()
        if found is not None:
            return found
    put = (
        sa.select(t.delivery.c.response, t.delivery.c.locations)
        .join(t.response, t.response.c.id == t.delivery.c.response)
        .where(same, t.response.c.patient == candidate.patient, t.delivery.c.locations.is_not(None))
    )
    return next(
        (
            str(row.response)
            for row in connection.execute(put)
            if candidate.reference in str(row.locations).split()
        ),
        None,
    )


def _is_being_written(connection: Connection, site: str, candidate: Candidate) -> bool:
    tried = (
        sa.select(t.response.c.id)
        .join(t.delivery, t.delivery.c.response == t.response.c.id)
        .where(
            t.response.c.site == site,
            t.response.c.patient == candidate.patient,
            t.response.c.instrument == candidate.instrument,
            t.response.c.collected.is_(None),
            t.delivery.c.state.in_(TRIED),
            t.delivery.c.attempts > 0,
        )
    )
    return connection.execute(tried).first() is not None
