"""Notes that are being written: a hand-over in another tab takes the page away, and not the text. Functions of one connection."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.sessions import LONGEST
from plugin.ledger import SealBroken, Vault, change_rows
from plugin.ledger.tables import launch, note

_PURPOSE = "unsaved-note"


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What is being written: the id that the note will have, and its text so far."""

    note: str
    text: str


def keep_unsaved(
    connection: Connection, vault: Vault, launch_id: str, unsaved: Unsaved, now: datetime
) -> None:
    """Keep a text for a sign-in, sealed, in the place of what was kept before; not of a launch that has ended."""
    sealed = vault.seal(_PURPOSE, launch_id, msgspec.json.encode(unsaved))
    going_on = launch.c.id == launch_id, launch.c.ended.is_(None)
    change_rows(connection, launch, going_on, {"sealed_note": sealed, "note_kept": now})


def read_unsaved(connection: Connection, vault: Vault, launch_id: str) -> Unsaved | None:
    """Give what is kept; None if there is nothing, or its note was written meanwhile: the request to keep it came late."""
    sealed = connection.execute(sa.select(launch.c.sealed_note).where(launch.c.id == launch_id)).scalar()
    if sealed is None:
        return None
    kept = msgspec.json.decode(vault.open(_PURPOSE, launch_id, sealed), type=Unsaved)
    is_written = connection.execute(sa.select(note.c.id).where(note.c.id == kept.note)).first() is not None
    return None if is_written else kept


def unsaved_of(connection: Connection, vault: Vault, launches: Collection[str]) -> tuple[Unsaved, ...]:
    """List what is kept of launches and has a text, the latest first; none of a note that was written.

    What was altered cannot be read any more, and is not listed. Of a note that is written in two launches the later text counts.
    """
    kept = sa.select(launch.c.id).where(launch.c.id.in_(launches), launch.c.note_kept.is_not(None))
    found: dict[str, Unsaved] = {}
    for launch_id in connection.execute(kept.order_by(launch.c.note_kept.desc())).scalars():
        with suppress(SealBroken):
            unsaved = read_unsaved(connection, vault, launch_id)
            if unsaved is not None and unsaved.text.strip():
                found.setdefault(unsaved.note, unsaved)
    return tuple(found.values())


def drop_unsaved(connection: Connection, launches: Collection[str]) -> None:
    """Forget what is kept of launches: it is not wanted."""
    _drop(connection, launch.c.id.in_(launches))


def settle_unsaved(connection: Connection, vault: Vault, launch_id: str, note_id: str) -> None:
    """Forget what is kept of a note that is saved; what another tab of the same launch is writing stays."""
    kept = read_unsaved(connection, vault, launch_id)
    if kept is not None and kept.note == note_id:
        drop_unsaved(connection, (launch_id,))


def forget_unsaved(connection: Connection, now: datetime) -> None:
    """Forget what was kept longer ago than a sign-in lasts at most."""
    _drop(connection, launch.c.note_kept < now - LONGEST)


def _drop(connection: Connection, which: sa.ColumnElement[bool]) -> None:
    kept = launch.c.note_kept.is_not(None)
    change_rows(connection, launch, (kept, which), {"sealed_note": None, "note_kept": None})
