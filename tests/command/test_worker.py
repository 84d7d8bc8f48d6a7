"""`rapport worker` as an operator starts and stops it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from plugin.initial import write_keys
from tests.ports import free_port
from tests.terminal import command_line

SITE = """
[server]
base_url = "http://127.0.0.1:8701"
database = "{database}"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Clinic"
fhir_base = "http://127.0.0.1:9/r4"
client_id = "rapport"
authentication = "private_key_jwt"
"""


def start(folder: Path, database: str, *more: str) -> "subprocess.Popen[str]":
    (folder / "rapport.toml").write_text(SITE.format(database=database), encoding="utf-8")
    write_keys(folder / "keys")
    environment = {
        **os.environ,
        "RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc",
        "RAPPORT_SIGNING_KEYS": str(folder / "keys"),
    }
    command = command_line("worker", "--config", folder / "rapport.toml", *more)
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_it_runs_on_postgresql_until_it_is_told_to_stop(tmp_path: Path, postgres_url: str) -> None:
    with start(tmp_path, postgres_url) as process:
        assert process.stderr is not None
        assert "worker.started" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert (process.wait(10), "worker.stopped" in rest) == (0, True), rest


@pytest.mark.parametrize("database", ["sqlite:///r.sqlite3"])
def test_sqlite_is_refused_with_the_remedy(tmp_path: Path, database: str) -> None:
    with start(tmp_path, database) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "rapport serve" in told
    assert "PostgreSQL" in told


def test_its_own_port_tells_operators_how_it_is(tmp_path: Path, postgres_url: str) -> None:
    port = free_port()
    with start(tmp_path, postgres_url, "--operators", f"127.0.0.1:{port}") as process:
        assert process.stderr is not None
        assert "worker.started" in process.stderr.readline()
        try:
            answer = _get(f"http://127.0.0.1:{port}/health/ready")
            parts = dict.fromkeys(("database", "schema", "instruments", "worker"), "ok")
            assert answer.json() == {"status": "ready", "parts": parts}
            assert "rapport_delivery_queue_depth" in _get(f"http://127.0.0.1:{port}/metrics").text
            assert _get(f"http://127.0.0.1:{port}/fill").status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
        assert process.wait(10) == 0


def test_a_database_that_cannot_be_reached_is_told_in_a_sentence(tmp_path: Path) -> None:
    with start(tmp_path, "postgresql+psycopg://rapport:s3cret-word@127.0.0.1:9/rapport") as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "cannot be used" in " ".join(told.split())
    assert "s3cret-word" not in told
    assert "Traceback" not in told


def _get(address: str) -> httpx.Response:
    for _ in range(1200):
        try:
            return httpx.get(address, timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"{address} does not answer")
