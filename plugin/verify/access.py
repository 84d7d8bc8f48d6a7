"""Whether launches and invitations are as the trail tells: who, when, in whose chart, on which authority, and how they ended.

They change, so they are no leaves of the log; the entries that tell of them are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.gates import GateAnswer
from plugin.access.invitations import FILLABLE, InvitationState
from plugin.audit import Kind
from plugin.audit.facts import MADE, as_text
from plugin.audit.subjects import subjects_of
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.verify.findings import Finding, Flaw
from plugin.verify.reading import Row, pieces, rows
from plugin.verify.stories import INVITATION, Stories, Story

_NAMED = "urn:uuid:"
_ENDED_BY: Mapping[str, tuple[Kind, ...]] = {
    InvitationState.WITHDRAWN: (Kind.INVITATION_WITHDRAWN, Kind.CONSENT_REFUSED),
    InvitationState.EXPIRED: (Kind.INVITATION_EXPIRED,),
}
_SAID = {Kind.CONSENT_GIVEN: GateAnswer.AGREED, Kind.CONSENT_REFUSED: GateAnswer.REFUSED}
_Flaws = Iterator[tuple[Flaw, str]]


def check_launches(connection: Connection, stories: Stories) -> Iterator[Finding]:
    """Give every launch that is not what the trail tells of it."""
    for row, told in _told(connection, t.launch, ("user", "ended"), stories):
        for flaw, what in _launch(row, told):
            yield Finding(flaw, f"launch {row.id}", what)


def check_invitations(connection: Connection, stories: Stories) -> Iterator[Finding]:
    """Give every invitation that is not what the trail tells of it, or whose state does not follow."""
    answered = sa.exists().where(t.response.c.invitation == t.invitation.c.id).label("answered")
    changing = ("state", "opened", "gate_answer", "gate_answered")
    for row, told in _told(connection, t.invitation, changing, stories, answered):
        for flaw, what in _invitation(row, told):
            yield Finding(flaw, f"invitation {row.id}", what)


def check_gone(connection: Connection, vault: Vault, stories: Stories) -> Iterator[Finding]:
    """Give launches and invitations that the trail tells of, that are gone, and that no erasure accounts for."""
    erased: dict[tuple[str, str], datetime] = {}
    for row in rows(connection, sa.select(t.erasure.c.subject, t.erasure.c.decided, t.erasure.c.counts)):
        for table in _counted(row.counts):
            last = erased.get((row.subject, table))
            erased[row.subject, table] = row.decided if last is None else max(last, row.decided)
    for subject, story in stories.gone():
        table = "launch" if story.kind == Kind.LAUNCH else "invitation"
        site = story.site or ""
        by = (*subjects_of(vault, site, story.patient or ""), *subjects_of(vault, site))
        if any((when := erased.get((each, table))) is not None and when >= story.recorded for each in by):
            continue
        where = f"{table} {subject.removeprefix(_NAMED)}"
        yield Finding(Flaw.DELETED, where, "The trail tells of it, and it is gone.")


def _counted(counts: str) -> Iterable[str]:
    try:
        return msgspec.json.decode(counts, type=dict[str, int])
    except msgspec.MsgspecError:
        return ()  # altered: its own leaf tells


def _told(
    connection: Connection,
    table: sa.Table,
    changing: Sequence[str],
    stories: Stories,
    *more: sa.Label[bool],
) -> Iterator[tuple[Row, list[Story]]]:
    """Give each row with what the trail tells of it. Secrets, tokens and drafts are not read."""
    names = ("id", "site", "patient", *MADE[table.name], *changing)
    for piece in pieces(connection, sa.select(*(table.c[each] for each in names), *more)):
        told = stories.of([f"{_NAMED}{row.id}" for row in piece])
        for row in piece:
            yield row, told[f"{_NAMED}{row.id}"]


def _launch(row: Row, told: list[Story]) -> _Flaws:
    making = next((each for each in told if each.kind == Kind.LAUNCH and each.succeeded), None)
    if making is None:
        yield Flaw.TRAIL, "The trail does not tell of it."
        return
    if row.user != making.who:
        yield Flaw.ALTERED, "It names another user than the trail, or one where the trail names none."
    yield from _as_made(row, making, t.launch)
    if not making.makes:
        return  # an entry of before: who ended it was not told of every launch
    ends = {each.facts.get("ended") for each in told if each.kind == Kind.LAUNCH_ENDED}
    if row.ended is None and ends:
        yield Flaw.STATE, "The trail tells that it was ended, and it counts as going on."
    elif row.ended is not None and as_text(row.ended) not in ends:
        yield Flaw.STATE, "It counts as ended, and the trail does not tell so, or of another time."


def _as_made(row: Row, making: Story, table: sa.Table) -> _Flaws:
    """Hold what never changes against the entry of its making; of one of before, what that told."""
    if (row.site, row.patient) != (making.site, making.patient):
        yield Flaw.ALTERED, "It is of another patient or site than the trail tells."
    if not making.makes:
        return
    values = row._mapping
    for name in MADE[table.name]:
        stored = None if values[name] is None else as_text(values[name])
        if stored != making.facts.get(name):
            yield Flaw.ALTERED, f"Its {name.replace('_', ' ')} is not what the trail tells."


def _invitation(row: Row, told: list[Story]) -> _Flaws:
    making = next((each for each in told if each.makes), None)
    making = making or next((each for each in told if each.kind in INVITATION), None)
    if making is None:
        yield Flaw.TRAIL, "The trail does not tell of it."
        return
    yield from _as_made(row, making, t.invitation)
    # Whoever names another patient's invitation in an address leaves an entry and changes nothing.
    own = making.site, making.patient
    told = [each for each in told if each.succeeded and (each.site, each.patient) == own]
    yield from _stands(row, told)
    yield from _opened(row, told)
    yield from _gate(row, told)


def _stands(row: Row, told: list[Story]) -> _Flaws:
    kinds = {each.kind for each in told}
    state = row.state
    if state not in set(InvitationState):
        yield Flaw.STATE, "It is in a state that there is not."
    elif (state == InvitationState.SUBMITTED) is not row.answered:
        stands = "has a response" if row.answered else "no response came of it"
        yield Flaw.STATE, f"It counts as {state}, and {stands}."
    elif state in _ENDED_BY and kinds.isdisjoint(_ENDED_BY[state]):
        yield Flaw.STATE, f"It counts as {state}, and the trail does not tell so."
    elif state in FILLABLE and not kinds.isdisjoint(
        (Kind.INVITATION_WITHDRAWN, Kind.CONSENT_REFUSED, Kind.INVITATION_EXPIRED)
    ):
        yield Flaw.STATE, f"It counts as {state}, and the trail tells that it was closed."


def _opened(row: Row, told: list[Story]) -> _Flaws:
    openings = [each for each in told if each.kind == Kind.INVITATION_OPENED]
    known = [each.facts["opened"] for each in openings if "opened" in each.facts]
    if (row.opened is None) is not (not openings) or (row.state == InvitationState.CREATED and openings):
        yield Flaw.STATE, "Whether it was opened is not what the trail tells."
    elif row.opened is not None and len(known) == len(openings) and as_text(row.opened) not in known:
        yield Flaw.STATE, "It was opened at another time than the trail tells."


def _gate(row: Row, told: list[Story]) -> _Flaws:
    said = [each for each in told if each.kind in _SAID]
    # A refusal after an agreement counts, nothing after a refusal.
    answers = {_SAID[Kind(each.kind)] for each in said}
    answers = answers & {GateAnswer.REFUSED} or answers
    times = [each.facts["gate_answered"] for each in said if "gate_answered" in each.facts]
    fits = row.gate_answer in answers if said else row.gate_answer is None
    if not fits or (row.gate_answer is None) is not (row.gate_answered is None):
        yield Flaw.STATE, "What the caregiver said is not what the trail tells."
    elif said and len(times) == len(said) and as_text(row.gate_answered) not in times:
        yield Flaw.STATE, "The caregiver said it at another time than the trail tells."
