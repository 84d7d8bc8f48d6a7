"""What auditors are told of a note for the record: who wrote it, when, how far it is, where its entries stand; never its text."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.auditing.asked import plain, written_as
from plugin.auditing.entries import Entry, read_note_entries
from plugin.auditing.proving import Proof, Prover
from plugin.delivery.notes import SentNote, sent_note
from plugin.ledger import Vault
from plugin.ledger import tables as t


@dataclass(frozen=True, slots=True)
class NoteTold:
    """A note without its text, with its entries in the trail, oldest first, and whether it is as it was logged."""

    sent: SentNote
    entries: tuple[Entry, ...]
    proof: Proof


def find_note(connection: Connection, site: str | None, text: str) -> str | None:
    """Find a note of a site, or of any, by its address in the EHR, its own id or its identifier; None if there is none."""
    given = plain(text)
    of_site = () if site is None else (t.note.c.site == site,)
    own = given.removeprefix("DocumentReference/").removesuffix("/note")
    known = connection.execute(sa.select(t.note.c.id).where(t.note.c.id == own, *of_site)).scalar()
    if known is not None:
        return str(known)
    for wanted in written_as(given, "DocumentReference"):
        query = (
            sa.select(t.note.c.id, t.note_delivery.c.location)
            .join(t.note_delivery, t.note_delivery.c.note == t.note.c.id)
            .where(t.note_delivery.c.location.contains(wanted, autoescape=True), *of_site)
        )
        for row in connection.execute(query):
            if f"/{plain(row.location)}".endswith(f"/{wanted}"):
                return str(row.id)
    return None


def read_note_told(connection: Connection, vault: Vault, prover: Prover, note: str) -> NoteTold:
    """Read what is known of a note; its text stays sealed."""
    sent = sent_note(connection, note)
    of = sent.note
    return NoteTold(
        sent,
        read_note_entries(connection, vault, note, site=of.site, patient=of.patient),
        prover.prove(connection, vault, "note", note),
    )
