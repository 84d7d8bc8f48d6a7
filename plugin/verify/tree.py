"""Whether the rows are what was logged, and leaves, published files and signed checkpoint one tree."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit.leaves import LOGGED, key_of, log_entry, moment_of, row_content
from plugin.audit.trail import Clock, utc_now
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
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
from plugin.verify.findings import Finding, Flaw, Progress
from plugin.verify.reading import CHUNK, Row, pieces, rows

UNSIGNED = timedelta(minutes=10)  # a serving Rapport signs every two seconds
_Found = Mapping[tuple[str, str], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Tree:
    """The log of one ledger. `older` is a checkpoint that somebody kept outside."""

    vault: Vault
    tiles: Tiles
    verifier_key: str
    older: bytes | None = None
    clock: Clock = utc_now

    def signed(self) -> Checkpoint | Finding:
        """Read the checkpoint. Before the database: what is logged meanwhile is then newer, and not missing."""
        note = self.tiles.read_checkpoint()
        if note is None:
            return Finding(Flaw.LOG, "checkpoint", "There is no signed checkpoint.")
        try:
            return open_checkpoint(note, self.verifier_key)
        except CheckpointInvalid as invalid:
            return Finding(Flaw.LOG, "checkpoint", str(invalid))

    def check_leaves(
        self, connection: Connection, signed: Checkpoint, reach: int, progress: Progress
    ) -> Iterator[Finding]:
        """Hold every row against its leaf, and all leaves against the signed root and how far the files reached before."""
        frontier, seen_root = Frontier(), Frontier().root() if signed.size == 0 else b""
        accounted = _accounted(connection)
        expected = late = 0
        since = self.clock() - UNSIGNED
        published = self._published(signed)
        for piece in pieces(connection, sa.select(t.log_leaf).order_by(t.log_leaf.c.place)):
            found = _rows_of(connection, piece)
            for leaf in piece:
                if leaf.place != expected:
                    gone = f"The leaves from {expected} to {leaf.place - 1} are gone."
                    yield Finding(Flaw.LOG, f"leaf {expected}", gone)
                expected = leaf.place + 1
                yield from self._leaf(leaf, found, accounted)
                late += leaf.place >= signed.size and _is_older(
                    found.get((leaf.kind, leaf.row)), leaf.kind, since
                )
                if leaf.place < signed.size:
                    frontier.append(leaf_hash(leaf.entry))
                    if leaf.entry != next(published, None):
                        what = "The published entry is another one."
                        yield Finding(Flaw.LOG, f"leaf {leaf.place}", what)
                if frontier.size == signed.size:
                    seen_root = frontier.root()
            progress.leaves += len(piece)
            progress.erased += sum(leaf.salt is None for leaf in piece)
            progress.told()
        yield from _at_the_end(signed, frontier.size, seen_root, late)
        if reach > expected >= signed.size:
            what = (
                f"The log's files go as far as entry {reach}, and the ledger has {expected}, which is where every entry "
                "stands first: ledger and checkpoint were restored from an older state, or files were added."
            )
            yield Finding(Flaw.LOG, "ledger", what)

    def _published(self, signed: Checkpoint) -> Iterator[bytes]:
        try:
            yield from self.tiles.entries(signed.size)
        except TileDamaged:
            return  # told by check_files

    def _leaf(self, leaf: Row, found: _Found, accounted: Mapping[int, datetime]) -> Iterator[Finding]:
        kind, where = str(leaf.kind), f"{leaf.kind} {leaf.row}"
        if kind not in LOGGED:
            yield Finding(Flaw.LOG, where, "The log knows no such kind of row.")
            return
        row = found.get((kind, leaf.row))
        if leaf.salt is None or leaf.erased is not None:
            yield from _erased(leaf, where, stands=row is not None, accounted=accounted.get(leaf.place))
            return
        if row is None:
            yield Finding(Flaw.DELETED, where, "It was logged and is gone.")
            return
        try:
            content = row_content(kind, row, self.vault)
        except SealBroken:
            yield Finding(Flaw.ALTERED, where, "A sealed value was altered or moved.")
            return
        if log_entry(kind, leaf.salt, content) != leaf.entry:
            yield Finding(Flaw.ALTERED, where, "It is not what was logged.")

    def check_files(self, signed: Checkpoint, progress: Progress) -> Iterator[Finding]:
        """Hold every published hash, at every level, against the entries, and these against the signed root."""
        for name in self.tiles.misshapen():
            yield Finding(Flaw.LOG, name, "It is not as long as its name says.")
        try:
            yield from self._entries(signed, progress)
            if self.tiles.root(signed.size) != signed.root:
                yield Finding(Flaw.LOG, "tiles", "The published tiles do not give the signed root.")
            for level in range(8, signed.size.bit_length(), 8):
                for index in range(signed.size >> level):
                    if self.tiles.recomputed(level, index) != self.tiles.subtree(level, index):
                        where = f"tile {level // 8}/{index // 256}"
                        yield Finding(Flaw.LOG, where, "It is not made of the tiles below.")
            for name in self.tiles.misfits():
                yield Finding(Flaw.LOG, name, "It is not how the wider version of it begins.")
            yield from self._continues(signed)
        except TileDamaged as damaged:
            yield Finding(Flaw.LOG, "tiles", str(damaged))

    def _entries(self, signed: Checkpoint, progress: Progress) -> Iterator[Finding]:
        frontier = Frontier()
        for place, entry in enumerate(self.tiles.entries(signed.size)):
            hashed = leaf_hash(entry)
            frontier.append(hashed)
            if self.tiles.subtree(0, place) != hashed:
                what = f"Its hash {place % 256} is not that of the entry."
                yield Finding(Flaw.LOG, f"tile 0/{place // 256}", what)
            progress.published += 1
            if place % CHUNK == 0:
                progress.told()
        if frontier.root() != signed.root:
            yield Finding(Flaw.LOG, "entries", "The published entries do not give the signed root.")

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


def check_logged(connection: Connection) -> Iterator[Finding]:
    """Give rows that the log has not seen, could not take, or has seen twice."""
    for kind, each in LOGGED.items():
        table, key = each.table, each.key
        row_key = sa.cast(table.c[key], sa.String(64))
        logged = sa.exists().where(t.log_leaf.c.kind == kind, t.log_leaf.c.row == row_key)
        waiting = sa.exists().where(t.log_pending.c.kind == kind, t.log_pending.c.row == row_key)
        for row in rows(connection, sa.select(table.c[key]).where(~logged, ~waiting)):
            yield Finding(Flaw.NOT_LOGGED, f"{kind} {row[0]}", "The log has never seen it.")
        here = sa.exists().where(row_key == t.log_pending.c.row)
        own = sa.select(t.log_pending.c.row).where(t.log_pending.c.kind == kind)
        for row in rows(connection, own.where(~here)):
            yield Finding(Flaw.ORPHAN, f"{kind} {row[0]}", "It waits for the log, and there is no such row.")
        there = sa.exists().where(t.log_leaf.c.kind == kind, t.log_leaf.c.row == t.log_pending.c.row)
        for row in rows(connection, own.where(there)):
            yield Finding(Flaw.DUPLICATE, f"{kind} {row[0]}", "It waits for the log, which has it.")
    unknown = sa.select(t.log_pending.c.kind, t.log_pending.c.row).where(t.log_pending.c.kind.not_in(LOGGED))
    for row in rows(connection, unknown):
        what = "It waits for the log, which takes nothing of this kind."
        yield Finding(Flaw.ORPHAN, f"{row.kind} {row.row}", what)
    for aside in rows(connection, sa.select(t.log_pending).where(t.log_pending.c.problem.is_not(None))):
        what = f"The log could not take it: {aside.problem}."
        yield Finding(Flaw.NOT_LOGGED, f"{aside.kind} {aside.row}", what)
    columns = (t.log_leaf.c.kind, t.log_leaf.c.row)
    for row in rows(connection, sa.select(*columns).group_by(*columns).having(sa.func.count() > 1)):
        yield Finding(Flaw.DUPLICATE, f"{row.kind} {row.row}", "The log has it twice.")


def _rows_of(connection: Connection, leaves: Sequence[Row]) -> _Found:
    """Read the rows that some leaves are about, by kind and key."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for leaf in leaves:
        wanted[leaf.kind].append(leaf.row)
    found = {}
    for kind, names in wanted.items():
        if kind not in LOGGED:
            continue
        table, key = LOGGED[kind].table, LOGGED[kind].key
        keys = [known for each in names if (known := key_of(kind, each)) is not None]
        for row in connection.execute(sa.select(table).where(table.c[key].in_(keys))):
            values = dict(row._mapping)
            found[kind, str(values[key])] = values
    return found


