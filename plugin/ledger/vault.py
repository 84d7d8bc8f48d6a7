"""Encryption and keyed digests for what rests in the ledger."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value does not open: another key sealed it, or it was altered or moved."""


class Vault:
    """AES-256-GCM under a key derived per purpose; every value is bound to its row.

    `keys` are raw secrets of at least 32 bytes: the first seals, all open (rotation).
    A sealed value is key id (4 bytes), nonce (12 bytes), ciphertext with tag.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < 32 for key in keys):
            raise ValueError("A vault needs at least one key, each of 32 bytes or more")
        self._keys = {hashlib.sha256(key).digest()[:KEY_ID_BYTES]: key for key in keys}
        self._first = next(iter(self._keys))
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}
        self._marking_keys: dict[tuple[bytes, str], bytes] = {}

    @property
    def first_key(self) -> bytes:
        """The id of the key that seals: four bytes, which every value sealed by it begins with."""
        return self._first

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, in hex, the one that seals first."""
        return tuple(each.hex() for each in self._keys)

    def seal(self, purpose: str, row: str, value: bytes) -> bytes:
        """Encrypt `value` so that it opens only for this purpose and row."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(self._first, purpose).encrypt(nonce, value, row.encode())
        return self._first + nonce + sealed

    def open(self, purpose: str, row: str, sealed: bytes) -> bytes:
        """Decrypt; SealBroken if the key is unknown or the value, purpose or row differs."""
        key_id, nonce = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES : KEY_ID_BYTES + _NONCE_BYTES]
        if len(sealed) <= KEY_ID_BYTES + _NONCE_BYTES:
            raise SealBroken(f"The sealed {purpose} of row {row} was altered or moved")
        if key_id not in self._keys:
            raise SealBroken(f"No key with id {key_id.hex()} is configured")
        try:
            body = sealed[KEY_ID_BYTES + _NONCE_BYTES :]
            return self._cipher(key_id, purpose).decrypt(nonce, body, row.encode())
        except InvalidTag:
            raise SealBroken(f"The sealed {purpose} of row {row} was altered or moved") from None

    def digest(self, purpose: str, value: str) -> str:
        """Keyed digest (HMAC-SHA256, hex) of a secret that must be found again but not read."""
        return hmac.new(
            self._derive(self._first, f"digest:{purpose}"), value.encode(), hashlib.sha256
        ).hexdigest()

    def digests(self, purpose: str, value: str) -> tuple[str, ...]:
        """Return the digests under every key, newest first, to find what an older key stored."""
        return tuple(
            hmac.new(self._derive(key_id, f"digest:{purpose}"), value.encode(), hashlib.sha256).hexdigest()
            for key_id in self._keys
        )

    def mark(self, purpose: str, value: bytes) -> bytes:
        """Keyed digest (HMAC-SHA256) of what must be known again as ours, behind the id of its key."""
        return self._first + hmac.digest(self._marking_key(self._first, purpose), value, "sha256")

    def is_mark(self, purpose: str, value: bytes, mark: bytes) -> bool:
        """Tell whether a mark was made of this value, by any of the keys."""
        key_id = mark[:KEY_ID_BYTES]
        if key_id not in self._keys:
            return False
        made = hmac.digest(self._marking_key(key_id, purpose), value, "sha256")
        return hmac.compare_digest(made, mark[KEY_ID_BYTES:])

    def _marking_key(self, key_id: bytes, purpose: str) -> bytes:
        known = self._marking_keys.get((key_id, purpose))
        if known is None:
            known = self._derive(key_id, f"mark:{purpose}")
            self._marking_keys[key_id, purpose] = known
        return known

    def _cipher(self, key_id: bytes, purpose: str) -> AESGCM:
        known = self._ciphers.get((key_id, purpose))
        if known is None:
            known = AESGCM(self._derive(key_id, f"seal:{purpose}"))
            self._ciphers[key_id, purpose] = known
        return known

    def _derive(self, key_id: bytes, info: str) -> bytes:
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"rapport:{info}".encode())
        return derivation.derive(self._keys[key_id])
