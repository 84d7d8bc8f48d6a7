"""What a person may change about a delivery, and what they look at before: functions of one database connection.

Nobody changes one that is in the record, or that a worker is sending just now.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.states import DeliveryState, state_of
from plugin.errors import Conflict, NotFound, TooLate
from plugin.ledger import change_rows
from plugin.ledger.tables import delivery, response

SHORTEST = 8
"""So much of an id is enough where no other begins with it: what pages show of it, in characters."""
_MOST_NAMED = 5
_FIXED = (DeliveryState.DELIVERED, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery as an operator sees it: nothing of what was answered."""

    response: str
    site: str
    patient: str
    state: DeliveryState
    attempts: int
    received: datetime
    due: datetime
    detail: str


def list_deliveries(
    connection: Connection, states: tuple[DeliveryState, ...], *, site: str | None = None, limit: int = 50
) -> tuple[Listed, ...]:
    """List deliveries in these states, oldest first."""
    query = (
        _listing()
        .where(delivery.c.state.in_(states))
        .order_by(response.c.received, response.c.id)
        .limit(limit)
    )
    if site is not None:
        query = query.where(delivery.c.site == site)
    return tuple(_listed(row) for row in connection.execute(query))


def count_deliveries(connection: Connection, *, site: str | None = None) -> dict[DeliveryState, int]:
    """Count the deliveries in each state that occurs."""
    query = sa.select(delivery.c.state, sa.func.count()).group_by(delivery.c.state)
    if site is not None:
        query = query.where(delivery.c.site == site)
    found = Counter[DeliveryState]()
    for state, many in connection.execute(query):
        found[state_of(state)] += int(many)
    return {state: found[state] for state in DeliveryState if state in found}


def find_delivery(connection: Connection, response_id: str) -> Listed:
    """Find one by its response's id; NotFound if there is none."""
    row = connection.execute(_listing().where(delivery.c.response == response_id)).first()
    if row is None:
        raise NotFound(
            f"There is no delivery of a response {response_id}.",
            "`rapport deliveries list` shows those that wait.",
        )
    return _listed(row)


def find_id(connection: Connection, beginning: str) -> str:
    """Give the one response's id that begins so, from `SHORTEST` characters on; NotFound if none does, Conflict if several do.

    What is shorter, or is an id, is given back as it is.
    """
    if len(beginning) < SHORTEST:
        return beginning
    ids = delivery.c.response
    begins = sa.select(ids).where(ids.startswith(beginning, autoescape=True)).order_by(ids)
    found: list[str] = list(connection.execute(begins.limit(_MOST_NAMED + 1)).scalars())
    if beginning in found or not found:
        return beginning
    if len(found) > 1:
        more = " and more" if len(found) > _MOST_NAMED else ""
        raise Conflict(
            f"Several responses begin with {beginning}: {', '.join(found[:_MOST_NAMED])}{more}.",
            "Write more of the id.",
        )
    return found[0]


def retry(connection: Connection, response_id: str, now: datetime) -> None:
    """Make one due now, whatever kept it; TooLate if it is in the record or being sent. It is looked up first."""
    known = find_delivery(connection, response_id)
    state = DeliveryState.UNKNOWN if known.attempts else DeliveryState.SCORED
    _change(connection, known, {"state": state, "due": now, "failures": 0, "owner": None})


def release(connection: Connection, response_ids: tuple[str, ...], now: datetime) -> int:
    """Make held ones due now: a way to sign in has been mended."""
    released = change_rows(
        connection,
        delivery,
        (
            delivery.c.response.in_(response_ids),
            delivery.c.state == DeliveryState.HELD,
        ),
        {"due": now},
    )
    return len(released)


def discard(connection: Connection, response_id: str, why: str) -> None:
    """Decide that one is not to be sent; TooLate if it is in the record or being sent."""
    known = find_delivery(connection, response_id)
    _change(connection, known, {"state": DeliveryState.DISCARDED, "detail": why, "owner": None})


def _change(connection: Connection, known: Listed, values: dict[str, object]) -> None:
    changed = change_rows(
        connection,
        delivery,
        (
            delivery.c.response == known.response,
            delivery.c.state.not_in(_FIXED),
        ),
        values,
    )
    if len(changed) != 1:
        delivered = known.state is DeliveryState.DELIVERED
        raise TooLate(
            f"The response {known.response} is {'in the record' if delivered else 'being sent just now'}.",
            "Correct it in the EHR." if delivered else "Wait until the attempt has ended, then try again.",
        )


def _listing() -> sa.Select[tuple[object, ...]]:
    return sa.select(
        delivery.c.response,
        delivery.c.site,
        response.c.patient,
        delivery.c.state,
        delivery.c.attempts,
        response.c.received,
        delivery.c.due,
        delivery.c.detail,
    ).join(response, response.c.id == delivery.c.response)


def _listed(row: sa.Row[tuple[object, ...]]) -> Listed:
    found = dict(row._mapping)
    return Listed(**{**found, "state": state_of(found["state"])})
