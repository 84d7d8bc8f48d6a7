"""An outbox with deliveries in it, for tests: rows of the ledger as small as they can be."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from plugin.delivery import outbox
from plugin.delivery.outbox import Room
from plugin.delivery.states import DeliveryState
from plugin.ledger import change_rows
from plugin.ledger import tables as t

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
NEVER = NOW + timedelta(days=365)
ALL = Room(100, NOW - timedelta(days=1))


def receive(
    connection: Connection, name: str, patient: str = "p1", *, minute: float = 0, site: str = "clinic"
) -> None:
    received = NOW + timedelta(minutes=minute)
    connection.execute(
        t.response.insert().values(
            id=name,
            site=site,
            identifier=name,
            patient=patient,
            rater="child",
            instrument="i",
            authored=received,
            received=received,
            body_digest="d",
            key_hash="k",
            software="0",
            sealed_body=b"",
            sealed_results=b"",
        )
    )
    outbox.enqueue(connection, name, site, received)


def claimed(
    connection: Connection,
    *,
    owner: str = "worker",
    now: datetime = LATER,
    site: str = "clinic",
    room: Room = ALL,
) -> list[str]:
    return [each.response for each in outbox.claim(connection, owner, now, site, room)]


def put(connection: Connection, name: str, state: DeliveryState, due: datetime = NEVER) -> None:
    change_rows(connection, t.delivery, (t.delivery.c.response == name,), {"state": state, "due": due})
