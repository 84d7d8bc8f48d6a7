"""Text that is no UTF-8, which SQLite lets somebody else write: read with its bytes written out, so that one row stops nobody."""

import operator
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

T = TypeVar("T")
_SAID = "Could not decode to UTF-8"  # by Python's driver


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Read text that is no UTF-8 with its bytes written out: it then is not what was logged or sealed, and is named so."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    before = driver.text_factory
    driver.text_factory = operator.methodcaller("decode", "utf-8", "backslashreplace")
    try:
        yield
    finally:
        driver.text_factory = before


def looking(connection: Connection, look: Callable[[Connection], T]) -> T:
    """Run a query; once more, with any text, if it met text that is no UTF-8."""
    try:
        return look(connection)
    except sa.exc.OperationalError as error:
        if _SAID not in str(error.orig):
            raise
    with any_text(connection):
        return look(connection)
