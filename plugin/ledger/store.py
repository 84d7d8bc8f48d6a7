"""The one way into the database: a writer thread with group commit, and readers beside it.

Committing many callers' changes at once makes a full fsync per commit affordable
(about ten times the rate of one transaction a request), so nothing told to be saved
can be lost by a power failure. ADR-0005.
"""

import asyncio
import queue
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.ledger import schema, tables
from plugin.ledger.appending import Appended, append, gathering
from plugin.ledger.known_key import check_key
from plugin.ledger.odd_text import looking
from plugin.ledger.rows import VAULT
from plugin.ledger.schema import lock
from plugin.ledger.vault import Vault

T = TypeVar("T")

_MOST_CHANGES_A_COMMIT = 64
# Built once: building a statement takes longer than SQLite takes to run it.
_INSERT_AUDIT = tables.audit.insert().inline()
_INSERT_PENDING = tables.log_pending.insert().inline()


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry of the trail, ready to be stored: `resource` is an AuditEvent as JSON."""

    event: str
    recorded: datetime
    kind: str
    outcome: str
    site: str | None
    patient: str | None
    resource: bytes
    digest: str


@dataclass(slots=True)
class _Change:
    run: Callable[[Connection], object]
    done: "asyncio.Future[object]"
    loop: asyncio.AbstractEventLoop
    result: object = None
    error: BaseException | None = None


class Ledger:
    """A database of the ledger's tables. Open it with `Ledger(url, vault)`; `close()` when done.

    SettingsInvalid if it was written under other keys: nothing is written under these.

    `url` is an SQLAlchemy URL: `sqlite:///file.sqlite3` (one serving process) or
    `postgresql+psycopg://...` (many).
    """

    def __init__(self, url: str, vault: Vault) -> None:
        self.vault = vault
        self._engine = _open_engine(url).execution_options(**{VAULT: vault})
        try:
            schema.prepare(self._engine)
            check_key(self._engine, vault)
        except BaseException:
            self._engine.dispose()
            raise
        self._lock = threading.Lock()
        self._waiting: deque[_Change] = deque()
        self._under_way = False  # changes are with the writer, or on their way to it
        self._batches: queue.SimpleQueue[list[_Change] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_for_ever, name="ledger-writer", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[Connection], T], audit: AuditRow) -> T:
        """Make a change and record its audit entry in one transaction; return when both are durable."""
        row = self._seal_audit(audit)

        def run(connection: Connection) -> T:
            result = change(connection)
            _store_audit(connection, row)
            return result

        return await self._submit(run)

    async def record(self, audit: AuditRow) -> None:
        """Record an audit entry that goes with no change: a view, a refusal."""
        row = self._seal_audit(audit)
        await self._submit(lambda connection: _store_audit(connection, row))

    async def bookkeep(self, change: Callable[[Connection], T]) -> T:
        """Make a change that concerns no person's record (leases, clean-up, drafts kept for their author)."""
        return await self._submit(change)

    async def read(self, look: Callable[[Connection], T]) -> T:
        """Run a query on a connection of its own; sees everything committed before the call."""

        def run() -> T:
            with self._engine.connect() as connection:
                return looking(connection, look)

        return await asyncio.to_thread(run)

    async def apart(self, work: Callable[[Engine], T]) -> T:
        """Do something that works in no transaction: clear the database's files."""
        return await asyncio.to_thread(work, self._engine)

    @asynccontextmanager
    async def alone(self, purpose: str) -> AsyncIterator[None]:
        """Let one process at a time into this block; on SQLite there is only one.

        It ends with the block, or with the process. `purpose` names what is not to be done twice.
        """
        if self._engine.dialect.name != "postgresql":
            yield
            return
        connection = await asyncio.to_thread(self._engine.connect)
        try:
            await asyncio.to_thread(lock, connection, purpose)
            yield
        finally:
            await asyncio.to_thread(connection.close)  # rolls back, which lets the next one in

    def close(self) -> None:
        """Commit what is queued, then stop."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
        if left:
            self._batches.put(left)
        self._batches.put(None)
        self._thread.join()
        self._engine.dispose()

    def _seal_audit(self, row: AuditRow) -> dict[str, object]:
        return {
            "event": row.event,
            "recorded": row.recorded,
            "kind": row.kind,
            "outcome": row.outcome,
            "site": row.site,
            "patient": row.patient,
            "sealed_resource": self.vault.seal("audit", row.event, row.resource),
            "digest": row.digest,
        }

    async def _submit(self, run: Callable[[Connection], T]) -> T:
        # A caller that goes away does not take its change back: it may be in a commit already.
        loop = asyncio.get_running_loop()
        change = _Change(run, loop.create_future(), loop)
        with self._lock:
            self._waiting.append(change)
            first, self._under_way = not self._under_way, True
        if first:
            loop.call_later(0, self._hand_over)
        return await change.done  # type: ignore[return-value]  # what `run` gave

    def _hand_over(self) -> None:
        """Give the writer what is waiting, once the loop has done what it had at hand: one waking, and company for a commit.

        Each change by itself would wake the writer in the middle of the others, and the two would fight for Python's lock.
        """
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_CHANGES_A_COMMIT))]
            self._under_way = bool(batch)
        if batch:
            self._batches.put(batch)

    def _write_for_ever(self) -> None:
        while (changes := self._batches.get()) is not None:
            self._commit(changes)
            self._tell(changes)

    def _tell(self, changes: list[_Change]) -> None:
        """Tell the callers how it ended, all of one event loop at once: each waking costs more than a change."""
        told: dict[asyncio.AbstractEventLoop, list[_Change]] = defaultdict(list)
        for change in changes:
            told[change.loop].append(change)
        for loop, ended in told.items():
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, ended)
        with self._lock:
            following = self._waiting[0].loop if self._waiting else None
            self._under_way = following is not None
        if following is not None:
            try:
                following.call_soon_threadsafe(following.call_later, 0, self._hand_over)
            except RuntimeError:
                self._hand_over()

    def _commit(self, changes: list[_Change]) -> None:
        try:
            with self._engine.connect() as connection, connection.execution_options(writing=True).begin():
                appended = gathering(connection)
                for change in changes:
                    _run_one(connection, change, appended, alone=len(changes) == 1)
                appended.flush(connection)
        except BaseException as error:  # noqa: BLE001 -- last rim of the writer thread: every caller must be told
            # A row that was gathered is refused only when all are inserted: then each is made again by itself.
            is_of_one = len(changes) > 1 and isinstance(error, sa.exc.IntegrityError | sa.exc.DataError)
            for change in changes:
                if is_of_one:
                    change.error = None
                    self._commit([change])
                else:
                    change.error = change.error or error


def _resolve(changes: list[_Change]) -> None:
    for change in changes:
        if change.done.done():
            continue  # its caller went away
        if change.error is not None:
            change.done.set_exception(change.error)
        else:
            change.done.set_result(change.result)


def _store_audit(connection: Connection, row: Mapping[str, object]) -> None:
    append(connection, _INSERT_AUDIT, row)
    note_for_log(connection, "audit", str(row["event"]))


def note_for_log(connection: Connection, kind: str, row: str) -> None:
    """Note, in the transaction that stores a row, that the transparency log must hold its digest."""
    append(connection, _INSERT_PENDING, {"kind": kind, "row": row})


def _run_one(connection: Connection, change: _Change, appended: Appended, *, alone: bool) -> None:
    # A savepoint each: one caller's failure must not undo its neighbours in the same commit.
    if alone:
        change.result = change.run(connection)
        return
    before = len(appended.rows)
    # By the driver itself: SQLAlchemy takes longer to pass such a statement on than SQLite to run it.
    savepoint = connection.connection.cursor()
    savepoint.execute("SAVEPOINT one_change")
    try:
        change.result = change.run(connection)
    except sa.exc.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 -- handed to the caller that asked for this change
        change.error = error
        savepoint.execute("ROLLBACK TO SAVEPOINT one_change")
        del appended.rows[before:]
    savepoint.execute("RELEASE SAVEPOINT one_change")
    savepoint.close()


def open_database(url: str, vault: Vault | None = None) -> Engine:
    """Open the database of a ledger without its writer, for commands that look at it or upgrade it.

    Who changes rows that are sealed brings the vault.
    """
    engine = _open_engine(url)
    return engine if vault is None else engine.execution_options(**{VAULT: vault})


def _open_engine(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(
            parsed, pool_pre_ping=True, hide_parameters=True, connect_args=patience_of(parsed)
        )
    memory = parsed.database in (None, "", ":memory:")
    if memory:
        raise ValueError("The ledger needs a file: an in-memory database loses what it was told to keep")
    _keep_private(str(parsed.database))
    engine = sa.create_engine(
        parsed, connect_args={"timeout": 30, "check_same_thread": False}, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3: we begin transactions ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # sqlite3.Connection

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails with SQLITE_BUSY_SNAPSHOT, whatever the time-out.
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _keep_private(path: str) -> None:
    """Make a new file readable for its owner only, and with it SQLite's files beside it: not all of it is sealed."""
    if not path.startswith("file:"):
        with suppress(FileExistsError, FileNotFoundError):
            Path(path).touch(mode=0o600, exist_ok=False)


def patience_of(url: sa.URL) -> dict[str, str]:
    """Give up on a PostgreSQL that has gone silent, unless the address sets its own times (libpq's names)."""
    own = {"connect_timeout": "5", "tcp_user_timeout": "15000", "keepalives_idle": "10"}
    return {name: value for name, value in own.items() if name not in url.query}
