"""Scores and deliveries of many patients at once, without a single answer: the answers stay sealed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.account import Account, account_of
from plugin.delivery.keep import open_what_opens
from plugin.delivery.revising import as_far_as_they_open
from plugin.ledger import Vault
from plugin.ledger import tables as t

_AT_ONCE = 400  # patients a query
_COLUMNS = tuple(column for column in t.response.columns if column.name != "sealed_body")


def read_scored(
    connection: Connection, vault: Vault, site: str, patients: Sequence[str]
) -> Mapping[str, tuple[Account, ...]]:
    """Read all responses of some patients as they stand, oldest first, by patient; their bodies are empty, and altered ones are among them.

    Two queries for 400 patients, by `ix_response_site_patient` and by response; then one seal a version.
    """
    found: dict[str, list[Account]] = defaultdict(list)
    for start in range(0, len(patients), _AT_ONCE):
        rows = connection.execute(
            sa.select(*_COLUMNS, t.delivery.c.state, t.delivery.c.detail, t.delivery.c.locations)
            .outerjoin(t.delivery, t.delivery.c.response == t.response.c.id)
            .where(t.response.c.site == site, t.response.c.patient.in_(patients[start : start + _AT_ONCE]))
        )
        read = rows.all()
        opened = [open_what_opens(row, vault, answers=False) for row in read]
        records = as_far_as_they_open(connection, vault, opened, answers=False)
        for row, record in zip(read, records, strict=True):
            found[row.patient].append(account_of(row, record))
    # Sorted here: a database would carry the sealed results through its sorting.
    return {patient: tuple(sorted(accounts, key=_arrival)) for patient, accounts in found.items()}


def _arrival(account: Account) -> tuple[datetime, str]:
    return account.record.received, account.record.id
