"""Whether a row is, provably, what was logged: its content against its leaf, the leaf against the signed checkpoint."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit.leaves import log_entry, read_row, row_content
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    ProofInvalid,
    TileDamaged,
    Tiles,
    inclusion_proof,
    leaf_hash,
    open_checkpoint,
    verify_inclusion,
)


class Standing(StrEnum):
    """How a row stands to the log."""

    PROVED = "proved"
    WAITS = "waits"
    SET_ASIDE = "set-aside"
    ERASED = "erased"
    ALTERED = "altered"
    UNKNOWN = "unknown"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Proof:
    """What holds for one row; `place` of its leaf, `size` of the tree that was signed, `problem` in words."""

    kind: str
    row: str
    standing: Standing
    place: int | None = None
    size: int | None = None
    problem: str | None = None
    number: int | None = None
    """Of an attempt its own number, which counts those of its response."""

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look into it."""
        return self.standing not in {Standing.PROVED, Standing.WAITS, Standing.ERASED}


@dataclass(frozen=True, slots=True)
class Prover:
    """The log's files with the key that signs them."""

    tiles: Tiles
    verifier_key: str

    def signed(self) -> Checkpoint | None:
        """Read the checkpoint; None before the first, CheckpointInvalid if its signature does not fit."""
        note = self.tiles.read_checkpoint()
        return None if note is None else open_checkpoint(note, self.verifier_key)

    def prove(self, connection: Connection, vault: Vault, kind: str, row: str) -> Proof:
        """Check a row's content, its leaf and the inclusion proof, now."""
        leaf = connection.execute(
            sa.select(t.log_leaf).where(t.log_leaf.c.kind == kind, t.log_leaf.c.row == row)
        ).first()
        if leaf is None:
            return _waiting(connection, kind, row)
        if leaf.salt is None or leaf.erased is not None:
            return Proof(kind, row, Standing.ERASED, leaf.place)
        try:
            values = read_row(connection, kind, row)
            content = b"" if values is None else row_content(kind, values, vault)
        except (SealBroken, ValueError) as broken:
            return Proof(kind, row, Standing.ALTERED, leaf.place, problem=str(broken))
        if values is None or log_entry(kind, leaf.salt, content) != leaf.entry:
            return Proof(kind, row, Standing.ALTERED, leaf.place, problem="It is not what was logged.")
        if leaf.place < 0:
            return Proof(kind, row, Standing.BROKEN, problem="Its place in the log is none.")
        try:
            signed = self.signed()
            if signed is None or leaf.place >= signed.size:
                return Proof(kind, row, Standing.WAITS, leaf.place)
            path = inclusion_proof(self.tiles.subtree, leaf.place, signed.size)
            verify_inclusion(leaf_hash(leaf.entry), leaf.place, signed.size, path, signed.root)
        except (CheckpointInvalid, ProofInvalid, TileDamaged) as error:
            return Proof(kind, row, Standing.BROKEN, leaf.place, problem=str(error))
        return Proof(kind, row, Standing.PROVED, leaf.place, signed.size)


def _waiting(connection: Connection, kind: str, row: str) -> Proof:
    query = sa.select(t.log_pending.c.problem).where(t.log_pending.c.kind == kind, t.log_pending.c.row == row)
    found = connection.execute(query).first()
    if found is None:
        return Proof(kind, row, Standing.UNKNOWN, problem="The log has never seen it.")
    if found.problem is None:
        return Proof(kind, row, Standing.WAITS)
    return Proof(kind, row, Standing.SET_ASIDE, problem=found.problem)
