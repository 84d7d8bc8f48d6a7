"""Keeps a scored response: the answers, the results and its place in the outbox, in one transaction."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from plugin import __version__
from plugin.access.invitations import mark_submitted
from plugin.days import MINUTE
from plugin.delivery import outbox
from plugin.errors import Conflict, NotFound
from plugin.ledger import SealBroken, Vault, note_for_log
from plugin.ledger import tables as t
from plugin.ledger.tables import is_no_moment
from plugin.observations import Results
from plugin.responses.labels import HELD_BACK, Label, read_labels
from questionnaires import Rater

# Built once: building a statement takes longer than SQLite takes to run it.
# A driver that is not asked to keep the count of rows says -1 of an insert, on PostgreSQL.
_INSERT: dict[str, sa.Insert] = {
    dialect: insert(t.response)
    .on_conflict_do_nothing()  # of identifiers, or of our own ids at two sites
    .execution_options(preserve_rowcount=True)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_KNOWN = sa.select(
    t.response.c.id, t.response.c.patient, t.response.c.body_digest, t.response.c.invitation
).where(t.response.c.site == sa.bindparam("site"), t.response.c.identifier == sa.bindparam("identifier"))


_PLAIN = (
    "id", "site", "identifier", "patient", "encounter", "rater", "source", "instrument", "language", "authored",
    "received", "launch", "invitation", "key_hash",
)  # fmt: skip

_MOMENTS = ("authored", "received")
_TEXTS = tuple(name for name in _PLAIN if name not in _MOMENTS)
_RATERS = frozenset(map(str, Rater))
NO_RESULTS = Results(b"", (), b"", ())
"""What stands for results that do not open."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one response."""

    id: str
    site: str
    identifier: str  # system|value; ours if the response brought none
    patient: str
    encounter: str | None
    rater: str
    source: str | None
    instrument: str  # canonical with version
    language: str | None
    authored: datetime
    received: datetime
    launch: str | None
    invitation: str | None
    key_hash: str
    body: bytes
    results: Results
    collected: str | None = None  # where it stands in the EHR that collected it itself
    revision: int = 0  # which version this is; 0 the first
    voided: bool = False  # marked as entered in error
    revised: datetime | None = None
    revised_by: str = ""
    why: str = ""
    locations: tuple[str, ...] = ()  # of a later version: where the earlier one stands in the EHR
    altered: tuple[str, ...] = ()  # what of it is not as Rapport wrote it; it then lacks what does not open
    earlier: tuple["Record", ...] = field(
        default=(), repr=False
    )  # its earlier versions, for whoever corrects them

    @property
    def times(self) -> tuple[datetime, datetime]:
        """When it was answered, by the first and by the last of its versions that are known."""
        moments = [each.authored for each in (*self.earlier, self)]
        return min(moments), max(moments)

    @property
    def answers_withheld(self) -> bool:
        """Whether the respondent did not agree that single answers be read: they stay here."""
        return Label.ANSWERS_NOT_SHARED in read_labels(self.body)

    @property
    def answers_held_back(self) -> bool:
        """Whether those who treat are shown no single answers: the respondent did not agree, or the form promised it."""
        return not HELD_BACK.isdisjoint(read_labels(self.body))

    @property
    def is_closed_to_auditors(self) -> bool:
        """Whether the form did not say that auditors read its answers, which stay here; of those that do not open nothing is told."""
        return bool(self.body) and Label.ANSWERS_NOT_FOR_AUDITORS in read_labels(self.body)

    @property
    def digest(self) -> str:
        """SHA-256 of the original bytes, hex."""
        return hashlib.sha256(self.body).hexdigest()


def keep(connection: Connection, vault: Vault, record: Record) -> bool:
    """Store a record, enqueue its delivery and close its invitation; False if it was stored before, or is a later version.

    Conflict if its identifier is taken by other content, InvitationUnusable if its form was withdrawn meanwhile.
    """
    row = {
        "id": record.id,
        "site": record.site,
        "identifier": record.identifier,
        "patient": record.patient,
        "encounter": record.encounter,
        "rater": record.rater,
        "source": record.source,
        "instrument": record.instrument,
        "language": record.language,
        "authored": record.authored,
        "received": record.received,
        "launch": record.launch,
        "invitation": record.invitation,
        "sealed_body": vault.seal("response", record.id, record.body),
        "body_digest": record.digest,
        "sealed_results": vault.seal(
            "results", record.id, msgspec.json.encode(StoredResults.of(record.results))
        ),
        "key_hash": record.key_hash,
        "software": __version__,
        "collected": record.collected,
    }
    if connection.execute(_INSERT[connection.dialect.name], row).rowcount == 0:
        known = connection.execute(_KNOWN, {"site": record.site, "identifier": record.identifier}).first()
        _check_same(connection, known, record)
        return False
    note_for_log(connection, "response", record.id)
    if record.invitation is not None:
        mark_submitted(connection, record.invitation)
    outbox.enqueue(connection, record.id, record.site, record.received)
    return True


