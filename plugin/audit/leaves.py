"""What the transparency log says of a row: a salted digest of everything in it that never changes.

Personal data is not in the log: once a row and its salt are erased, its leaf tells nothing.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.ledger.schema import lock
from plugin.ledger.sealed import SEALED
from plugin.ledger.tables import is_no_moment

logger = structlog.get_logger()

_SALT_BYTES = 32
_MOST_AT_ONCE = 512
_DIGITS = 18  # of the longest number of which every one fits in 64 bits


@dataclass(frozen=True, slots=True)
class Logged:
    """A table whose rows are logged: the column that names one, and the one that tells when it was written.

    None of them is written into the past.
    """

    table: sa.Table
    key: str
    moment: str

    @property
    def sealed(self) -> Mapping[str, str]:
        """The columns whose values the vault opens, with the purpose they were sealed for."""
        return SEALED.get(self.table.name, {})


LOGGED: Mapping[str, Logged] = {
    "audit": Logged(t.audit, "event", "recorded"),
    "response": Logged(t.response, "id", "received"),
    "attempt": Logged(t.attempt, "id", "finished"),
    "norm": Logged(t.norm, "id", "decided"),
    "note": Logged(t.note, "id", "written"),
    "review": Logged(t.review, "id", "drawn"),
    "sign_off": Logged(t.sign_off, "id", "signed"),
    "revision": Logged(t.revision, "id", "made"),
    "rescoring": Logged(t.rescoring, "id", "computed"),
    "configuration": Logged(t.configuration, "id", "recorded"),
    "erasure": Logged(t.erasure, "id", "decided"),
}

# Columns that rows logged before have not: while one is empty it is left out of what is hashed.
LATER: Mapping[str, frozenset[str]] = {
    "attempt": frozenset({"number", "writer", "status", "answer", "revision"}),
    "response": frozenset({"collected"}),
}


def moment_of(kind: str, row: Mapping[str, object]) -> datetime | None:
    """Tell when a row was written; None for a kind that is not logged."""
    found = row.get(LOGGED[kind].moment) if kind in LOGGED else None
    return found if isinstance(found, datetime) else None


def row_content(kind: str, row: Mapping[str, object], vault: Vault) -> bytes:
    """Write a row in the one form that is hashed: its columns by name, sealed values opened. SealBroken if one was altered."""
    logged = LOGGED[kind]
    columns: list[tuple[str, object]] = []
    for column in sorted(logged.table.columns.keys()):
        value = row[column]
        if value is None and column in LATER.get(kind, ()):
            continue
        if column in logged.sealed and isinstance(value, bytes):
            value = vault.open(logged.sealed[column], str(row[logged.key]), value)
        columns.append((str(column), _plain(value)))
    return msgspec.json.encode(columns)


def log_entry(kind: str, salt: bytes, content: bytes) -> bytes:
    """Write the log's entry for a row."""
    digest = hashlib.sha256(salt + content).hexdigest()
    return f"rapport-log/1 {kind} {digest}".encode()


@dataclass(frozen=True, slots=True)
class Queue:
    """How many rows wait for a place in the log, and how many cannot have one."""

    waiting: int
    set_aside: int


def log_pending_rows(connection: Connection, vault: Vault) -> int:
    """Give the next places in the log to some rows that wait for one, the oldest of them first; how many were looked at.

    Where more wait than are taken at once, no kind waits behind another: most rows are named at random. A row that cannot
    be read is set aside with the reason, and the others go on. Call it in a transaction of its own: on PostgreSQL other such
    ones wait.
    """
    lock(connection, "log")
    pending = t.log_pending.c
    waiting = connection.execute(
        sa.select(pending.kind, pending.row)
        .where(pending.problem.is_(None))
        .order_by(pending.row, pending.kind)
        .limit(_MOST_AT_ONCE)
    ).all()
    if not waiting:
        return 0
    last = connection.execute(sa.select(sa.func.max(t.log_leaf.c.place))).scalar()
    place = -1 if last is None else int(last)
    found: list[tuple[datetime, str, str, bytes]] = []
    done = []
    for kind, key in waiting:
        try:
            row = read_row(connection, kind, key)
            if row is not None:  # else it was erased before it was logged
                found.append((_written(kind, row), kind, key, row_content(kind, row, vault)))
        except (SealBroken, ValueError, TypeError, LookupError) as error:
            _set_aside(connection, kind, key, error)
            logger.error("transparency-log.set-aside", kind=kind, row=key)  # noqa: TRY400 -- it may hold data
            continue
        done.append({"own_row": key, "own_kind": kind})
    leaves = []
    for each, (_, kind, key, content) in enumerate(sorted(found), start=place + 1):
        salt = secrets.token_bytes(_SALT_BYTES)
        entry = log_entry(kind, salt, content)
        leaves.append({"place": each, "kind": kind, "row": key, "salt": salt, "entry": entry})
    if leaves:
        connection.execute(t.log_leaf.insert(), leaves)
    if done:
        # One by one: in one list SQLite would look through the whole table.
        own = pending.row == sa.bindparam("own_row"), pending.kind == sa.bindparam("own_kind")
        connection.execute(t.log_pending.delete().where(*own), done)
    return len(waiting)


def retry_set_aside(connection: Connection) -> None:
    """Let rows that were set aside wait again: a key may have come back."""
    connection.execute(t.log_pending.update().values(problem=None))


def count_pending(connection: Connection) -> Queue:
    """Count what is not in the log yet."""
    aside = sa.func.count(t.log_pending.c.problem)
    all_rows, set_aside = connection.execute(sa.select(sa.func.count(), aside)).one()
    return Queue(all_rows - set_aside, set_aside)


def _written(kind: str, row: Mapping[str, object]) -> datetime:
    if any(isinstance(each, datetime) and is_no_moment(each) for each in row.values()):
        raise ValueError(f"This {kind} holds a moment that is none.")
    when = moment_of(kind, row)
    if when is None:
        raise ValueError(f"This {kind} does not say when it was written.")
    return when


def _set_aside(connection: Connection, kind: str, row: str, error: Exception) -> None:
    # Only the vault's own words are kept: another error's may hold what stands in the row.
    problem = str(error) if isinstance(error, SealBroken) else f"it cannot be read ({type(error).__name__})"
    own = t.log_pending.c.kind == kind, t.log_pending.c.row == row
    connection.execute(t.log_pending.update().where(*own).values(problem=problem[:200]))


def key_of(kind: str, row: str) -> int | str | None:
    """Give the key of a logged row as its column holds it; None if no row of this kind can have such a key.

    An attempt's is a number, and databases refuse to be asked for longer ones.
    """
    if kind != "attempt":
        return row
    return int(row) if row.isdecimal() and len(row) <= _DIGITS else None


def read_row(connection: Connection, kind: str, row: str) -> Mapping[str, object] | None:
    """Read a logged row; None if it is gone. ValueError if nothing of this kind can have such a key."""
    logged = LOGGED[kind]
    wanted = key_of(kind, row)
    if wanted is None:
        raise ValueError("The key of an attempt is a number.")
    found = connection.execute(sa.select(logged.table).where(logged.table.c[logged.key] == wanted)).first()
    return None if found is None else dict(found._mapping)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1_000_000)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
