"""Backed up while in use, everything lost, restored: every proof holds, and what was sent again stands in the EHR once."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from plugin.audit.trail import utc_now
from plugin.backup import make_backup, read_manifest, restore_backup
from plugin.errors import SettingsInvalid
from plugin.ledger import schema
from plugin.ledger.store import open_database
from tests.forking import Forked
from tests.operating.test_storage import _make_database, _post
from tests.ports import free_port
from tests.postgres import PostgresMissing, postgres_server
from tests.product.crashing import (
    SECRET,
    Place,
    _search,
    _wait_for_delivery,
    launched_tokens,
    open_place,
)
from tests.terminal import run_rapport


def rapport(place: Place, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "RAPPORT_SECRET_KEY": SECRET,
        "RAPPORT_SIGNING_KEYS": str(place.folder / "keys"),
        "RAPPORT_CONFIG": str(place.folder / "rapport.toml"),
    }
    return run_rapport(*arguments, environment=environment)


def saved_in_the_ehr(place: Place) -> list[str]:
    known = [each["identifier"] for each in _search(place, "QuestionnaireResponse") if "identifier" in each]
    return sorted(each["value"] for each in known if each["system"] == "urn:x-storage")


def start(place: Place) -> Forked:
    process = place.start()
    place.wait(process)
    return process


def stop(process: Forked) -> None:
    process.terminate()
    process.wait(20)


def test_an_sqlite_ledger_comes_back_from_its_backup(tmp_path: Path) -> None:
    backup = tmp_path / "backups" / "one"
    with open_place(tmp_path, free_port()) as place:
        process = start(place)
        try:
            launched = launched_tokens(place)[0]
            assert [_post(place, launched, number).status_code for number in (1, 2)] == [201, 201]
            # What is being sent when a backup is made waits for its lease (90 seconds) after it is restored.
            assert _wait_for_delivery(place, patience=60) == {}
            made = rapport(place, "database", "backup", str(backup))
            assert made.returncode == 0, made.stderr
            assert "2 responses" in made.stdout
            assert _post(place, launched, 3).status_code == 201
            assert _wait_for_delivery(place, patience=60) == {}
        finally:
            stop(process)
        refused = rapport(place, "database", "restore", str(backup))
        assert refused.returncode != 0
        assert "is there already" in refused.stderr
        for each in tmp_path.glob("rapport.sqlite3*"):
            each.unlink()
        shutil.rmtree(tmp_path / "log")
        restored = rapport(place, "database", "restore", str(backup))
        assert restored.returncode == 0, restored.stderr
        process = start(place)
        try:
            assert _post(place, launched, 1).status_code == 200
            assert _post(place, launched, 3).status_code == 201
            assert _wait_for_delivery(place, patience=60) == {}
        finally:
            stop(process)
        assert saved_in_the_ehr(place) == ["1", "2", "3"]
        verified = rapport(place, "audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/rapport.sqlite3"
    engine = open_database(url)
    schema.prepare(engine)
    engine.dispose()
    return url


def test_a_damaged_backup_is_refused_and_names_the_file(tmp_path: Path, database: str) -> None:
    backup, log = tmp_path / "backup", tmp_path / "log"
    make_backup(database, log, backup, utc_now())
    with pytest.raises(SettingsInvalid, match="is not empty"):
        make_backup(database, log, backup, utc_now())
    with (backup / "rapport.sqlite3").open("r+b") as file:
        file.seek(2000)
        file.write(b"x")
    for each in tmp_path.glob("rapport.sqlite3*"):
        each.unlink()
    with pytest.raises(SettingsInvalid, match=r"rapport\.sqlite3 is missing or altered"):
        restore_backup(backup, database, log)
    assert not (tmp_path / "rapport.sqlite3").exists()


def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="is no backup"):
        restore_backup(tmp_path, f"sqlite:///{tmp_path}/rapport.sqlite3", tmp_path / "log")


def test_a_backup_can_be_read_by_its_owner_only(tmp_path: Path, database: str) -> None:
    make_backup(database, tmp_path / "log", tmp_path / "backup", utc_now())
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert read_manifest(tmp_path / "backup").responses == 0


def test_another_database_is_told_how_it_is_backed_up(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="This is for SQLite"):
        make_backup("postgresql+psycopg:///rapport", tmp_path / "log", tmp_path / "backup", utc_now())


def test_a_postgresql_ledger_comes_back_as_the_page_says(tmp_path: Path) -> None:
    try:
        with postgres_server() as server:
            _make_database(server.url)
            _lose_and_restore(tmp_path, server.url.format("storage"), server.binaries)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def _wait_for_checkpoint(log: Path) -> None:
    """The log is signed a moment after its rows are stored."""
    deadline = time.monotonic() + 30
    while not (log / "checkpoint").exists():
        assert time.monotonic() < deadline, "no checkpoint was signed"
        time.sleep(0.1)


def _lose_and_restore(folder: Path, url: str, binaries: Path) -> None:
    place_of = url.partition("host=")[2]
    user = url.partition("//")[2].partition("@")[0]
    at = ("-h", place_of, "-U", user)
    with open_place(folder, free_port(), url) as place:
        process = start(place)
        try:
            launched = launched_tokens(place)[0]
            assert _post(place, launched, 1).status_code == 201
            assert _wait_for_delivery(place, patience=60) == {}
            _wait_for_checkpoint(folder / "log")
            shutil.copytree(folder / "log", folder / "backup")
            dump = folder / "rapport.dump"
            _tool(binaries / "pg_dump", *at, "--format=custom", f"--file={dump}", "storage")
            assert _post(place, launched, 2).status_code == 201
            assert _wait_for_delivery(place, patience=60) == {}
        finally:
            stop(process)
        shutil.rmtree(folder / "log")
        _tool(binaries / "dropdb", *at, "storage")
        shutil.copytree(folder / "backup", folder / "log")
        _tool(binaries / "createdb", *at, "storage")
        _tool(binaries / "pg_restore", *at, "--dbname=storage", "--exit-on-error", str(dump))
        process = start(place)
        try:
            assert _post(place, launched, 2).status_code == 201
            assert _wait_for_delivery(place, patience=60) == {}
        finally:
            stop(process)
        assert saved_in_the_ehr(place) == ["1", "2"]
        verified = rapport(place, "audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert json.loads(rapport(place, "audit", "verify", "--json").stdout)


def _tool(program: Path, *arguments: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
