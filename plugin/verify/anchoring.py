"""Whether the log continues every checkpoint that others vouch for, and whether they vouch for it."""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from plugin.audit.anchors import Anchor, Anchors, stamped
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    ProofInvalid,
    TileDamaged,
    Tiles,
    consistency_proof,
    open_checkpoint,
    verify_consistency,
)
from plugin.transparency.cosignatures import Witness, split_note
from plugin.verify.findings import Finding, Flaw


class StampInvalid(Exception):
    """A time-stamp does not show what it should; the message says what."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whom the auditor trusts: root certificates of time-stamping authorities (PEM), and witnesses."""

    tsa_roots: bytes | None = None
    witnesses: tuple[Witness, ...] = ()


@dataclass(slots=True)
class Vouched:
    """What was found beside the flaws: how many checkpoints are kept, how many stamps and cosignatures were checked."""

    kept: int = 0
    stamps: int = 0
    cosignatures: int = 0
    unchecked_stamps: int = 0
    unchecked_cosignatures: int = 0


def check_anchors(
    anchors: Anchors,
    tiles: Tiles,
    verifier_key: str,
    signed: Checkpoint,
    trusted: Trusted,
    vouched: Vouched,
) -> Iterator[Finding]:
    """Hold every kept checkpoint against the log as it is now, and its stamps and cosignatures against whom one trusts."""
    for each in anchors.all():
        vouched.kept += 1
        where = f"kept checkpoint {each.name}"
        try:
            old = open_checkpoint(each.note, verifier_key)
            continues(tiles, old, signed)
            _check_stamp(each, verifier_key, trusted, vouched)
            _check_cosignatures(each, trusted.witnesses, vouched)
        except (CheckpointInvalid, ProofInvalid, TileDamaged, StampInvalid) as invalid:
            yield Finding(Flaw.LOG, where, str(invalid))


def continues(tiles: Tiles, old: Checkpoint, signed: Checkpoint) -> None:
    """ProofInvalid unless the log as signed now continues an older checkpoint of it; TileDamaged if that cannot be told."""
    proof = consistency_proof(tiles.subtree, old.size, signed.size) if old.size <= signed.size else ()
    verify_consistency(old.size, old.root, signed.size, signed.root, proof)


def check_stamp(stamp: bytes, message: bytes, roots: bytes) -> datetime:
    """Give the time at which an authority stamped a message; StampInvalid if none did that these roots lead to."""
    if importlib.util.find_spec("rfc3161_client") is None:
        raise StampInvalid("Time-stamps cannot be checked: install rapport-fhir[timestamps]")
    import rfc3161_client as rfc3161
    from cryptography import x509

    try:
        answer = rfc3161.decode_timestamp_response(stamp)
    except ValueError:
        raise StampInvalid("The time-stamp cannot be read.") from None
    builder = rfc3161.VerifierBuilder()
    for root in x509.load_pem_x509_certificates(roots):
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(answer, message)
    except rfc3161.VerificationError as error:
        raise StampInvalid(f"The time-stamp does not hold: {str(error).rstrip('.')}.") from None
    found: datetime = answer.tst_info.gen_time
    return found


def _check_stamp(anchor: Anchor, verifier_key: str, trusted: Trusted, vouched: Vouched) -> None:
    if anchor.stamp is None:
        return
    if trusted.tsa_roots is None:
        vouched.unchecked_stamps += 1
        return
    check_stamp(anchor.stamp, stamped(anchor.note, verifier_key), trusted.tsa_roots)
    vouched.stamps += 1


def _check_cosignatures(anchor: Anchor, witnesses: Sequence[Witness], vouched: Vouched) -> None:
    _, lines = split_note(anchor.note)
    others = lines[1:]
    for each in witnesses:
        if any(line.startswith(f"— {each.name} ") for line in others):
            each.check(anchor.note)
            vouched.cosignatures += 1
    known = tuple(f"— {each.name} " for each in witnesses)
    vouched.unchecked_cosignatures += sum(not line.startswith(known) for line in others)
