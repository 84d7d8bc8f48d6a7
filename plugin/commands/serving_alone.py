"""One serving process for a ledger on SQLite: a lock that the kernel holds while the process lives, and frees when it ends.

The process delivers, and takes what an earlier one left leased as its own: beside another one it would write twice.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
import structlog

from plugin.errors import SettingsInvalid

PATIENCE = 15.0  # seconds that a restart may overlap with the process before
_BETWEEN = 0.2  # seconds
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_log = structlog.get_logger()


@contextmanager
def serve_alone(database: str) -> Iterator[None]:
    """Be the only process that serves from an SQLite file; SettingsInvalid if another one still does after `PATIENCE`.

    On PostgreSQL as many may serve as like to.
    """
    url = sa.make_url(database)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    # A file of its own: whoever closes the database's gives up all locks that SQLite holds on it in this process.
    place = Path(f"{Path(url.database).resolve()}.serving")
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsInvalid(
            f"The database {database} cannot be used: {place}: {error.strerror}.",
            "Start it, or correct server.database. The folder of an SQLite file must exist and be writable.",
        ) from None
    try:
        _lock(handle, Path(url.database))
        yield
    finally:
        os.close(handle)


def _lock(handle: int, ledger: Path) -> None:
    ends = time.monotonic() + PATIENCE
    told = False
    while not _can_lock(handle, ledger):
        if time.monotonic() > ends:
            raise SettingsInvalid(
                f"Another `rapport serve` serves from {ledger}{_named(handle)}: an SQLite database has one.",
                "Stop that one first, or for several processes set server.database to a PostgreSQL "
                "(postgresql+psycopg://…).",
            )
        if not told:
            _log.warning("another process still serves from this ledger", waiting_seconds=PATIENCE)
            told = True
        time.sleep(_BETWEEN)
    # Only for the sentence above: the lock counts, whatever stands in the file.
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)


def _can_lock(handle: int, ledger: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        raise SettingsInvalid(
            f"The file system of {ledger} has no locks, so that nothing keeps a second process from serving.",
            "Keep an SQLite database on a disk of this machine, or set server.database to a PostgreSQL.",
        ) from None
    return True


def _named(handle: int) -> str:
    with suppress(OSError):
        if (process := os.pread(handle, 20, 0).decode("ascii", "replace")).isdecimal():
            return f" (process {process})"
    return ""
