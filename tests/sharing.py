"""What is the same for every test is made once (shipped forms with their keys, the sandbox EHR's people and key), and PINs quickly."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import pytest

import plugin.stock
import questionnaires.stock
import sandbox_ehr.app
from plugin.access import sessions
from plugin.scores import Key, compile_key
from questionnaires import Instrument, Manner, load_instrument
from sandbox_ehr.database import Database
from sandbox_ehr.fhir.query import NOTHING_MORE
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.people.populate import populate
from sandbox_ehr.settings import Clock

PASSES = sessions._PASSES


@contextmanager
def pins_stretched_once() -> Iterator[None]:
    """Stretch a PIN by one pass, not by `PASSES`, which take a quarter of a second for each hand-over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "_PASSES", 1)
        yield


@contextmanager
def shipped_forms_read_once() -> Iterator[None]:
    """Read and compile a shipped form the first time only; forms of a site's own, and wording packs, every time."""
    with as_file(files("questionnaires") / "instruments") as shipped:
        place = shipped.resolve()
    read: dict[Path, Instrument] = {}
    compiled: dict[int, Key] = {}

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
        if not any(instrument is each for each in read.values()):
            return compile_key(instrument)
        if id(instrument) not in compiled:
            compiled[id(instrument)] = compile_key(instrument)
        return compiled[id(instrument)]

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
