"""`rapport research`: the salt, and what stops an export before anything is read."""

import os
import secrets
import subprocess
from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.initial import CONFIGURATION
from plugin.research_settings import Research
from tests.terminal import run_rapport

SECRET = secrets.token_urlsafe(32)
CONFIG = """
[server]
base_url = "https://rapport.invalid"
database = "sqlite:///{folder}/rapport.sqlite3"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Clinic"
fhir_base = "https://ehr.invalid/r4"
client_id = "rapport"
authentication = "public"
"""


def rapport(folder: Path, *arguments: str, section: str = "") -> "subprocess.CompletedProcess[str]":
    config = folder / "rapport.toml"
    config.write_text(CONFIG.replace("{folder}", str(folder)) + section, encoding="utf-8")
    environment = {**os.environ, "RAPPORT_SECRET_KEY": SECRET, "RAPPORT_CONFIG": str(config)}
    return run_rapport("research", *arguments, environment=environment)


EXPORT = ("export", "clinic", "--from", "2026-01-01", "--to", "2026-02-01", "--why", "A study")
DECIDED = '\n[site.research]\nsalt = "research.salt"\n'


def test_the_salt_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = rapport(tmp_path, "salt", "clinic", section=DECIDED)
    assert made.returncode == 0, made.stderr
    salt = tmp_path / "research.salt"
    assert salt.stat().st_mode & 0o077 == 0
    before = salt.read_bytes()
    assert len(before) == 32
    again = rapport(tmp_path, "salt", "clinic", section=DECIDED)
    assert again.returncode != 0
    assert "There is a salt" in again.stderr
    assert salt.read_bytes() == before


def test_a_site_that_has_not_decided_gives_nothing(tmp_path: Path) -> None:
    refused = rapport(tmp_path, *EXPORT, "--out", str(tmp_path / "out"))
    assert refused.returncode != 0
    assert "[site.research]" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_salt_an_export_says_how_to_make_one(tmp_path: Path) -> None:
    refused = rapport(tmp_path, *EXPORT, "--out", str(tmp_path / "out"), section=DECIDED)
    assert refused.returncode != 0
    assert "rapport research salt" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_salt_that_others_can_read_is_refused(tmp_path: Path) -> None:
    research = Research(tmp_path / "salt")
    research.make_salt()
    research.salt_file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="read by others"):
        research.read_salt()


def test_the_file_that_init_writes_shows_how_a_site_decides() -> None:
    assert "[site.research]" in CONFIGURATION
