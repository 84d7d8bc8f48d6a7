"""Whether the trail's entries are what they were, and whether one stands for everything that happened."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit import Kind
from plugin.audit.kinds import is_coded_as
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.verify.findings import Finding, Flaw, Progress
from plugin.verify.mentions import Mention, Mentions
from plugin.verify.reading import CHUNK, Row, rows
from plugin.verify.stories import TOLD_OF, Stories, Story

# Clocks of several machines differ, and an entry is written a little after it was made.
_SLACK = timedelta(minutes=10)
_RESPONSE = "QuestionnaireResponse/"
_NORMS = {"adopted": Kind.NORM_ADOPTED, "withdrawn": Kind.NORM_WITHDRAWN}


class _Detail(msgspec.Struct, rename="camel"):
    type: str
    value_string: str = ""


class _Entity(msgspec.Struct):
    type: Mapping[str, str]
    what: Mapping[str, object] = {}
    detail: list[_Detail] = []

    @property
    def reference(self) -> str | None:
        """What it refers to; a query and a request's id refer to nothing."""
        found = self.what.get("reference")
        return found if isinstance(found, str) else None


class _Agent(msgspec.Struct):
    who: Mapping[str, object] = {}
    requestor: bool = False


class _Entry(msgspec.Struct, rename="camel"):
    """What is read of an AuditEvent."""

    id: str
    recorded: datetime
    outcome: str
    action: str
    subtype: list[Mapping[str, str]]
    entity: list[_Entity] = []
    agent: list[_Agent] = []
    outcome_desc: str | None = None

    @property
    def who(self) -> str | None:
        """The person who acted; None where only a role is named."""
        found = next((each.who.get("reference") for each in self.agent if each.requestor), None)
        return found if isinstance(found, str) else None

    @property
    def facts(self) -> dict[str, str]:
        """What it tells of a row."""
        return {pair.type: pair.value_string for each in self.entity for pair in each.detail}


_decoder = msgspec.json.Decoder(_Entry)


def check_entries(
    connection: Connection, vault: Vault, mentions: Mentions, progress: Progress
) -> Iterator[Finding]:
    """Hold every entry's columns, digest and time against the entry and those around it, and note what the entries say."""
    before: datetime | None = None
    for row in rows(connection, sa.select(t.audit).order_by(t.audit.c.id)):
        progress.audit_entries += 1
        if progress.audit_entries % CHUNK == 0:
            progress.told()
        where = f"audit entry {row.event}"
        if before is not None and row.recorded < before - _SLACK:
            minutes = (before - row.recorded) // timedelta(minutes=1)
            what = (
                f"It tells a time {minutes} minutes before that of the entry written before it: "
                "the machine's clock was set back, or had gone ahead."
            )
            yield Finding(Flaw.WRONG_DATE, where, what)
        before = row.recorded
        try:
            resource = vault.open("audit", row.event, row.sealed_resource)
            entry = _decoder.decode(resource)
        except SealBroken as broken:
            yield Finding(Flaw.TRAIL, where, f"{broken}.")
            continue
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield Finding(Flaw.TRAIL, where, "It is no audit entry.")
            continue
        if hashlib.sha256(resource).hexdigest() != row.digest:
            yield Finding(Flaw.TRAIL, where, "The entry does not have the digest that was stored with it.")
        if not _fits(row, entry):
            yield Finding(Flaw.TRAIL, where, "Its columns say something else than the entry.")
        _note(row, entry, mentions)
    mentions.settle()


def check_norms(connection: Connection, mentions: Mentions) -> Iterator[Finding]:
    """Hold the number of decisions on norms against their entries: a row of these is not sealed, an entry is."""
    query = sa.select(t.norm.c.action, sa.func.count()).group_by(t.norm.c.action)
    stored = {str(action): int(many) for action, many in connection.execute(query)}
    for action in sorted({*_NORMS, *stored}):
        told = mentions.counts.get(str(_NORMS.get(action)), 0)
        if stored.get(action, 0) != told:
            what = f"{stored.get(action, 0)} norms were {action}, and the trail tells of {told}."
            yield Finding(Flaw.TRAIL, "norms", what)


def check_reviews(connection: Connection, mentions: Mentions) -> Iterator[Finding]:
    """Hold the number of reviews and of what was signed in them against their entries, as of norms."""
    told_by = ((t.review, Kind.REVIEW_DRAWN, "drawn"), (t.sign_off, Kind.REVIEW_SIGNED, "signed"))
    for table, kind, word in told_by:
        stored = int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        told = mentions.counts.get(str(kind), 0)
        if stored != told:
            what = (
                f"{stored} rows of {table.name} are stored, and the trail tells of {told} that were {word}."
            )
            yield Finding(Flaw.TRAIL, "reviews", what)


_COUNTED = (
    (t.configuration, (Kind.CONFIGURATION_CHANGED,), "configurations"),
    (t.erasure, (Kind.PATIENT_ERASED, Kind.RETENTION_APPLIED), "erasures"),
)


def check_counts(connection: Connection, mentions: Mentions) -> Iterator[Finding]:
    """Hold the numbers of configurations and erasures that are kept against the entries that tell of one."""
    for table, kinds, name in _COUNTED:
        stored = int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        told = sum(mentions.counts.get(str(kind), 0) for kind in kinds)
        if stored != told:
            yield Finding(Flaw.TRAIL, name, f"{stored} {name} are kept, and the trail tells of {told}.")


def _fits(row: Row, entry: _Entry) -> bool:
    people = [each.reference for each in entry.entity if each.type.get("code") == "1"]
    codes = [(each.get("system"), each.get("code")) for each in entry.subtype]
    try:
        is_coded = is_coded_as(Kind(row.kind), entry.action, codes)
        recorded = entry.recorded.astimezone(UTC)
    except (KeyError, ValueError):
        return False
    return (
        (entry.id, entry.outcome) == (row.event, row.outcome)
        and is_coded
        and abs((recorded - row.recorded).total_seconds()) < 0.001  # written to the millisecond
        and people == ([] if row.patient is None else [row.patient])
    )


def _note(row: Row, entry: _Entry, mentions: Mentions) -> None:
    kind = row.kind
    mentions.count(kind)
    about = [each.reference for each in entry.entity if each.type.get("code") != "1" and each.reference]
    named = [each for each in about if each.startswith(_RESPONSE)]
    # A delivery is of one response; the others that it names are addresses in the EHR, maybe of a response too.
    own = named[:1] if kind == Kind.DELIVERY else named
    for each in own:
        others = about[1:] if kind == Kind.DELIVERY else []
        mentions.add(each.removeprefix(_RESPONSE), Mention(kind, entry.outcome == "0", tuple(others)))
    if kind in TOLD_OF:
        _tell(row, entry, about, mentions.stories)


def _tell(row: Row, entry: _Entry, about: Sequence[str], stories: Stories) -> None:
    # A note's attempt names the note, then its address in the EHR; the others name rows only.
    subjects, others = (about[:1], about[1:]) if row.kind == Kind.NOTE_DELIVERY else (about, [])
    story = Story(
        kind=row.kind,
        succeeded=entry.outcome == "0",
        recorded=row.recorded,
        site=row.site,
        patient=row.patient,
        who=entry.who,
        said=entry.outcome_desc,
        facts=entry.facts,
        others=tuple(others),
    )
    for each in subjects:
        stories.add(each, story)