def _at_the_end(signed: Checkpoint, size: int, root: bytes, late: int) -> Iterator[Finding]:
    """Hold all leaves against what is signed: how many, their root, and that nothing old is beyond it."""
    if size < signed.size:
        what = (
            f"The log is signed for {signed.size} entries and the ledger has {size}: "
            "it was restored from an older state, or rows are gone."
        )
        yield Finding(Flaw.LOG, "ledger", what)
    elif root != signed.root:
        yield Finding(Flaw.LOG, "checkpoint", "The ledger's leaves do not give the signed root.")
    if late:
        minutes = UNSIGNED.total_seconds() / 60
        what = (
            f"It is signed for {signed.size} entries, and {late} later ones are older than {minutes:.0f} minutes: "
            "an older checkpoint was put back, or the log stands still (start Rapport: it signs within seconds)."
        )
        yield Finding(Flaw.LOG, "checkpoint", what)


def _is_older(row: Mapping[str, object] | None, kind: str, since: datetime) -> bool:
    when = None if row is None else moment_of(kind, row)
    return when is not None and when < since


def _accounted(connection: Connection) -> dict[int, datetime]:
    """Give the places of all leaves whose rows an erasure accounts for, and when that was decided."""
    places: dict[int, datetime] = {}
    for row in rows(connection, sa.select(t.erasure.c.places, t.erasure.c.decided)):
        try:
            places.update(dict.fromkeys(msgspec.json.decode(row.places, type=list[int]), row.decided))
        except msgspec.MsgspecError:
            continue  # altered: its own leaf tells
    return places


def _erased(leaf: Row, where: str, *, stands: bool, accounted: datetime | None) -> Iterator[Finding]:
    """Tell of a leaf that counts as erased, unless an erasure accounts for it and nothing is left of the row."""
    if stands:
        yield Finding(Flaw.LOG, where, "Its leaf counts as erased, and the row stands: it cannot be checked.")
    elif accounted is None:
        what = "It was logged, is gone, and its leaf counts as erased; no erasure accounts for it."
        yield Finding(Flaw.DELETED, where, what)
    if leaf.salt is not None or leaf.erased is None or leaf.erased != (accounted or leaf.erased):
        yield Finding(Flaw.LOG, where, "The salt of its leaf and the time of erasure do not fit.")
