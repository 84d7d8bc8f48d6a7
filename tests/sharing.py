"""What is the same for every test is made once, and PINs quickly.

Shipped forms with their keys, the sandbox EHR's people and key, the tables of an empty ledger, what SQLAlchemy compiles, the
certificates that are trusted, addresses that httpx takes apart.
"""

import json
import os
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import typer.main
import typer.testing
from httpx._urlparse import ParseResult, urlparse
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.util import LRUCache

import plugin.ledger.reading
import plugin.ledger.schema
import plugin.ledger.store
import plugin.stock
import plugin.verify.schema
import questionnaires.stock
import sandbox_ehr.app
from plugin.access import sessions
from plugin.ledger.schema import prepare
from plugin.scores import Key, compile_key
from plugin.verify.findings import Finding
from questionnaires import Instrument, Manner, load_instrument
from sandbox_ehr.database import Database
from sandbox_ehr.fhir.query import NOTHING_MORE
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.people.populate import populate
from sandbox_ehr.settings import Clock

PASSES, COST = sessions._PASSES, sessions._COST


@contextmanager
def pins_stretched_once() -> Iterator[None]:
    """Stretch a PIN by one short pass: the whole takes a quarter of a second for each hand-over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "_PASSES", 1)
        patch.setattr(sessions, "_COST", 2**4)
        yield


@contextmanager
def shipped_forms_read_once() -> Iterator[None]:
    """Read and compile a shipped form the first time only; forms of a site's own, and wording packs, every time."""
    with as_file(files("questionnaires") / "instruments") as shipped:
        place = shipped.resolve()
    read: dict[Path, Instrument] = {}
    compiled: dict[
        int, tuple[Instrument, Key]
    ] = {}  # with the form, so that no other one takes its place in memory

    def load(
        path: Path,
        *,
        wording: Path | None = None,
        manner: Manner | None = None,
        earlier_of: str | None = None,
    ) -> Instrument:
        if wording is not None or manner is not None or place not in path.resolve().parents:
            return load_instrument(path, wording=wording, manner=manner, earlier_of=earlier_of)
        if path not in read:
            read[path] = load_instrument(path, earlier_of=earlier_of)
        return read[path]

    def compile_(instrument: Instrument) -> Key:
        if id(instrument) in compiled:
            return compiled[id(instrument)][1]
        key = compile_key(instrument)
        # Some were read before this, while tests were collected.
        if not instrument.own and place in Path(instrument.file).resolve().parents:
            compiled[id(instrument)] = instrument, key
        return key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questionnaires.stock, "load_instrument", load)
        patch.setattr(plugin.stock, "compile_key", compile_)
        yield


@contextmanager
def people_made_once() -> Iterator[None]:
    """Fill an empty sandbox EHR with a copy of what was made first for its address and moment: people, and its key."""

    def fill(store: Store, clock: Clock) -> None:
        if not store.find("Organization", NOTHING_MORE):
            with closing(sqlite3.connect(":memory:")) as source:
                source.deserialize(_people(store.base, clock()))
                source.backup(store.database._connection)
        populate(store, clock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_ehr.app, "populate", fill)
        yield


@cache
def _people(base: str, now: datetime) -> bytes:
    with closing(Database(":memory:")) as database:
        populate(Store(database, base, lambda: now), lambda: now)
        database._connection.execute("INSERT INTO signing_key VALUES (?)", (_signing_key(base),))
        database._connection.commit()
        return database._connection.serialize()


@cache
def _signing_key(base: str) -> str:
    with closing(Database(":memory:")) as database:
        return json.dumps(Records(database, lambda: datetime.now(UTC)).signing_key().as_dict(private=True))


@contextmanager
def statements_compiled_once() -> Iterator[None]:
    """Have all ledgers on SQLite speak by one dialect, which compiles a statement the first time only: each ledger had its own."""
    spoken = sa.create_engine("sqlite://")
    with spoken.connect():  # it asks the driver what it can do
        dialect = spoken.dialect
    spoken.dispose()
    compiled = LRUCache[Any, Any](5000)

    def sharing(make: Callable[[str], Engine]) -> Callable[[str], Engine]:
        def opened(url: str) -> Engine:
            engine = make(url)
            if engine.dialect.name == dialect.name:
                engine.dialect, engine._compiled_cache = dialect, compiled
            return engine

        return opened

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin.ledger.store, "_open_engine", sharing(plugin.ledger.store._open_engine))
        reading = sharing(plugin.ledger.reading._open_for_reading)
        patch.setattr(plugin.ledger.reading, "_open_for_reading", reading)
        yield


@contextmanager
def schemas_compared_once() -> Iterator[None]:
    """Compare what a file of SQLite declares with what it is to declare the first time only: the comparison reads nothing else."""
    compare = plugin.verify.schema._tables

    @cache
    def known(_declared: tuple[tuple[str, ...], ...]) -> list[list[Finding]]:
        return []

    def compared(connection: Connection) -> Iterator[Finding]:
        if connection.dialect.name != "sqlite":
            yield from compare(connection)
            return
        declared = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all()
        found = known(tuple(tuple(row) for row in declared))
        if not found:
            found.append(list(compare(connection)))
        yield from found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin.verify.schema, "_tables", compared)
        yield


@contextmanager
def ledgers_prepared_once() -> Iterator[None]:
    """Give an empty file of SQLite the tables that the first one was given."""

    @cache
    def prepared() -> bytes:
        with TemporaryDirectory() as folder:
            engine = plugin.ledger.store._open_engine(f"sqlite:///{folder}/rapport.sqlite3")
            prepare(engine)
            engine.dispose()
            return Path(folder, "rapport.sqlite3").read_bytes()

    def prepare_(engine: Engine) -> None:
        if engine.dialect.name == "sqlite" and not (place := Path(str(engine.url.database))).stat().st_size:
            place.write_bytes(prepared())
        prepare(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin.ledger.schema, "prepare", prepare_)
        yield


@contextmanager
def certificates_read_once() -> Iterator[None]:
    """Read the certificates that are trusted once: every client of httpx reads all of them, also to speak without TLS."""
    make = httpx.create_ssl_context

    @cache
    def usual(_file: str | None, _folder: str | None) -> ssl.SSLContext:
        return make()

    def made(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None or not trust_env:
            return make(verify, cert, trust_env)
        return usual(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", made)
        patch.setattr(httpx._transports.default, "create_ssl_context", made)
        yield


@contextmanager
def addresses_parsed_once() -> Iterator[None]:
    """Take an address apart the first time only: httpx does it a dozen times with each request that is redirected."""
    parse = urlparse
    known = lru_cache(maxsize=4096)(parse)

    def parsed(url: str = "", **parts: str | None) -> ParseResult:
        return parse(url, **parts) if parts else known(url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx._urls, "urlparse", parsed)
        yield


@contextmanager
def commands_built_once() -> Iterator[None]:
    """Build what a command line knows once: each command that a test runs in its own process built all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield
