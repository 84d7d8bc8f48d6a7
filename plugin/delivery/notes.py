"""Notes for the record: kept with their place in a queue of their own, in one transaction. Functions of one connection.

A note is a document that a clinician wrote; it has no scores of its own and is recomputed by nobody. It stands in the record as one
DocumentReference, found again by its identifier.
"""

import base64
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from plugin.delivery.states import OPEN, DeliveryState, state_of
from plugin.errors import NotFound
from plugin.ledger import SealBroken, Vault, change_rows, insert_row, note_for_log
from plugin.ledger import tables as t
from plugin.observations.build import IDENTIFIER_SYSTEM

NOTE_LEASE = timedelta(seconds=90)
MOST_CHARACTERS = 20_000
_CATEGORY = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "code": "clinical-note",
}
_TITLE = "Therapeutic alliance: note"


@dataclass(frozen=True, slots=True)
class Note:
    """What was written, for whom, by whom, in which language."""

    id: str
    site: str
    patient: str
    encounter: str | None
    launch: str
    author: str
    language: str
    written: datetime
    text: str


@dataclass(frozen=True, slots=True)
class SentNote:
    """A note and how far it is. `location` is its reference in the EHR."""

    note: Note
    state: DeliveryState
    detail: str
    attempts: int
    location: str | None


def keep_note(connection: Connection, vault: Vault, note: Note) -> bool:
    """Store a note and its place in the queue; False if this very one was stored before (a double press)."""
    if connection.execute(sa.select(t.note.c.id).where(t.note.c.id == note.id)).first() is not None:
        return False
    row = {
        "id": note.id,
        "site": note.site,
        "patient": note.patient,
        "encounter": note.encounter,
        "launch": note.launch,
        "author": note.author,
        "language": note.language,
        "written": note.written,
        "sealed_text": vault.seal("note", note.id, note.text.encode()),
    }
    connection.execute(t.note.insert().values(row))
    note_for_log(connection, "note", note.id)
    insert_row(
        connection,
        t.note_delivery,
        {"note": note.id, "state": DeliveryState.SCORED, "due": note.written, "attempts": 0, "detail": ""},
    )
    return True


def claim_note(connection: Connection, now: datetime, only: str | None = None) -> SentNote | None:
    """Take the note that is due longest (or one), for as long as a lease; None if none is due. The text stays sealed."""
    wanted = [t.note_delivery.c.state.in_(OPEN), t.note_delivery.c.due <= now]
    if only is not None:
        wanted.append(t.note_delivery.c.note == only)
    chosen = connection.execute(
        sa.select(t.note_delivery.c.note)
        .where(*wanted)
        .order_by(t.note_delivery.c.due)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar()
    if chosen is None:
        return None
    change_rows(
        connection,
        t.note_delivery,
        (t.note_delivery.c.note == chosen,),
        lambda row: {
            "state": DeliveryState.SENDING,
            "due": now + NOTE_LEASE,
            "attempts": row["attempts"] + 1,
        },
    )
    row = connection.execute(_joined().where(t.note.c.id == chosen)).one()
    return _open(row, None)


def finish_note(
    connection: Connection,
    claimed: SentNote,
    state: DeliveryState,
    detail: str,
    due: datetime,
    location: str | None,
) -> None:
    """Note how an attempt ended, unless another has been begun since."""
    change_rows(
        connection,
        t.note_delivery,
        (
            t.note_delivery.c.note == claimed.note.id,
            t.note_delivery.c.attempts == claimed.attempts,
        ),
        {"state": state, "detail": detail, "due": due, "location": location},
    )


def retry_note(connection: Connection, note_id: str, now: datetime) -> None:
    """Have a note tried again now, unless it is in the record or under way."""
    fixed = (DeliveryState.DELIVERED, DeliveryState.SENDING)
    change_rows(
        connection,
        t.note_delivery,
        (
            t.note_delivery.c.note == note_id,
            t.note_delivery.c.state.not_in(fixed),
        ),
        {"state": DeliveryState.SCORED, "due": now},
    )


def release_held_notes(connection: Connection, site: str, patient: str, now: datetime) -> None:
    """Have a patient's notes that wait for a sign-in tried now: somebody has signed in."""
    own = sa.select(t.note.c.id).where(t.note.c.site == site, t.note.c.patient == patient)
    change_rows(
        connection,
        t.note_delivery,
        (
            t.note_delivery.c.note.in_(own),
            t.note_delivery.c.state == DeliveryState.HELD,
        ),
        {"due": now},
    )


def notes_of(connection: Connection, site: str, patient: str, most: int = 10) -> tuple[SentNote, ...]:
    """List a patient's latest notes, newest first; their texts stay sealed."""
    rows = connection.execute(
        _joined()
        .where(t.note.c.site == site, t.note.c.patient == patient)
        .order_by(t.note.c.written.desc())
        .limit(most)
    )
    return tuple(_open(row, None) for row in rows)


def notes_from(connection: Connection, vault: Vault, launch: str) -> tuple[SentNote, ...]:
    """Read the notes that were written from one launch, newest first, with their texts; one that was altered is left out."""
    rows = connection.execute(_joined().where(t.note.c.launch == launch).order_by(t.note.c.written.desc()))
    found = []
    for row in rows:
        with suppress(SealBroken):
            found.append(_open(row, vault))
    return tuple(found)


def sent_note(connection: Connection, note_id: str) -> SentNote:
    """Read how far one is, its text left sealed; NotFound if there is none."""
    return _read(connection, None, note_id)


def read_note(connection: Connection, vault: Vault, note_id: str) -> SentNote:
    """Read one with its text; NotFound if there is none."""
    return _read(connection, vault, note_id)


def _read(connection: Connection, vault: Vault | None, note_id: str) -> SentNote:
    row = connection.execute(_joined().where(t.note.c.id == note_id)).first()
    if row is None:
        raise NotFound("There is no such note.", "Go back to the patient page.")
    return _open(row, vault)


def note_identifier(note_id: str) -> str:
    """Give the identifier by which a note is found in the record: `system|value`."""
    return f"{IDENTIFIER_SYSTEM}|{note_id}/note"


def build_note(note: Note) -> bytes:
    """Build the DocumentReference of a note."""
    when = note.written.isoformat(timespec="seconds")
    document: dict[str, object] = {
        "resourceType": "DocumentReference",
        "identifier": [{"system": IDENTIFIER_SYSTEM, "value": f"{note.id}/note"}],
        "status": "current",
        "docStatus": "final",
        "type": {"text": _TITLE},
        "category": [{"coding": [_CATEGORY]}],
        "subject": {"reference": note.patient},
        "date": note.written.isoformat(timespec="milliseconds"),
        "description": _TITLE,
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",  # no charset: Epic and Oracle Health take none
                    "language": note.language,
                    "data": base64.b64encode(note.text.encode()).decode(),
                    "title": _TITLE,
                    "creation": when,
                }
            }
        ],
        "context": {
            **({"encounter": [{"reference": note.encounter}]} if note.encounter else {}),
            "period": {"start": when, "end": when},
        },
    }
    if note.author.startswith(("Practitioner/", "PractitionerRole/")):
        document["author"] = [{"reference": note.author}]
    return msgspec.json.encode(document)


def _joined() -> sa.Select[tuple[object, ...]]:
    columns = [t.note_delivery.c[name] for name in ("state", "detail", "attempts", "location")]
    return sa.select(t.note, *columns).join(t.note_delivery, t.note_delivery.c.note == t.note.c.id)


def _open(row: Row[tuple[object, ...]], vault: Vault | None) -> SentNote:
    found = row._mapping
    text = vault.open("note", found["id"], found["sealed_text"]).decode() if vault else ""
    note = Note(
        id=found["id"],
        site=found["site"],
        patient=found["patient"],
        encounter=found["encounter"],
        launch=found["launch"],
        author=found["author"],
        language=found["language"],
        written=found["written"],
        text=text,
    )
    return SentNote(note, state_of(found["state"]), found["detail"], found["attempts"], found["location"])
