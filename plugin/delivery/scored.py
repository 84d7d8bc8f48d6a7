"""Scores and deliveries of many patients at once, without a single answer: the answers stay sealed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.account import Account
from plugin.delivery.keep import open_scores
from plugin.delivery.revising import latest_rows, open_revised_scores
from plugin.delivery.states import DeliveryState
from plugin.ledger import Vault
from plugin.ledger import tables as t

_AT_ONCE = 400  # patients a query
_COLUMNS = tuple(column for column in t.response.columns if column.name != "sealed_body")


def read_scored(
    connection: Connection, vault: Vault, site: str, patients: Sequence[str]
) -> Mapping[str, tuple[Account, ...]]:
    """Read all responses of some patients as they stand, oldest first, by patient; their bodies are empty.

    Two queries for 400 patients, by `ix_response_site_patient` and by response; then one seal a version.
    """
    found: dict[str, list[Account]] = defaultdict(list)
    for start in range(0, len(patients), _AT_ONCE):
        rows = connection.execute(
            sa.select(*_COLUMNS, t.delivery.c.state, t.delivery.c.detail, t.delivery.c.locations)
            .join(t.delivery, t.delivery.c.response == t.response.c.id)
            .where(t.response.c.site == site, t.response.c.patient.in_(patients[start : start + _AT_ONCE]))
        )
        read = rows.all()
        latest = latest_rows(connection, [row.id for row in read])
        for row in read:
            record, later = open_scores(row, vault), latest.get(row.id)
            found[row.patient].append(
                Account(
                    record=record if later is None else open_revised_scores(record, later, vault),
                    state=DeliveryState(row.state),
                    detail=row.detail,
                    locations=tuple((row.locations or "").split()),
                    software=row.software,
                )
            )
    # Sorted here: a database would carry the sealed results through its sorting.
    return {patient: tuple(sorted(accounts, key=_arrival)) for patient, accounts in found.items()}


def _arrival(account: Account) -> tuple[datetime, str]:
    return account.record.received, account.record.id
