"""The outbox: deliveries that are due, with leases. Functions of one database connection.

A claimed delivery is due again when its lease ends, whoever claimed it: a worker that dies loses nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import note_for_log
from plugin.ledger.tables import attempt, delivery, response

LEASE = timedelta(seconds=90)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    SAVED = "saved"  # durable here, not yet sent
    SENDING = "sending"  # a worker holds its lease
    DELIVERED = "delivered"  # in the record
    HELD = "held"  # no valid token: waits for the next launch
    UNKNOWN = "unknown"  # sent, no answer: looked up before it is sent again
    REFUSED = "refused"  # the EHR said no; a person must act


FINAL = (DeliveryState.DELIVERED, DeliveryState.REFUSED)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery that this worker may attempt until its lease ends."""

    response: str
    site: str
    patient: str
    launch: str | None
    attempts: int  # this one included


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `due` is when to try again, where that makes sense."""

    state: DeliveryState
    detail: str
    due: datetime
    locations: tuple[str, ...] = ()


def enqueue(connection: Connection, response_id: str, site: str, now: datetime) -> None:
    """Put a response into the outbox, in the transaction that stores it."""
    connection.execute(
        delivery.insert().values(
            response=response_id, site=site, state=DeliveryState.SAVED, due=now, attempts=0
        )
    )


def claim(connection: Connection, owner: str, now: datetime, limit: int) -> tuple[Claimed, ...]:
    """Lease up to `limit` due deliveries to `owner`, oldest first."""
    due = (
        sa.select(delivery.c.response)
        .where(delivery.c.state.not_in(FINAL), delivery.c.due <= now)
        .order_by(delivery.c.due)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return ()
    connection.execute(
        delivery.update()
        .where(delivery.c.response.in_(ids))
        .values(state=DeliveryState.SENDING, due=now + LEASE, owner=owner, attempts=delivery.c.attempts + 1)
    )
    rows = connection.execute(
        sa.select(response.c.id, response.c.site, response.c.patient, response.c.launch, delivery.c.attempts)
        .join(delivery, delivery.c.response == response.c.id)
        .where(response.c.id.in_(ids))
        .order_by(response.c.received)
    )
    return tuple(Claimed(row.id, row.site, row.patient, row.launch, row.attempts) for row in rows)


def finish(
    connection: Connection, claimed: Claimed, owner: str, started: datetime, now: datetime, outcome: Outcome
) -> bool:
    """Note how an attempt ended; False if the lease had passed to another worker meanwhile."""
    noted = connection.execute(
        attempt.insert()
        .values(
            response=claimed.response,
            started=started,
            finished=now,
            state=outcome.state,
            detail=outcome.detail,
        )
        .returning(attempt.c.id)
    ).scalar_one()
    note_for_log(connection, "attempt", str(noted))
    changed = connection.execute(
        delivery.update()
        .where(delivery.c.response == claimed.response, delivery.c.owner == owner)
        .values(
            state=outcome.state,
            detail=outcome.detail,
            due=outcome.due,
            owner=None,
            delivered=now if outcome.state is DeliveryState.DELIVERED else None,
            locations="\n".join(outcome.locations) or None,
        )
    )
    return changed.rowcount == 1


def release_leases(connection: Connection, now: datetime) -> int:
    """Make every leased delivery due at once: for a start with no other worker beside (SQLite)."""
    released = connection.execute(
        delivery.update().where(delivery.c.state == DeliveryState.SENDING).values(due=now, owner=None)
    )
    return released.rowcount


def release_held(connection: Connection, site: str, patient: str, now: datetime) -> int:
    """Make a patient's held deliveries due: a new launch brought a token."""
    own = sa.select(response.c.id).where(response.c.site == site, response.c.patient == patient)
    released = connection.execute(
        delivery.update()
        .where(delivery.c.state == DeliveryState.HELD, delivery.c.response.in_(own))
        .values(due=now)
    )
    return released.rowcount


def next_due(connection: Connection) -> datetime | None:
    """Tell when the next delivery is due."""
    waiting = sa.select(sa.func.min(delivery.c.due)).where(delivery.c.state.not_in(FINAL))
    due: datetime | None = connection.execute(waiting).scalar()
    return due
