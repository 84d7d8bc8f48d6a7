"""How a logged row is written into an export, and turned back into the very bytes whose digest the log holds."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import sqlalchemy as sa

from plugin.audit.leaves import LATER, LOGGED
from plugin.ledger import Vault
from plugin.ledger import tables as t

Line = dict[str, object]
"""One line of NDJSON."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Column(msgspec.Struct, frozen=True):
    """One column: its name in the export and in what the log hashes, and how its values are written.

    An `instant` is UTC to the microsecond; `bytes` are text where they are UTF-8, else `{"base64": ...}`.
    """

    name: str
    logged_as: str
    type: Literal["text", "number", "instant", "bytes"]
    left_out_if_empty: bool = False


class NotAsLogged(ValueError):
    """A line has not the members or types that its columns ask for."""


def columns_of(kind: str) -> tuple[Column, ...]:
    """Give the columns of a logged table, in the order in which they are hashed."""
    table = LOGGED[kind].table
    return tuple(
        Column(name.removeprefix("sealed_"), name, _type_of(table.c[name].type), name in LATER.get(kind, ()))
        for name in sorted(map(str, table.columns.keys()))
    )


def read_values(kind: str, row: Mapping[str, object], vault: Vault) -> Line:
    """Write a row for people: sealed values opened, instants in ISO 8601. SealBroken if one was altered."""
    logged = LOGGED[kind]
    values: Line = {}
    for column in columns_of(kind):
        value = row[column.logged_as]
        if isinstance(value, bytes):
            if column.logged_as in logged.sealed:
                value = vault.open(logged.sealed[column.logged_as], str(row[logged.key]), value)
            value = _text_of(value)
        elif isinstance(value, datetime):
            value = written(value)
        values[column.name] = value
    return values


def content_of(columns: Sequence[Column], line: Line) -> bytes:
    """Give the bytes that were hashed for the log; NotAsLogged if the line cannot give them."""
    pairs: list[tuple[str, object]] = []
    for column in columns:
        if column.name not in line:
            raise NotAsLogged(column.name)
        value = line[column.name]
        if value is None and column.left_out_if_empty:
            continue
        pairs.append((column.logged_as, value if value is None else _hashed(column, value)))
    return msgspec.json.encode(pairs)


def written(when: datetime) -> str:
    """Write an instant in UTC, to the microsecond."""
    exact = _EPOCH + round(when.timestamp() * 1_000_000) * _MICROSECOND
    return exact.isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(value: object) -> datetime:
    """Read an instant back; NotAsLogged if it is none."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise NotAsLogged(str(value)[:40]) from None
    if found.tzinfo is None:
        raise NotAsLogged(str(value)[:40])
    return found


def bytes_of(value: object) -> bytes:
    """Give the bytes behind a value of the type `bytes`; NotAsLogged if it is none."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and isinstance(value.get("base64"), str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except ValueError:
            pass
    raise NotAsLogged("bytes")


def _hashed(column: Column, value: object) -> object:
    if column.type == "instant":
        return (instant(value) - _EPOCH) // _MICROSECOND
    if column.type == "bytes":
        return base64.b64encode(bytes_of(value)).decode()
    return value


def _text_of(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _type_of(found: sa.types.TypeEngine[object]) -> Literal["text", "number", "instant", "bytes"]:
    if isinstance(found, t.Instant):
        return "instant"
    if isinstance(found, sa.LargeBinary):
        return "bytes"
    return "number" if isinstance(found, sa.Integer) else "text"
