"""The account of kept responses: what was kept, and how far each is on its way into the record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.keep import Record, open_what_opens
from plugin.delivery.revising import as_far_as_they_open
from plugin.delivery.states import DeliveryState, state_of
from plugin.errors import NotFound
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t

_MOST_RECENT = 20


@dataclass(frozen=True, slots=True)
class Account:
    """One kept response with the state of its delivery; `locations` are references in the EHR.

    If its row was altered, `record.altered` says how: it then is to be named, and not counted.
    """

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
    """List a patient's latest responses, by the day of the answer, the newest first; altered ones are among them.

    Those given here are taken by when they arrived, whatever day they are about; those that the EHR collected, which may all
    arrive at once, by when they were answered.
    """
    latest = sa.case((t.response.c.collected.is_(None), t.response.c.received), else_=t.response.c.authored)
    rows = connection.execute(
        _joined()
        .where(t.response.c.site == site, t.response.c.patient == patient)
        .order_by(latest.desc(), t.response.c.id)
        .limit(most)
    )
    opened = _opened(connection, rows.all(), vault)
    return tuple(sorted(opened, key=lambda each: each.record.authored, reverse=True))


def count_accounts(connection: Connection, site: str, patient: str) -> int:
    """Count a patient's responses."""
    counted = sa.select(sa.func.count()).where(t.response.c.site == site, t.response.c.patient == patient)
    return int(connection.execute(counted).scalar_one())


def read_all_of(connection: Connection, vault: Vault, site: str, patient: str) -> tuple[Account, ...]:
    """List all responses of a patient, oldest first, altered ones among them."""
    rows = connection.execute(
        _joined()
        .where(t.response.c.site == site, t.response.c.patient == patient)
        .order_by(t.response.c.received, t.response.c.id)
    )
    return _opened(connection, rows.all(), vault)


def whole(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """Give those whose rows are as Rapport wrote them, as far as opening them can tell."""
    return tuple(each for each in accounts if not each.record.altered)


def check_whole(accounts: Iterable[Account]) -> None:
    """SealBroken if a row was altered, with what is wrong with the first such."""
    for each in accounts:
        if each.record.altered:
            raise SealBroken(each.record.altered[0].rstrip("."))


def read_account(connection: Connection, vault: Vault, response_id: str) -> Account:
    """Read one, as far as it opens; NotFound if there is none."""
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
            state_of(row.state),
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
    return sa.select(t.response, *columns).outerjoin(t.delivery, t.delivery.c.response == t.response.c.id)


def _opened(
    connection: Connection, rows: Sequence[sa.Row[tuple[object, ...]]], vault: Vault
) -> tuple[Account, ...]:
    accounts = [_open(row, vault) for row in rows]
    records = as_far_as_they_open(connection, vault, (each.record for each in accounts))
    return tuple(replace(account, record=record) for account, record in zip(accounts, records, strict=True))


def _open(row: sa.Row[tuple[object, ...]], vault: Vault) -> Account:
    return account_of(row, open_what_opens(row, vault))


def account_of(row: sa.Row[*tuple[Any, ...]], record: Record) -> Account:
    """Put a record beside the row of its delivery.

    A delivery that is gone, or a state that there is none of, is named, and stands as set aside.
    """
    found = row._mapping
    state = state_of(found["state"])
    if state is DeliveryState.SET_ASIDE and found["state"] != state:
        gone = found["state"] is None
        what = "Its delivery is gone." if gone else "The state of its delivery is none that there is."
        record = replace(record, altered=(*record.altered, what))
    odd = [name for name in ("detail", "locations") if not isinstance(found[name], str | None)]
    if odd:
        told = (f"Its {name} is no text." for name in odd)
        record = replace(record, altered=(*record.altered, *told))
    return Account(
        record=record,
        state=state,
        detail="" if "detail" in odd else found["detail"] or "",
        locations=() if "locations" in odd else tuple((found["locations"] or "").split()),
        software=found["software"],
    )
