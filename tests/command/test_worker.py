"""`rapport worker` as an operator starts and stops it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plugin.initial import write_keys

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


def start(folder: Path, database: str) -> "subprocess.Popen[str]":
    (folder / "rapport.toml").write_text(SITE.format(database=database), encoding="utf-8")
    write_keys(folder / "keys")
    environment = {
        **os.environ,
        "RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc",
        "RAPPORT_SIGNING_KEYS": str(folder / "keys"),
    }
    command = [sys.executable, "-m", "plugin", "worker", "--config", str(folder / "rapport.toml")]
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
