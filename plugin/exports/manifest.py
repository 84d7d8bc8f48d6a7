"""The manifest of an export: what is in it, how many, the digest of every file, and the signature over all of it."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path

import msgspec

from plugin.errors import Invalid, NotFound
from plugin.exports.rows import Column
from plugin.transparency import CheckpointInvalid, LogSigner, open_statement

FORMAT = "rapport-export/2"
MANIFEST, SIGNATURE, CHECKPOINT = "manifest.json", "manifest.sig", "checkpoint"


@dataclass(frozen=True, slots=True)
class Period:
    """From the beginning of the first day to the end of the last, in UTC unless another zone is named."""

    first: date
    last: date
    zone: tzinfo = UTC

    @classmethod
    def parse(
        cls, first: str, last: str, zone: tzinfo = UTC, *, names: tuple[str, str] = ("From", "To")
    ) -> "Period":
        """Read two dates; Invalid says which is none, by the names that whoever gave them knows, or that they are exchanged."""
        days = []
        for name, text in zip(names, (first, last), strict=True):
            try:
                days.append(date.fromisoformat(text))
            except ValueError:
                found = f"{text} is no date" if text.strip() else "there is no date"
                raise Invalid(f"{name}: {found}.", "Write it as 2026-10-01.") from None
        if days[0] > days[1]:
            raise Invalid(f"{first} is after {last}.", "Exchange the two.")
        return cls(days[0], days[1], zone)

    @property
    def begin(self) -> datetime:
        """The first instant of it."""
        return _begin_of(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return instant_after(self.last, self.zone)

    def __contains__(self, when: datetime) -> bool:
        return self.begin <= when < self.end


def instant_after(day: date, zone: tzinfo = UTC) -> datetime:
    """Give the first instant after a day; after the last day there is, which some write for no end, its last one."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return _begin_of(day + timedelta(days=1), zone)


def _begin_of(day: date, zone: tzinfo) -> datetime:
    midnight = datetime.combine(day, time(), zone)
    try:
        return midnight.astimezone(UTC)
    except OverflowError:  # at either end of all days
        return midnight.replace(tzinfo=UTC)


class File(msgspec.Struct, frozen=True):
    """One file: its SHA-256 in hex, its length in bytes, and how many lines if it is NDJSON."""

    sha256: str
    bytes: int
    lines: int | None = None


class Form(msgspec.Struct, frozen=True):
    """One form that responses of the export name, with the hash that they name; `own`: one of the site's own."""

    canonical: str
    content_hash: str
    folder: str
    own: bool = False
    rater: str | None = None


class Log(msgspec.Struct, frozen=True):
    """The transparency log that the proofs lead to."""

    verifier_key: str
    size: int


class Manifest(msgspec.Struct, frozen=True):
    """What an export says of itself."""

    format: str
    software: str
    made: str
    first_day: str
    last_day: str
    audit_entry: str
    log: Log
    counts: dict[str, int]
    files: dict[str, File]
    columns: dict[str, tuple[Column, ...]]
    forms: tuple[Form, ...]
    form_base: str
    unreadable: tuple[str, ...] = ()
    held_back: tuple[
        str, ...
    ] = ()  # administrations whose answers are not for auditors, to whom it was given
    site: str | None = None  # the only one of which it tells; None: all

    @property
    def period(self) -> Period:
        """The days that it covers."""
        return Period.parse(self.first_day, self.last_day)


def write_manifest(folder: Path, manifest: Manifest, signer: LogSigner) -> None:
    """Write the manifest and its signature."""
    content = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(signer.sign_statement(FORMAT, hashlib.sha256(content).hexdigest()))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an export; NotFound if there is none, Invalid if it cannot be read."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"{folder} is no export: it has no {MANIFEST}.",
            "Name the folder that `rapport audit export` wrote.",
        ) from None
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
        _ = manifest.period
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Invalid):
        raise Invalid(
            f"{folder / MANIFEST} was altered: it is no manifest any more.", "Get the export again."
        ) from None
    if manifest.format != FORMAT:
        raise Invalid(
            f"{folder / MANIFEST} was altered, or is of another version: {manifest.format[:40]}.",
            f"This version of Rapport reads {FORMAT}.",
        )
    return manifest


def check_signature(folder: Path, verifier_key: str) -> str | None:
    """Say what is wrong with the signature over the manifest; None if it is whole."""
    try:
        note = (folder / SIGNATURE).read_bytes()
        stated = open_statement(note, FORMAT, verifier_key)
    except OSError:
        return f"{SIGNATURE} is missing: nothing vouches for the manifest."
    except CheckpointInvalid as invalid:
        return str(invalid).replace("The checkpoint", f"{SIGNATURE}")
    if not _is_exact(note):
        return f"{SIGNATURE} holds more than one signature, or another spelling of it."
    if stated != hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest():
        return "It is not what was signed."
    return None


def _is_exact(note: bytes) -> bool:
    """Tell whether the note is one signature over two lines: base64 has several spellings of the same bytes."""
    lines = note.split(b"\n")
    encoded = lines[3].rpartition(b" ")[2] if len(lines) == 5 else b""
    return bool(encoded) and base64.b64encode(base64.b64decode(encoded)) == encoded and not lines[4]