def count_about(connection: Connection, site: str, patient: str, source: str, noon: datetime) -> int:
    """Count the responses of a person that are about an earlier day, of which the time is not known, by its `noon`."""
    c = t.response.c
    query = sa.select(sa.func.count()).where(
        c.site == site,
        c.patient == patient,
        c.source == source,
        c.authored >= noon,
        c.authored < noon + MINUTE,
    )
    return int(connection.execute(query).scalar_one())


def read_kept(connection: Connection, vault: Vault, response_id: str) -> Record:
    """Read one record back, answers and results decrypted; NotFound if there is none."""
    row = connection.execute(sa.select(t.response).where(t.response.c.id == response_id)).first()
    if row is None:
        raise NotFound(f"There is no response {response_id}.", "Go back to the patient page.")
    return open_record(row, vault)


def open_record(row: Row[Any], vault: Vault) -> Record:
    """Decrypt one row of the response table."""
    found = row._mapping
    stored = msgspec.json.decode(
        vault.open("results", found["id"], found["sealed_results"]), type=StoredResults
    )
    return Record(
        id=found["id"],
        site=found["site"],
        identifier=found["identifier"],
        patient=found["patient"],
        encounter=found["encounter"],
        rater=found["rater"],
        source=found["source"],
        instrument=found["instrument"],
        language=found["language"],
        authored=found["authored"],
        received=found["received"],
        launch=found["launch"],
        invitation=found["invitation"],
        key_hash=found["key_hash"],
        body=vault.open("response", found["id"], found["sealed_body"]),
        results=stored.results(),
        collected=found["collected"],
    )


def open_what_opens(row: Row[*tuple[Any, ...]], vault: Vault, *, answers: bool = True) -> Record:
    """Decrypt what opens of one row; the record names what does not, and is without it.

    So that one altered row keeps nobody from the others, and its own page can say what is wrong with it.
    Without `answers` these stay sealed, and the body is empty.
    """
    found = row._mapping
    known: dict[str, Any] = {name: found[name] for name in _PLAIN}
    altered = [f"Its {name} is no moment." for name in _MOMENTS if is_no_moment(found[name])]
    for name in _TEXTS:
        if not isinstance(found[name], str | None):
            altered.append(f"Its {name} is no text.")
            known[name] = str(found[name])
    if known["rater"] not in _RATERS:
        altered.append("Its rater is none that there is.")
    body, results = b"", NO_RESULTS
    try:
        results = open_results(vault, found["id"], found["sealed_results"])
    except SealBroken as broken:
        altered.append(f"{broken}.")
    try:
        if answers:
            body = vault.open("response", found["id"], found["sealed_body"])
    except SealBroken as broken:
        altered.append(f"{broken}.")
    return Record(**known, body=body, results=results, collected=found["collected"], altered=tuple(altered))


def read_what_opens(connection: Connection, vault: Vault, response_id: str) -> Record:
    """Read what opens of one record; NotFound if there is none."""
    row = connection.execute(sa.select(t.response).where(t.response.c.id == response_id)).first()
    if row is None:
        raise NotFound(f"There is no response {response_id}.", "Go back to the patient page.")
    return open_what_opens(row, vault)


def open_results(vault: Vault, own_id: str, sealed: bytes) -> Results:
    """Decrypt results alone, those of a response or of a later version of it. SealBroken if they were altered."""
    return msgspec.json.decode(vault.open("results", own_id, sealed), type=StoredResults).results()


class StoredResults(msgspec.Struct, frozen=True):
    """Results as they rest in the ledger; the resources keep their very bytes."""

    panel: str
    scores: tuple[str, ...]
    provenance: str
    identifiers: tuple[str, ...]

    @classmethod
    def of(cls, results: Results) -> "StoredResults":
        """Write results so that they can be kept."""
        scores = tuple(score.decode() for score in results.scores)
        return cls(results.panel.decode(), scores, results.provenance.decode(), results.identifiers)

    def results(self) -> Results:
        """Give them back, byte for byte."""
        scores = tuple(score.encode() for score in self.scores)
        return Results(self.panel.encode(), scores, self.provenance.encode(), self.identifiers)


def not_its_own() -> Conflict:
    """Refuse an identifier that is another patient's, or another site's: in words that do not tell of that one."""
    return Conflict(
        "This identifier cannot be taken for this response.", "Give the response an identifier of its own."
    )


def _check_same(connection: Connection, known: Any, record: Record) -> None:
    if known is None or known.patient != record.patient:
        raise not_its_own()
    # A filling that is sent twice (a double press, a lost answer) differs in its time of writing only.
    same_filling = record.invitation is not None and known.invitation == record.invitation
    if known.body_digest != record.digest and not same_filling and not _is_later_version(connection, record):
        raise Conflict(
            f"A response with the identifier {record.identifier} is recorded already, with other content.",
            "If this replaces it, send it with the status amended; else give it an identifier of its own.",
        )


def _is_later_version(connection: Connection, record: Record) -> bool:
    same = t.revision.c.response == record.id, t.revision.c.body_digest == record.digest
    return connection.execute(sa.select(t.revision.c.id).where(*same)).first() is not None
