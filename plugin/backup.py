"""Backs up a ledger that is in use, and puts a backup back where nothing is: database, transparency log, a manifest.

The log is copied before the database: a log that lags behind is brought up to date at the next start, one that is ahead of its
database would be taken for a database that lost rows.
"""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa

from plugin import __version__
from plugin.errors import SettingsInvalid
from plugin.ledger.schema import HEAD

_DATABASE = "rapport.sqlite3"
_LOG = "log"
_MANIFEST = "manifest.json"
_PAGES = 1000  # copied at a time, between which others may write


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds. `files` are SHA-256 by path; `responses` is how many there are."""

    made: datetime
    software: str
    schema: str
    responses: int
    files: dict[str, str]


def make_backup(url: str, log: Path, folder: Path, now: datetime) -> Manifest:
    """Back up into a new folder, while Rapport may be running; SettingsInvalid if the folder is not empty."""
    source = _sqlite_file(url)
    if folder.exists() and any(folder.iterdir()):
        raise SettingsInvalid(f"{folder} is not empty.", "Name a new folder for each backup.")
    if not source.is_file():
        raise SettingsInvalid(
            f"There is no database {source}.", "Name the configuration of this installation."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.is_dir():
        shutil.copytree(log, folder / _LOG, ignore=shutil.ignore_patterns(".*"))
    copy = folder / _DATABASE
    with closing(sqlite3.connect(source)) as held, closing(sqlite3.connect(copy)) as target:
        held.backup(target, pages=_PAGES)
        # A backup is one file: without WAL beside it.
        target.execute("PRAGMA journal_mode=DELETE")
        (sound,) = target.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            raise SettingsInvalid(
                f"The copy of {source} is damaged: {sound}.",
                "Look at the disk; an earlier backup may be sound.",
            )
        (responses,) = target.execute("SELECT count(*) FROM response").fetchone()
    files = {
        str(each.relative_to(folder)): _digest(each) for each in sorted(folder.rglob("*")) if each.is_file()
    }
    manifest = Manifest(now, __version__, HEAD, responses, files)
    (folder / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def restore_backup(folder: Path, url: str, log: Path) -> Manifest:
    """Put a backup where the configuration says, if nothing is there; SettingsInvalid names what stands against it."""
    target = _sqlite_file(url)
    manifest = read_manifest(folder)
    for place in (target, target.with_name(target.name + "-wal"), log):
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            raise SettingsInvalid(
                f"{place} is there already: it would be overwritten.",
                "Move it away, and keep it until all is well.",
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    if (folder / _LOG).is_dir():
        shutil.copytree(folder / _LOG, log, dirs_exist_ok=True)
    aside = target.with_name(f".{target.name}.restoring")
    shutil.copyfile(folder / _DATABASE, aside)
    aside.chmod(0o600)
    aside.replace(target)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest and hold every file against it; SettingsInvalid names what is missing or altered."""
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise SettingsInvalid(
            f"{folder} is no backup: it has no {_MANIFEST}.", "Name the folder of a backup."
        ) from None
    wrong = [
        name
        for name, digest in manifest.files.items()
        if not (folder / name).is_file() or _digest(folder / name) != digest
    ]
    if wrong:
        raise SettingsInvalid(
            f"The backup {folder} is damaged: {', '.join(wrong[:5])} is missing or altered.",
            "Use another backup.",
        )
    return manifest


def _sqlite_file(url: str) -> Path:
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        raise SettingsInvalid(
            "This is for SQLite.", "On PostgreSQL use pg_dump and pg_restore, as docs/how-to/back-up.md says."
        )
    return Path(parts.database)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
