"""The outbox: deliveries that are due, with leases. Functions of one database connection.

A claimed delivery is due again when its lease ends, whoever claimed it: a worker that dies loses nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.states import FINAL, OPEN, TRIED, DeliveryState
from plugin.ledger import append_row, change_rows, note_for_log
from plugin.ledger.tables import attempt, delivery, response

__all__ = [
    "FINAL",
    "LEASE",
    "Claimed",
    "DeliveryState",
    "Outcome",
    "Room",
    "claim",
    "enqueue",
    "finish",
    "hand_back",
    "hasten",
    "next_due",
    "release_held",
    "release_leases",
    "renew",
]

LEASE = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery that this worker may attempt until its lease ends."""

    response: str
    site: str
    patient: str
    launch: str | None
    attempts: int  # this one included
    failures: int = 1  # attempts in a row, this one included, that nobody has seen end well or badly


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `due` is when to try again, where that makes sense; `status` the EHR's HTTP status.

    `understood` is false if it is not known what went wrong: after some of these in a row it is set aside.
    """

    state: DeliveryState
    detail: str
    due: datetime
    locations: tuple[str, ...] = ()
    status: int | None = None
    answer: str = ""  # what the EHR answered to each write, a line each: statuses and addresses
    understood: bool = True
    revision: int = 0  # the version that was sent


@dataclass(frozen=True, slots=True)
class Room:
    """How many more deliveries of a site may be begun now, and since when received ones keep later ones waiting.

    `under_way` are the worker's own: never begun a second time, even if their lease has run out.
    """

    limit: int
    order_since: datetime
    under_way: tuple[str, ...] = ()


def enqueue(connection: Connection, response_id: str, site: str, now: datetime) -> None:
    """Put a response into the outbox, in the transaction that stores it."""
    row = {"response": response_id, "site": site, "state": DeliveryState.SCORED, "due": now}
    append_row(connection, delivery, row | {"attempts": 0, "failures": 0, "detail": ""})


def claim(connection: Connection, owner: str, now: datetime, site: str, room: Room) -> tuple[Claimed, ...]:
    """Lease a site's due deliveries to `owner`, longest due first, as many as there is room for.

    A patient's deliveries keep their order: one waits while an earlier one is being tried (docs/reference/delivery.md).
    """
    due = (
        sa.select(delivery.c.response)
        .join(response, response.c.id == delivery.c.response)
        .where(
            delivery.c.site == site,
            delivery.c.state.in_(OPEN),
            delivery.c.due <= now,
            delivery.c.response.not_in(room.under_way),
            ~_earlier_is_tried(now, room.order_since),
        )
        .order_by(delivery.c.due, response.c.received)
        .limit(room.limit)
        .with_for_update(skip_locked=True, of=delivery)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return ()
    change_rows(
        connection,
        delivery,
        (delivery.c.response.in_(ids),),
        lambda row: {
            "state": DeliveryState.SENDING,
            "due": now + LEASE,
            "owner": owner,
            "attempts": row["attempts"] + 1,
            "failures": row["failures"] + 1,
        },
    )
    rows = connection.execute(
        sa.select(
            response.c.id,
            response.c.site,
            response.c.patient,
            response.c.launch,
            delivery.c.attempts,
            delivery.c.failures,
        )
        .join(delivery, delivery.c.response == response.c.id)
        .where(response.c.id.in_(ids))
        .order_by(response.c.received)
    )
    return tuple(Claimed(*row) for row in rows)


def _earlier_is_tried(now: datetime, order_since: datetime) -> sa.ColumnElement[bool]:
    # Looked for from the nearest backward: where many of a patient's wait, the one before is tried, and that ends it.
    before, waiting = response.alias("before"), delivery.alias("waiting")
    held_and_due = (waiting.c.state == DeliveryState.HELD) & (waiting.c.due <= now)
    nearest = (
        sa.select(before.c.id)
        .join(waiting, waiting.c.response == before.c.id)
        .where(
            before.c.site == response.c.site,
            before.c.patient == response.c.patient,
            before.c.received > order_since,
            sa.tuple_(before.c.received, before.c.id) < sa.tuple_(response.c.received, response.c.id),
            waiting.c.state.in_(TRIED) | held_and_due,
        )
        .order_by(before.c.received.desc(), before.c.id.desc())
        .limit(1)
        .correlate(response)
    )
    return nearest.scalar_subquery().is_not(None)


def finish(
    connection: Connection,
    claimed: Claimed,
    owner: str,
    started: datetime,
    now: datetime,
    outcome: Outcome,
    *,
    writer: str = "",
) -> bool:
    """Note how an attempt ended; False if the lease had passed to another worker meanwhile."""
    noted = connection.execute(
        attempt.insert()
        .values(
            response=claimed.response,
            number=claimed.attempts,
            writer=writer or None,
            started=started,
            finished=now,
            state=outcome.state,
            status=outcome.status,
            answer=outcome.answer or None,
            detail=outcome.detail,
            revision=outcome.revision or None,
        )
        .returning(attempt.c.id)
    ).scalar_one()
    note_for_log(connection, "attempt", str(noted))
    changed = change_rows(
        connection,
        delivery,
        (
            delivery.c.response == claimed.response,
            delivery.c.owner == owner,
        ),
        lambda row: {
            "state": outcome.state,
            "detail": outcome.detail,
            "due": outcome.due,
            "owner": None,
            "failures": 0 if outcome.understood else claimed.failures,
            "delivered": now if outcome.state is DeliveryState.DELIVERED else None,
            # What an earlier version left there still stands, however this attempt ended.
            "locations": "\n".join(outcome.locations) or row["locations"],
        },
    )
    _go_on_with_what_came_meanwhile(connection, claimed.response, outcome, now)
    return len(changed) == 1


def _go_on_with_what_came_meanwhile(
    connection: Connection, response_id: str, outcome: Outcome, now: datetime
) -> None:
    """Make a delivery due again whose response was revised while the version before was being sent."""
    change_rows(
        connection,
        delivery,
        (
            delivery.c.response == response_id,
            delivery.c.revision > outcome.revision,
            delivery.c.owner.is_(None),
            delivery.c.state.in_((DeliveryState.DELIVERED, DeliveryState.REFUSED)),
        ),
        {"state": DeliveryState.SCORED, "due": now, "delivered": None, "detail": ""},
    )


def renew(connection: Connection, owner: str, responses: tuple[str, ...], now: datetime) -> int:
    """Prolong the leases of what a living worker is still sending."""
    renewed = change_rows(
        connection,
        delivery,
        (
            delivery.c.owner == owner,
            delivery.c.response.in_(responses),
        ),
        {"due": now + LEASE},
    )
    return len(renewed)


def hand_back(connection: Connection, owner: str, now: datetime) -> int:
    """Give back what a stopping worker had begun and not seen end: looked up by the next one before it is sent."""
    returned = change_rows(
        connection,
        delivery,
        (
            delivery.c.owner == owner,
            delivery.c.state == DeliveryState.SENDING,
        ),
        lambda row: {
            "state": DeliveryState.UNKNOWN,
            "due": now,
            "owner": None,
            "failures": row["failures"] - 1,
        },
    )
    return len(returned)


def release_leases(connection: Connection, now: datetime) -> int:
    """Make every leased delivery due at once: for a start with no other worker beside (SQLite)."""
    released = change_rows(
        connection, delivery, (delivery.c.state == DeliveryState.SENDING,), {"due": now, "owner": None}
    )
    return len(released)


def hasten(connection: Connection, now: datetime) -> int:
    """Make due what waits for a later time of a clock that was set back since; not what a worker may be sending."""
    waiting = (DeliveryState.SCORED, DeliveryState.UNKNOWN, DeliveryState.HELD)
    hastened = change_rows(
        connection, delivery, (delivery.c.state.in_(waiting), delivery.c.due > now), {"due": now}
    )
    return len(hastened)


def release_held(connection: Connection, site: str, patient: str, now: datetime) -> int:
    """Make a patient's held deliveries due, in their order: a new launch brought a token."""
    own = sa.select(response.c.id).where(response.c.site == site, response.c.patient == patient)
    released = change_rows(
        connection,
        delivery,
        (
            delivery.c.state == DeliveryState.HELD,
            delivery.c.response.in_(own),
        ),
        {"due": now},
    )
    return len(released)


def next_due(connection: Connection) -> datetime | None:
    """Tell when the next delivery is due."""
    waiting = sa.select(sa.func.min(delivery.c.due)).where(delivery.c.state.in_(OPEN))
    due: datetime | None = connection.execute(waiting).scalar()
    return due
