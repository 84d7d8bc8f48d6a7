"""A database that cannot do its work just now: which errors say so, and what they are called in the log."""

import sqlalchemy as sa

AWAY = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,  # PostgreSQL while it takes no writes: a standby, or a disk that its host finds too full
    sa.exc.TimeoutError,
)


def cause_of(error: BaseException) -> str:
    """Name an error, and what the driver calls it: SQLITE_READONLY, DiskFull. Never its text, which may hold data."""
    own, driver = type(error).__name__, getattr(error, "orig", None)
    if driver is None:
        return own
    return f"{own} ({getattr(driver, 'sqlite_errorname', None) or type(driver).__name__})"
