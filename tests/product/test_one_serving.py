"""One process serves from an SQLite ledger: a second one waits for the first to end, or goes."""

import dataclasses
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.ledger import Ledger, Vault
from tests.ports import free_port
from tests.product.crashing import SECRET, Place, open_place
from tests.terminal import run_rapport

OTHER_SECRET = "q3pVbTn0xRz7yLwJ5cKfUeHs1DgMa8oQiB2tXvN4W6E"
IMPATIENT = """
import sys
from plugin.commands import serving_alone
serving_alone.PATIENCE = 1.0
from plugin.command_line import main
sys.argv = ["rapport", *sys.argv[1:]]
main()
"""


def test_a_second_serving_process_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    with open_place(tmp_path, free_port()) as place:
        first = place.start()
        place.wait(first)
        beside = dataclasses.replace(place, port=free_port())
        second = beside.start()
        try:
            _wait_for(place, "another process still serves from this ledger")
            first.send_signal(signal.SIGKILL)
            first.wait()
            beside.wait(second)
        finally:
            for each in (first, second):
                each.terminate()
                each.wait(20)
    assert _output(place).count("another process still serves") == 1


def test_a_second_serving_process_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    (tmp_path / "impatient.py").write_text(IMPATIENT, encoding="utf-8")
    with open_place(tmp_path, free_port()) as place:
        first = place.start()
        place.wait(first)
        try:
            # By another name of the same file.
            (tmp_path / "link.sqlite3").symlink_to(tmp_path / "rapport.sqlite3")
            told = (tmp_path / "rapport.toml").read_text().replace("/rapport.sqlite3", "/link.sqlite3")
            (tmp_path / "second.toml").write_text(told, encoding="utf-8")
            second = _run(place, tmp_path / "second.toml")
            assert second.returncode == 1
            assert f"(process {first.pid}): an SQLite database has one." in second.stderr
            assert first.poll() is None
        finally:
            first.terminate()
            first.wait(20)


def test_a_ledger_that_was_written_under_another_key_is_neither_served_nor_written_to(tmp_path: Path) -> None:
    with open_place(tmp_path, free_port()) as place:
        first = place.start()
        place.wait(first)
        first.terminate()
        first.wait(20)
        before = _content(tmp_path)
        wrong = place.environment | {"RAPPORT_SECRET_KEY": OTHER_SECRET}
        config = ("--config", tmp_path / "rapport.toml")
        for command in (
            ("serve", "--port", str(free_port())),
            ("keys", "rotate"),
            ("database", "upgrade"),
        ):
            done = run_rapport(*command, *config, environment=wrong)
            assert done.returncode == 1, done.stdout
            assert "under another key than RAPPORT_SECRET_KEY has" in done.stderr, (command, done.stderr)
        with pytest.raises(SettingsInvalid, match="rapport keys list"):  # so does every command that writes
            Ledger(place.database, Vault((urlsafe_b64decode(OTHER_SECRET + "="),)))
        assert _content(tmp_path) == before
        # A ring that still opens what an older key sealed.
        ring = f"{OTHER_SECRET},{SECRET}"
        rotating = place.environment | {"RAPPORT_SECRET_KEY": ring, "RAPPORT_LOG_KEY": SECRET}
        done = run_rapport("keys", "rotate", *config, environment=rotating)
        assert done.returncode == 0, done.stderr


def _content(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "rapport.sqlite3")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def _run(place: Place, config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(place.folder / "impatient.py"), "serve", "--port", str(free_port())]
    command += ["--config", str(config)]
    environment = {**place.environment, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _wait_for(place: Place, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in _output(place):
        assert time.monotonic() < deadline, _output(place)
        time.sleep(0.05)


def _output(place: Place) -> str:
    return (place.folder / "output.txt").read_text(encoding="utf-8")
