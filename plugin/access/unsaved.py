"""Notes that are being written: a hand-over in another tab takes the page away, and not the text. Functions of one connection."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.sessions import LONGEST
from plugin.ledger import Vault, change_rows
from plugin.ledger.tables import launch

_PURPOSE = "unsaved-note"


def keep_unsaved(connection: Connection, vault: Vault, launch_id: str, text: str, now: datetime) -> None:
    """Keep a text for a sign-in, sealed, in the place of what was kept before; not of a launch that has ended."""
    sealed = vault.seal(_PURPOSE, launch_id, text.encode())
    going_on = launch.c.id == launch_id, launch.c.ended.is_(None)
    change_rows(connection, launch, going_on, {"sealed_note": sealed, "note_kept": now})


def read_unsaved(connection: Connection, vault: Vault, launch_id: str) -> str | None:
    """Give the text that is kept; None if there is none."""
    sealed = connection.execute(sa.select(launch.c.sealed_note).where(launch.c.id == launch_id)).scalar()
    return None if sealed is None else vault.open(_PURPOSE, launch_id, sealed).decode()


def drop_unsaved(connection: Connection, launch_id: str) -> None:
    """Forget what is kept of a launch: it was saved, or is not wanted."""
    _drop(connection, launch.c.id == launch_id)


def forget_unsaved(connection: Connection, now: datetime) -> None:
    """Forget what was kept longer ago than a sign-in lasts at most."""
    _drop(connection, launch.c.note_kept < now - LONGEST)


def _drop(connection: Connection, which: sa.ColumnElement[bool]) -> None:
    kept = launch.c.note_kept.is_not(None)
    change_rows(connection, launch, (kept, which), {"sealed_note": None, "note_kept": None})
