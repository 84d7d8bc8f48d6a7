"""What is the same for every test is made once: the shipped forms with their keys, and the sandbox EHR's people of a moment."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import plugin.stock
import questionnaires.loader
from plugin.scores import Key, compile_key
from questionnaires import Instrument, Manner, load_instrument
from sandbox_ehr.database import Database
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.people.populate import populate


@contextmanager
def shipped_forms_read_once() -> Iterator[None]:
    """Read and compile a shipped form the first time only; forms of a site's own, and wording packs, every time."""
    with as_file(files("questionnaires") / "instruments") as shipped:
        place = shipped.resolve()
    read: dict[Path, Instrument] = {}
    compiled: dict[int, Key] = {}

    def load(path: Path, *, wording: Path | None = None, manner: Manner | None = None) -> Instrument:
        if wording is not None or manner is not None or path.resolve().parent != place:
            return load_instrument(path, wording=wording, manner=manner)
        if path not in read:
            read[path] = load_instrument(path)
        return read[path]

    def compile_(instrument: Instrument) -> Key:
        if not any(instrument is each for each in read.values()):
            return compile_key(instrument)
        if id(instrument) not in compiled:
            compiled[id(instrument)] = compile_key(instrument)
        return compiled[id(instrument)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questionnaires.loader, "load_instrument", load)
        patch.setattr(plugin.stock, "compile_key", compile_)
        yield


def copy_people(file: Path, fhir_base: str, now: datetime) -> None:
    """Begin a sandbox EHR's database with the people that it would fill itself with at this moment."""
    if not file.exists():
        file.write_bytes(_people(fhir_base, now))


@cache
def _people(fhir_base: str, now: datetime) -> bytes:
    with TemporaryDirectory() as folder:
        filled = Path(folder) / "filled.sqlite3"
        database = Database(str(filled))
        populate(Store(database, fhir_base, lambda: now), lambda: now)
        database.close()
        whole = Path(folder) / "whole.sqlite3"
        with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(whole)) as target:
            source.backup(target)
        return whole.read_bytes()
