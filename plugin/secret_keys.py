"""The keys that the environment gives: read strictly, and refused where somebody typed them instead of drawing them."""

import base64
import binascii
import itertools
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from plugin.errors import SettingsInvalid

_MAKE_ONE = "Make one with `rapport init`, or: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
# Of 32 random bytes about 30 differ, and of the steps between them about 29; fewer than these happen once in more than 10^9 keys.
_LEAST_BYTES, _LEAST_STEPS = 20, 18
_LENGTH = 32  # bytes
_SHORTEST_TOKEN = 24  # characters
_COMMAND_SECONDS = 30
SECRET_KEY, LOG_KEY = "RAPPORT_SECRET_KEY", "RAPPORT_LOG_KEY"


def read_secret(environment: Mapping[str, str], name: str) -> str:
    """Read a secret from one of three places: `NAME` itself, the file `NAME_FILE`, or what the command `NAME_COMMAND` prints.

    The command is how a key management service is asked (its own client, with the rights of this process); it is run
    without a shell. Empty if none is set; SettingsInvalid if several are, or the place gives nothing.
    """
    given = [each for each in (name, f"{name}_FILE", f"{name}_COMMAND") if environment.get(each, "").strip()]
    if len(given) > 1:
        raise SettingsInvalid(
            f"{' and '.join(given)} are set.", "Set one of them: which one counts is not to be guessed."
        )
    if not given:
        return ""
    place = environment[given[0]].strip()
    if given[0] == name:
        return place
    found = _read_file(given[0], place) if given[0].endswith("_FILE") else _ask(given[0], place)
    if not found:
        raise SettingsInvalid(
            f"{given[0]} gives nothing.", "It has to give what the variable itself would hold."
        )
    return found


def _read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(
            f"{variable} names {path}, which cannot be read.", "Name a file of text that this user may read."
        ) from None


def _ask(variable: str, command: str) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(words, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=True)  # noqa: S603 -- the operator's own command, no shell
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # What it printed may hold the secret.
        raise SettingsInvalid(
            f"The command of {variable} failed ({type(error).__name__}).",
            "Run it by hand as the same user to see why.",
        ) from None
    return done.stdout.strip()


def read_metrics_token(environment: Mapping[str, str]) -> str | None:
    """Read the token that opens /metrics; None, and nobody may read them there, if it is not set."""
    token = environment.get("RAPPORT_METRICS_TOKEN", "").strip()
    if token and (len(token) < _SHORTEST_TOKEN or not token.isascii()):
        raise SettingsInvalid(
            f"RAPPORT_METRICS_TOKEN is shorter than {_SHORTEST_TOKEN} characters, or not ASCII.",
            "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token or None


def read_vault_keys(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Read RAPPORT_SECRET_KEY: one key or several, separated by commas; the first seals, all open.

    SettingsInvalid if it is not set, or a key is no 32 random bytes in base64.
    """
    raw = read_secret(environment, SECRET_KEY)
    if not raw:
        raise SettingsInvalid(
            "RAPPORT_SECRET_KEY is not set.",
            "Set it to 32 random bytes in base64 (`rapport init` makes one). It encrypts tokens and answers: keep it safe.",
        )
    parts = raw.split(",")
    return tuple(
        _read_key("RAPPORT_SECRET_KEY" if len(parts) == 1 else f"Key {place} of RAPPORT_SECRET_KEY", part)
        for place, part in enumerate(parts, 1)
    )


def read_log_key(environment: Mapping[str, str], vault_keys: tuple[bytes, ...]) -> Ed25519PrivateKey:
    """Give the key that signs the transparency log: RAPPORT_LOG_KEY, else one derived from the one secret key.

    SettingsInvalid if it is set and is no 32 random bytes in base64, or if it is not set and there are several.
    """
    raw = read_secret(environment, LOG_KEY)
    if not raw and len(vault_keys) > 1:
        raise SettingsInvalid(
            f"{SECRET_KEY} has several keys and {LOG_KEY} is not set: which signs the log would depend on their order.",
            f"Set {LOG_KEY} to what `rapport keys log-key` prints with the oldest key alone.",
        )
    if not raw:
        return Ed25519PrivateKey.from_private_bytes(derive_log_key(vault_keys))
    key = _read_key(LOG_KEY, raw)
    if len(key) != _LENGTH:
        raise SettingsInvalid(f"RAPPORT_LOG_KEY has {len(key)} bytes, not 32.", _MAKE_ONE)
    return Ed25519PrivateKey.from_private_bytes(key)


def derive_log_key(vault_keys: tuple[bytes, ...]) -> bytes:
    """Derive the log's key from the oldest secret key: 32 bytes."""
    derivation = HKDF(algorithm=SHA256(), length=_LENGTH, salt=None, info=b"rapport:transparency-log")
    return derivation.derive(vault_keys[-1])


def is_drawn(key: bytes) -> bool:
    """Tell whether bytes look drawn by chance: not one pattern over and over, not a sequence, not a text."""
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    is_text = all(32 <= byte < 127 for byte in key)
    return len(set(key)) >= _LEAST_BYTES and len(steps) >= _LEAST_STEPS and not is_text


def _read_key(name: str, text: str) -> bytes:
    key = _decode(text.strip())
    if len(key) < _LENGTH:
        raise SettingsInvalid(f"{name} is not 32 random bytes in base64.", _MAKE_ONE)
    if not is_drawn(key):
        raise SettingsInvalid(f"{name} is not random: its bytes follow a pattern or are a text.", _MAKE_ONE)
    return key


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""
