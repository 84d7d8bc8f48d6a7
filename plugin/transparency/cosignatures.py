"""Cosignatures of witnesses: somebody else saw this checkpoint, at a time, and it continued the one that they saw before.

https://c2sp.org/tlog-cosignature (Ed25519, cosignature/v1) and https://c2sp.org/tlog-witness.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from plugin.transparency.notes import CheckpointInvalid

_COSIGNATURE = b"\x04"  # signature type of https://c2sp.org/signed-note
_TIME = 8  # bytes, seconds since 1970


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who cosigns: the name and the public key of `name+id+key`. CheckpointInvalid for another kind of key."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, verifier: str) -> "Witness":
        """Read the verifier's key of a witness."""
        parts = verifier.strip().split("+", 2)
        try:
            raw = base64.b64decode(parts[2], validate=True) if len(parts) == 3 else b""
        except ValueError:
            raw = b""
        if len(raw) != 33 or raw[:1] != _COSIGNATURE:
            raise CheckpointInvalid("The witness's key is not a cosignature key in the form name+id+key.")
        found = cls(parts[0], raw[1:])
        if found.key_id.hex() != parts[1]:
            raise CheckpointInvalid("The witness's key does not have the id that stands with it.")
        return found

    @property
    def key_id(self) -> bytes:
        """The four bytes that its signatures begin with."""
        return hashlib.sha256(self.name.encode() + b"\n" + _COSIGNATURE + self.public).digest()[:4]

    @property
    def verifier(self) -> str:
        """The key in the form that verifiers take."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_COSIGNATURE + self.public).decode()}"

    def check(self, note: bytes) -> datetime:
        """Give the time at which this witness cosigned a checkpoint; CheckpointInvalid if it did not."""
        text, lines = split_note(note)
        for line in lines:
            raw = _signature(line, self.name)
            if raw[:4] != self.key_id or len(raw) != 4 + _TIME + 64:
                continue
            seconds = int.from_bytes(raw[4 : 4 + _TIME], "big")
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(
                    raw[4 + _TIME :], cosigned(text, seconds)
                )
            except InvalidSignature:
                raise CheckpointInvalid(f"The cosignature of {self.name} is wrong.") from None
            return datetime.fromtimestamp(seconds, UTC)
        raise CheckpointInvalid(f"The checkpoint is not cosigned by {self.name}.")


def cosigned(text: str, seconds: int) -> bytes:
    """Write what a witness signs."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def split_note(note: bytes) -> tuple[str, list[str]]:
    """Take a signed note apart: its text, and its signature lines. CheckpointInvalid if it is none."""
    try:
        text, signatures = note.decode().split("\n\n", 1)
    except (UnicodeDecodeError, ValueError):
        raise CheckpointInvalid("This is not a signed note.") from None
    return f"{text}\n", [line for line in signatures.split("\n") if line]


def with_cosignatures(note: bytes, lines: Sequence[str]) -> bytes:
    """Add signature lines to a checkpoint; those that it has are not added again."""
    text, known = split_note(note)
    every = [*known, *(line for line in lines if line not in known)]
    return (f"{text}\n" + "".join(f"{line}\n" for line in every)).encode()


def ask_to_cosign(note: bytes, old: int, proof: Sequence[bytes]) -> bytes:
    """Write the body that a witness is sent: the size that it saw last, the consistency proof from there, the checkpoint."""
    head = [f"old {old}", *(base64.b64encode(each).decode() for each in proof)]
    return "\n".join([*head, "", ""]).encode() + note


def _signature(line: str, name: str) -> bytes:
    dash, _, rest = line.partition(" ")
    signer, _, encoded = rest.partition(" ")
    if dash != "—" or signer != name:
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return b""
