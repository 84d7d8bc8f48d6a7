"""The account of kept responses: what was kept, and how far each is on its way into the record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.keep import Record, open_record
from plugin.delivery.revising import as_they_stand
from plugin.delivery.states import DeliveryState
from plugin.errors import NotFound
from plugin.ledger import Vault
from plugin.ledger import tables as t

_MOST_RECENT = 20


@dataclass(frozen=True, slots=True)
class Account:
    """One kept response with the state of its delivery; `locations` are references in the EHR."""

    record: Record
    state: DeliveryState
    detail: str
    locations: tuple[str, ...]
    software: str

    @property
    def lacks(self) -> bool:
        """Whether a person must see to it that the record tells it rightly: it took the response, or a correction, not.

        One that was entered in error and stands nowhere needs nobody.
        """
        needs = self.state in {DeliveryState.REFUSED, DeliveryState.SET_ASIDE, DeliveryState.HELD}
        return needs and not (self.record.voided and not self.locations)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver, and how it ended. `status` is the EHR's HTTP status, `number` counts from one.

    Tries of before schema 0003 have neither number nor writer nor status, delivered ones of before 0017 no status.
    """

    when: datetime
    state: DeliveryState
    detail: str
    number: int | None = None
    writer: str | None = None
    status: int | None = None
    started: datetime | None = None
    answers: tuple[str, ...] = ()  # what the EHR answered to each write


def read_accounts(
    connection: Connection, vault: Vault, site: str, patient: str, most: int = _MOST_RECENT
) -> tuple[Account, ...]:
    """List a patient's responses that arrived last, by the day of the answer, the newest first."""
    rows = connection.execute(
        _joined()
        .where(t.response.c.site == site, t.response.c.patient == patient)
        .order_by(t.response.c.received.desc())
        .limit(most)
    )
    opened = _opened(connection, rows.all(), vault)
    return tuple(sorted(opened, key=lambda each: each.record.authored, reverse=True))


def count_accounts(connection: Connection, site: str, patient: str) -> int:
    """Count a patient's responses."""
    counted = sa.select(sa.func.count()).where(t.response.c.site == site, t.response.c.patient == patient)
    return int(connection.execute(counted).scalar_one())


def read_all_of(connection: Connection, vault: Vault, site: str, patient: str) -> tuple[Account, ...]:
    """List all responses of a patient, oldest first. SealBroken if one was altered."""
    rows = connection.execute(
        _joined()
        .where(t.response.c.site == site, t.response.c.patient == patient)
        .order_by(t.response.c.received, t.response.c.id)
    )
    return _opened(connection, rows.all(), vault)


def read_account(connection: Connection, vault: Vault, response_id: str) -> Account:
    """Read one; NotFound if there is none."""
    row = connection.execute(_joined().where(t.response.c.id == response_id)).first()
    if row is None:
        raise NotFound("There is no such response.", "Go back to the patient page.")
    (account,) = _opened(connection, (row,), vault)
    return account


def attempts_of(connection: Connection, response_id: str) -> tuple[Attempt, ...]:
    """List the tries to deliver a response, oldest first."""
    rows = connection.execute(
        sa.select(t.attempt).where(t.attempt.c.response == response_id).order_by(t.attempt.c.id)
    )
    return tuple(
        Attempt(
            row.finished,
            DeliveryState(row.state),
            row.detail,
            row.number,
            row.writer,
            row.status,
            row.started,
            tuple((row.answer or "").splitlines()),
        )
        for row in rows
    )


def _joined() -> sa.Select[tuple[object, ...]]:
    columns = (t.delivery.c.state, t.delivery.c.detail, t.delivery.c.locations)
    return sa.select(t.response, *columns).join(t.delivery, t.delivery.c.response == t.response.c.id)


def _opened(
    connection: Connection, rows: Sequence[sa.Row[tuple[object, ...]]], vault: Vault
) -> tuple[Account, ...]:
    accounts = [_open(row, vault) for row in rows]
    records = as_they_stand(connection, vault, (each.record for each in accounts))
    return tuple(replace(account, record=record) for account, record in zip(accounts, records, strict=True))


def _open(row: sa.Row[tuple[object, ...]], vault: Vault) -> Account:
    found = row._mapping
    return Account(
        record=open_record(row, vault),
        state=DeliveryState(found["state"]),
        detail=found["detail"],
        locations=tuple((found["locations"] or "").split()),
        software=found["software"],
    )
