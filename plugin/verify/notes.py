"""Whether every note has its delivery, and whether how far it is follows from what the trail tells of its attempts."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery.states import DeliveryState
from plugin.ledger import tables as t
from plugin.verify.findings import Finding, Flaw
from plugin.verify.reading import Row, pieces, rows
from plugin.verify.stories import Stories, Story

_NOTE = "DocumentReference/"
_COLUMNS = ("note", "state", "attempts", "detail", "location")


def check_notes(connection: Connection, stories: Stories) -> Iterator[Finding]:
    """Give every note that does not stand as its attempts left it."""
    columns = [t.note_delivery.c[name].label(f"d_{name}") for name in _COLUMNS]
    query = sa.select(t.note.c.id, *columns).select_from(
        t.note.outerjoin(t.note_delivery, t.note_delivery.c.note == t.note.c.id)
    )
    for piece in pieces(connection, query):
        told = stories.of([f"{_NOTE}{row.id}" for row in piece])
        for row in piece:
            for flaw, what in _note(row, told[f"{_NOTE}{row.id}"]):
                yield Finding(flaw, f"note {row.id}", what)
    known = sa.exists().where(t.note.c.id == t.note_delivery.c.note)
    for row in rows(connection, sa.select(t.note_delivery.c.note).where(~known)):
        yield Finding(Flaw.ORPHAN, f"delivery of note {row.note}", "There is no such note.")


def _note(row: Row, told: list[Story]) -> Iterator[tuple[Flaw, str]]:
    if row.d_note is None:
        yield Flaw.ORPHAN, "It has no delivery: it will never reach the record."
        return
    numbered = [each for each in told if each.facts.get("attempt", "").isdecimal()]
    if len(numbered) < len(told):
        return  # entries of before say neither which attempt nor how many
    last = max(numbered, key=_number, default=None)
    tried = 0 if last is None else _number(last)
    # One that is being sent, or whose worker was killed, is begun and not told yet.
    under_way = row.d_state == DeliveryState.SENDING
    if row.d_attempts <= tried if under_way else row.d_attempts != tried:
        yield Flaw.STATE, f"It counts {row.d_attempts} attempts, and the trail tells of {tried}."
    if not under_way:
        yield from _as_left(row, last)


def _as_left(row: Row, last: Story | None) -> Iterator[tuple[Flaw, str]]:
    """Hold it against the end of its last attempt; whoever has it tried again sets it back to where it began."""
    delivered = last is not None and last.succeeded
    said = "" if last is None or delivered else last.said or ""
    state, _, detail = said.partition(": ")
    location = next(iter(last.others), None) if last is not None and delivered else None
    if row.d_state not in ({DeliveryState.DELIVERED} if delivered else {DeliveryState.SCORED, state}):
        yield Flaw.STATE, f"It counts as {row.d_state}, and its last attempt did not end so."
    if row.d_detail != detail:
        yield Flaw.STATE, "It says something else than its last attempt."
    if row.d_location != location:
        yield Flaw.STATE, "It has another address in the EHR than the trail tells."


def _number(story: Story) -> int:
    return int(story.facts["attempt"])
