"""Whether anything was altered: recomputes every score, compares every row with the log, and the log with its signature.

Reads the database on its own, row by row: memory does not grow with the ledger. Writes nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit.leaves import LOGGED, log_entry, row_content
from plugin.delivery.keep import Record, open_record
from plugin.delivery.states import DeliveryState
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.observations import build_results
from plugin.observations.build import Results, Subject
from plugin.responses import InvalidResponse, UnreadableResponse, check_response, read_response
from plugin.scores import Key, compute
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    Frontier,
    ProofInvalid,
    TileDamaged,
    Tiles,
    consistency_proof,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
)
from questionnaires import Catalogue, Instrument

_CHUNK = 500


class Flaw(StrEnum):
    """What can be wrong."""

    MISMATCH = "mismatch"  # a stored score is not what its answers give
    ALTERED = "altered"  # a row is not what was logged
    DELETED = "deleted"  # a logged row is gone, and was not erased
    NOT_LOGGED = "not-logged"  # a row that the log has never seen
    DUPLICATE = "duplicate"  # a row was logged twice
    ORPHAN = "orphan"  # a response without delivery, or a delivery or attempt without response
    WRONG_RATER = "wrong-rater"
    WRONG_KEY = "wrong-key"  # the version is the same and the key is not
    NOT_VERIFIABLE = "not-verifiable"  # its form is not installed in this version
    STATE = "state"  # a delivery's state does not follow from its attempts
    TRAIL = "trail"  # an audit entry's columns or digest differ from the entry
    LOG = "log"  # tiles, leaves or checkpoint do not fit
    MISSING = "missing"  # what was delivered does not stand in the EHR
    STALE = "stale"  # the response in the EHR is newer, or another, than what was scored
    WRONG_SUBJECT = "wrong-subject"
    WRONG_DATE = "wrong-date"
    WRONG_CODE = "wrong-code"
    FILE = "file"  # a file of an export is not what was signed, is missing, or does not belong there


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw: where it is, and what was found in a sentence without health data."""

    flaw: Flaw
    where: str
    what: str


@dataclass(slots=True)
class Progress:
    """How many of what have been looked at."""

    responses: int = 0
    audit_entries: int = 0
    leaves: int = 0
    erased: int = 0


