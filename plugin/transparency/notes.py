"""Checkpoints: the size and root of a log, signed with Ed25519 as a C2SP signed note."""

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519 = b"\x01"  # signature type of https://c2sp.org/signed-note
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— \S+ [A-Za-z0-9+/]+={0,2}")  # ours or another's, such as a witness's


class CheckpointInvalid(Exception):
    """A checkpoint is not readable, or nobody trusted has signed it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's `origin` (its name), the number of its leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class LogSigner:
    """Signs checkpoints in the name of a log; ValueError for a name with spaces or a plus sign."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"“{name}” cannot name a log: it must be without spaces and plus signs.")
        self.name = name
        self._key = key
        self._public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def verifier(self) -> str:
        """The public key in the form that verifiers take: name, key id, type and key."""
        return verifier_key(self.name, self._public)

    def sign(self, size: int, root: bytes) -> bytes:
        """Give the signed checkpoint."""
        return self._note(Checkpoint(self.name, size, root).text())

    def sign_statement(self, purpose: str, statement: str) -> bytes:
        """Give a signed note of two lines: what it is, and what is said. ValueError for one that could be a checkpoint."""
        if purpose == self.name or "\n" in purpose + statement:
            raise ValueError("A statement has a purpose of its own, and each is one line.")
        return self._note(f"{purpose}\n{statement}\n")

    def _note(self, text: str) -> bytes:
        signature = _key_id(self.name, self._public) + self._key.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode()}\n".encode()


def verifier_key(name: str, public: bytes) -> str:
    """Write a public key (32 bytes) as `name+id+base64(type and key)`."""
    return f"{name}+{_key_id(name, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def check_verifier(verifier: str) -> None:
    """CheckpointInvalid for what is no verifier's key."""
    _read_verifier(verifier)


def is_note(content: bytes) -> bool:
    """Tell whether somebody seems to have signed this: text, an empty line, and what looks like a signature."""
    text, _, signatures = content.partition(b"\n\n")
    return bool(text) and signatures.startswith("— ".encode())


def open_checkpoint(note: bytes, verifier: str) -> Checkpoint:
    """Read a checkpoint that the holder of the verifier's key has signed; CheckpointInvalid otherwise."""
    text = _open_note(note, verifier)
    return _read_text(text, _read_verifier(verifier)[0])


def open_statement(note: bytes, purpose: str, verifier: str) -> str:
    """Read what the holder of the verifier's key has stated for a purpose; CheckpointInvalid otherwise."""
    found, _, statement = _open_note(note, verifier).partition("\n")
    if found != purpose:
        raise CheckpointInvalid(f"The note is not one of the kind {purpose}.")
    return statement.removesuffix("\n")


def _open_note(note: bytes, verifier: str) -> str:
    name, public = _read_verifier(verifier)
    try:
        text, signatures = note.decode().split("\n\n", 1)
    except (UnicodeDecodeError, ValueError):
        raise CheckpointInvalid("The checkpoint is not a signed note.") from None
    if not signatures.endswith("\n"):
        raise CheckpointInvalid("The checkpoint is cut off or altered at its end.")
    text += "\n"
    wanted = _key_id(name, public)
    lines = signatures.removesuffix("\n").split("\n")
    if any(_SIGNATURE.fullmatch(line) is None for line in lines):
        raise CheckpointInvalid("Something stands in the checkpoint that is no signature.")
    for line in lines:
        dash, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        raw = _decode(encoded)
        if dash == "—" and signer == name and raw[:4] == wanted:
            _check_signature(public, raw[4:], text)
            return text
    raise CheckpointInvalid(f"The checkpoint is not signed by {name}.")


def _check_signature(public: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        raise CheckpointInvalid("The checkpoint's signature is wrong: it was altered.") from None


def _read_text(text: str, name: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != name or not re.fullmatch(r"0|[1-9]\d{0,15}", lines[1]):
        raise CheckpointInvalid("The checkpoint is not one of this log.")
    root = _decode(lines[2])
    if len(root) != hashlib.sha256().digest_size:
        raise CheckpointInvalid("The checkpoint's root is not a SHA-256 hash.")
    return Checkpoint(lines[0], int(lines[1]), root)


def _read_verifier(verifier: str) -> tuple[str, bytes]:
    parts = verifier.strip().split("+", 2)
    raw = _decode(parts[2]) if len(parts) == 3 else b""
    if len(raw) != 33 or raw[:1] != _ED25519 or _key_id(parts[0], raw[1:]).hex() != parts[1]:
        raise CheckpointInvalid("The verifier's key is not an Ed25519 key in the form name+id+key.")
    return parts[0], raw[1:]


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
