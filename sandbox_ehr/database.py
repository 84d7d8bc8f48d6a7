"""The sandbox EHR's database: one SQLite connection behind one lock, so that every change is serial."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SCHEMA = """
CREATE TABLE IF NOT EXISTS current (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, id TEXT NOT NULL,
    version INTEGER NOT NULL, updated INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (type, id));
CREATE TABLE IF NOT EXISTS version (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, updated INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (type, id, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    type TEXT NOT NULL, id TEXT NOT NULL, param TEXT NOT NULL,
    system TEXT, value TEXT, low INTEGER, high INTEGER);
CREATE INDEX IF NOT EXISTS entry_value ON entry (type, param, value);
CREATE INDEX IF NOT EXISTS entry_low ON entry (type, param, low);
CREATE INDEX IF NOT EXISTS entry_owner ON entry (type, id, param);

CREATE TABLE IF NOT EXISTS subscription (
    id TEXT PRIMARY KEY, client_id TEXT NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL, error TEXT NOT NULL,
    last_sent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS subscription_event (
    subscription TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, focus TEXT NOT NULL,
    created INTEGER NOT NULL, sent INTEGER NOT NULL, PRIMARY KEY (subscription, number)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS signing_key (jwk TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS launch (
    digest TEXT PRIMARY KEY, client_id TEXT NOT NULL, practitioner TEXT NOT NULL, patient TEXT, encounter TEXT,
    context TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sign_in (
    digest TEXT PRIMARY KEY, request TEXT NOT NULL, practitioner TEXT, patient TEXT, expires INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS authorization (
    id TEXT PRIMARY KEY, client_id TEXT NOT NULL, user TEXT, scope TEXT NOT NULL, context TEXT NOT NULL,
    created INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS code (
    digest TEXT PRIMARY KEY, authorization_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, nonce TEXT,
    challenge TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS signed_in (
    what TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS token (
    digest TEXT PRIMARY KEY, kind TEXT NOT NULL, authorization_id TEXT NOT NULL, scope TEXT NOT NULL,
    issued INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS assertion (
    client_id TEXT NOT NULL, jti TEXT NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (client_id, jti));
"""


class Database:
    """All state of the sandbox. Times are integers: milliseconds since 1970 for FHIR, seconds for OAuth."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all or nothing; inside another transaction, a savepoint."""
        with self._lock:
            begin, undo = self._marks()
            self._connection.execute(begin)
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                for statement in undo:
                    self._connection.execute(statement)
                raise
            self._depth -= 1
            self._connection.execute("COMMIT" if self._depth == 0 else f"RELEASE level{self._depth}")

    def _marks(self) -> tuple[str, tuple[str, ...]]:
        level = f"level{self._depth}"
        if self._depth == 0:
            return "BEGIN IMMEDIATE", ("ROLLBACK",)
        return f"SAVEPOINT {level}", (f"ROLLBACK TO {level}", f"RELEASE {level}")

    def close(self) -> None:
        """Close the connection; nothing can be asked afterwards."""
        with self._lock:
            self._connection.close()