@dataclass(frozen=True, slots=True)
class Verifier:
    """What verification works with. `older` is a checkpoint that somebody kept outside."""

    catalogue: Catalogue
    keys: Mapping[str, Key]
    vault: Vault
    tiles: Tiles
    verifier_key: str
    older: bytes | None = None

    def verify(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        """Give every flaw as it is found; `progress` counts along."""
        yield from self._responses(connection, progress)
        yield from self._deliveries(connection)
        yield from self._trail(connection, progress)
        yield from self._rows_not_logged(connection)
        yield from self._log(connection, progress)

    def _responses(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        for row in _stream(connection, sa.select(t.response).order_by(t.response.c.received)):
            progress.responses += 1
            where = f"response {row.id}"
            try:
                record = open_record(row, self.vault)
            except SealBroken as broken:
                yield Finding(Flaw.ALTERED, where, f"{broken}.")
                continue
            except msgspec.MsgspecError:
                yield Finding(Flaw.ALTERED, where, "The stored results cannot be read.")
                continue
            if record.digest != row.body_digest:
                yield Finding(
                    Flaw.ALTERED, where, "The answers do not have the digest that was stored with them."
                )
            yield from self._recompute(record, where)

    def _recompute(self, record: Record, where: str) -> Iterator[Finding]:
        nearest = self.catalogue.nearest(record.instrument)
        if nearest is None or nearest.canonical != record.instrument:
            yield Finding(
                Flaw.NOT_VERIFIABLE, where, f"{record.instrument} is not installed in this version."
            )
            return
        if nearest.content_hash != record.key_hash:
            yield Finding(
                Flaw.WRONG_KEY,
                where,
                f"The key of {record.instrument} has another hash than the one that scored.",
            )
        yield from recompute(record, nearest, self.keys[nearest.canonical], where)

    def _deliveries(self, connection: Connection) -> Iterator[Finding]:
        joined = sa.select(t.response.c.id, t.delivery.c.response, t.delivery.c.state, t.delivery.c.locations)
        without = joined.select_from(
            t.response.outerjoin(t.delivery, t.delivery.c.response == t.response.c.id)
        )
        last_state = (
            sa.select(t.attempt.c.state)
            .where(t.attempt.c.response == t.response.c.id)
            .order_by(t.attempt.c.id.desc())
            .limit(1)
            .correlate(t.response)
            .scalar_subquery()
        )
        query = without.add_columns(last_state.label("last_state"))
        for row in _stream(connection, query):
            where = f"response {row.id}"
            if row.response is None:
                yield Finding(Flaw.ORPHAN, where, "It has no delivery: it will never reach the record.")
            elif row.state == DeliveryState.DELIVERED and row.last_state != DeliveryState.DELIVERED:
                yield Finding(Flaw.STATE, where, "It counts as delivered, and no attempt delivered it.")
            elif row.last_state == DeliveryState.DELIVERED != row.state:
                yield Finding(
                    Flaw.STATE, where, "An attempt delivered it, and it does not count as delivered."
                )
        for table, name in ((t.delivery, "delivery"), (t.attempt, "attempt")):
            orphans = sa.select(table.c.response).where(table.c.response.not_in(sa.select(t.response.c.id)))
            for row in _stream(connection, orphans):
                yield Finding(Flaw.ORPHAN, f"{name} of response {row.response}", "There is no such response.")

    def _trail(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        for row in _stream(connection, sa.select(t.audit).order_by(t.audit.c.id)):
            progress.audit_entries += 1
            where = f"audit entry {row.event}"
            try:
                resource = self.vault.open("audit", row.event, row.sealed_resource)
            except SealBroken as broken:
                yield Finding(Flaw.TRAIL, where, f"{broken}.")
                continue
            if hashlib.sha256(resource).hexdigest() != row.digest:
                yield Finding(
                    Flaw.TRAIL, where, "The entry does not have the digest that was stored with it."
                )
            entry = msgspec.json.decode(resource)
            if (entry.get("id"), entry.get("outcome")) != (row.event, row.outcome):
                yield Finding(Flaw.TRAIL, where, "Its columns say something else than the entry.")

    def _rows_not_logged(self, connection: Connection) -> Iterator[Finding]:
        for kind, (table, key, _) in LOGGED.items():
            row_key = sa.cast(table.c[key], sa.String(64))
            logged = sa.exists().where(t.log_leaf.c.kind == kind, t.log_leaf.c.row == row_key)
            waiting = sa.exists().where(t.log_pending.c.kind == kind, t.log_pending.c.row == row_key)
            for row in _stream(connection, sa.select(table.c[key]).where(~logged, ~waiting)):
                yield Finding(Flaw.NOT_LOGGED, f"{kind} {row[0]}", "The log has never seen it.")
        for aside in _stream(
            connection, sa.select(t.log_pending).where(t.log_pending.c.problem.is_not(None))
        ):
            what = f"The log could not take it: {aside.problem}."
            yield Finding(Flaw.NOT_LOGGED, f"{aside.kind} {aside.row}", what)

    def _log(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        signed = self._signed()
        if isinstance(signed, Finding):
            yield signed
            return
        frontier, seen_root = Frontier(), Frontier().root() if signed.size == 0 else b""
        expected = 0
        published = self._published(signed)
        for leaf in _stream(connection, sa.select(t.log_leaf).order_by(t.log_leaf.c.place)):
            progress.leaves += 1
            if leaf.place != expected:
                yield Finding(
                    Flaw.LOG, f"leaf {expected}", f"The leaves from {expected} to {leaf.place - 1} are gone."
                )
                expected = leaf.place
            expected += 1
            progress.erased += leaf.salt is None
            yield from self._leaf(connection, leaf)
            if leaf.place < signed.size:
                frontier.append(leaf_hash(leaf.entry))
                if leaf.entry != next(published, None):
                    yield Finding(Flaw.LOG, f"leaf {leaf.place}", "The published entry is another one.")
            if frontier.size == signed.size:
                seen_root = frontier.root()
        if frontier.size < signed.size:
            yield Finding(
                Flaw.LOG,
                "ledger",
                f"The log is signed for {signed.size} entries and the ledger has {frontier.size}: it was restored from an older state, or rows are gone.",
            )
        elif seen_root != signed.root:
            yield Finding(Flaw.LOG, "checkpoint", "The ledger's leaves do not give the signed root.")
        yield from self._files(signed)

    def _signed(self) -> Checkpoint | Finding:
        note = self.tiles.read_checkpoint()
        if note is None:
            return Finding(Flaw.LOG, "checkpoint", "There is no signed checkpoint.")
        try:
            return open_checkpoint(note, self.verifier_key)
        except CheckpointInvalid as invalid:
            return Finding(Flaw.LOG, "checkpoint", str(invalid))

    def _published(self, signed: Checkpoint) -> Iterator[bytes]:
        try:
            yield from self.tiles.entries(signed.size)
        except TileDamaged:
            return  # told by _files

    def _leaf(self, connection: Connection, leaf: sa.Row[tuple[object, ...]]) -> Iterator[Finding]:
        found = leaf._mapping
        kind, where = str(found["kind"]), f"{found['kind']} {found['row']}"
        if found["salt"] is None:
            if found["erased"] is None:
                yield Finding(Flaw.LOG, where, "Its salt is gone, and it was not erased.")
            return
        if kind not in LOGGED:
            yield Finding(Flaw.LOG, where, "The log knows no such kind of row.")
            return
        table, key, _ = LOGGED[kind]
        wanted = int(found["row"]) if kind == "attempt" else found["row"]
        row = connection.execute(sa.select(table).where(table.c[key] == wanted)).first()
        if row is None:
            yield Finding(Flaw.DELETED, where, "It was logged and is gone.")
            return
        try:
            content = row_content(kind, dict(row._mapping), self.vault)
        except SealBroken:
            yield Finding(Flaw.ALTERED, where, "A sealed value was altered or moved.")
            return
        if log_entry(kind, found["salt"], content) != found["entry"]:
            yield Finding(Flaw.ALTERED, where, "It is not what was logged.")

    def _files(self, signed: Checkpoint) -> Iterator[Finding]:
        try:
            frontier = Frontier()
            for place, entry in enumerate(self.tiles.entries(signed.size)):
                hashed = leaf_hash(entry)
                frontier.append(hashed)
                if self.tiles.subtree(0, place) != hashed:
                    yield Finding(
                        Flaw.LOG,
                        f"tile 0/{place // 256}",
                        f"Its hash {place % 256} is not that of the entry.",
                    )
            if frontier.root() != signed.root:
                yield Finding(Flaw.LOG, "entries", "The published entries do not give the signed root.")
            if self.tiles.root(signed.size) != signed.root:
                yield Finding(Flaw.LOG, "tiles", "The published tiles do not give the signed root.")
            for level in range(8, signed.size.bit_length(), 8):
                for index in range(signed.size >> level):
                    if self.tiles.recomputed(level, index) != self.tiles.subtree(level, index):
                        yield Finding(
                            Flaw.LOG,
                            f"tile {level // 8}/{index // 256}",
                            "It is not made of the tiles below.",
                        )
            yield from self._continues(signed)
        except TileDamaged as damaged:
            yield Finding(Flaw.LOG, "tiles", str(damaged))

    def _continues(self, signed: Checkpoint) -> Iterator[Finding]:
        if self.older is None:
            return
        try:
            old = open_checkpoint(self.older, self.verifier_key)
            proof = (
                consistency_proof(self.tiles.subtree, old.size, signed.size)
                if old.size <= signed.size
                else ()
            )
            verify_consistency(old.size, old.root, signed.size, signed.root, proof)
        except (CheckpointInvalid, ProofInvalid) as invalid:
            yield Finding(Flaw.LOG, "older checkpoint", str(invalid))


def recompute(record: Record, instrument: Instrument, key: Key, where: str) -> Iterator[Finding]:
    """Score a stored response again with its key, and hold what is stored against that."""
    if instrument.rater != record.rater:
        yield Finding(
            Flaw.WRONG_RATER, where, f"Stored as {record.rater}; the form is for the {instrument.rater}."
        )
    try:
        response = read_response(record.body)
        answers = check_response(response, instrument, patient=record.patient)
    except (UnreadableResponse, InvalidResponse):
        yield Finding(
            Flaw.ALTERED, where, "The stored answers are no response to their form about this patient."
        )
        return
    scores = compute(key, answers)
    subject = Subject(
        record.patient, response.encounter_reference, response.source_reference, response.author_reference
    )
    again = build_results(
        record.id,
        instrument,
        scores,
        subject,
        authored=record.authored,
        issued=record.received,
        organization="",
    )
    yield from _compare(record.results, again, where)


def _compare(stored: Results, again: Results, where: str) -> Iterator[Finding]:
    """Compare stored Observations with recomputed ones, all but the Provenance's organisation."""
    if len(stored.scores) != len(again.scores):
        yield Finding(
            Flaw.MISMATCH,
            where,
            f"{len(stored.scores)} scores are stored; its key gives {len(again.scores)}.",
        )
    names = ("panel", *(name.partition("/")[2] for name in again.identifiers[1:]))
    pairs = zip((stored.panel, *stored.scores), (again.panel, *again.scores), strict=False)
    for name, (before, after) in zip(names, pairs, strict=False):
        if _essence(before) != _essence(after):
            yield Finding(
                Flaw.MISMATCH, f"{where}, {name}", "The stored Observation is not what the answers give."
            )


def _essence(observation: bytes) -> dict[str, object]:
    """Take what the number means, not how this version writes it down: unit spelling, profiles and texts may change."""
    resource = msgspec.json.decode(observation)
    quantity = resource.get("valueQuantity") or {}
    return {
        "identifier": resource["identifier"],
        "status": resource["status"],
        "codes": [(each.get("system"), each.get("code")) for each in resource["code"]["coding"]],
        "value": quantity.get("value"),
        "unit": quantity.get("code"),
        "absent": "dataAbsentReason" in resource,
        **{name: resource.get(name) for name in ("subject", "encounter", "effectiveDateTime", "performer")},
        **{name: resource.get(name) for name in ("hasMember", "derivedFrom")},
    }


def _stream(
    connection: Connection, query: sa.Select[tuple[object, ...]]
) -> Iterator[sa.Row[tuple[object, ...]]]:
    result = connection.execution_options(yield_per=_CHUNK).execute(query)
    for chunk in result.partitions():
        yield from chunk
