"""An append-only Merkle log that anybody can verify with public tools. Knows nothing of what it holds.

Hashing: RFC 6962 section 2.1. Files: https://c2sp.org/tlog-tiles. Checkpoints: https://c2sp.org/tlog-checkpoint, signed notes.
"""

from plugin.transparency.hashing import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from plugin.transparency.notes import (
    Checkpoint,
    CheckpointInvalid,
    LogSigner,
    check_verifier,
    is_note,
    open_checkpoint,
    open_statement,
    verifier_key,
)
from plugin.transparency.proofs import (
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from plugin.transparency.tiles import TileDamaged, Tiles

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "CheckpointInvalid",
    "Frontier",
    "LogSigner",
    "ProofInvalid",
    "TileDamaged",
    "Tiles",
    "check_verifier",
    "consistency_proof",
    "inclusion_proof",
    "is_note",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_statement",
    "verifier_key",
    "verify_consistency",
    "verify_inclusion",
]
