"""The command line in this process, in a folder with a configuration and a ledger of its own."""

import base64
import random
import sys
import warnings
from pathlib import Path

import pytest

from plugin.command_line import main
from plugin.ledger import Vault
from plugin.ledger.schema import upgrade
from plugin.ledger.store import open_database
from tests.norms.forms import Run

CONFIGURATION = """
[server]
base_url = "https://rapport.invalid"
database = "sqlite:///{folder}/rapport.sqlite3"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Trust"
fhir_base = "https://ehr.invalid/r4"
client_id = "rapport"
authentication = "public"
"""
KEY = base64.urlsafe_b64encode(random.Random(1).randbytes(32)).decode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with rapport.toml and an empty ledger, and go there."""
    (tmp_path / "rapport.toml").write_text(CONFIGURATION.format(folder=tmp_path), encoding="utf-8")
    monkeypatch.setenv("RAPPORT_SECRET_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    engine = open_database(f"sqlite:///{tmp_path}/rapport.sqlite3")
    upgrade(engine, Vault((base64.urlsafe_b64decode(KEY),)))
    engine.dispose()
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs `rapport` in this process: words in, exit status and all output out."""

    def go(*words: str) -> tuple[int, str]:
        capsys.readouterr()  # what was printed before is not its output
        monkeypatch.setattr(sys, "argv", ["rapport", *words])
        with pytest.raises(SystemExit) as end, warnings.catch_warnings():
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return go
