"""`rapport research`: the salt, and what stops an export before anything is read."""

import asyncio
import os
import re
import secrets
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plugin.audit import Actor, Kind, Trail
from plugin.errors import SettingsInvalid
from plugin.exports import Period
from plugin.initial import CONFIGURATION
from plugin.ledger import Ledger, Vault
from plugin.research_settings import BACKEND_SCOPES, Research
from plugin.researching.earlier import details_of
from plugin.settings import read_settings
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


@pytest.mark.parametrize(
    ("more", "told"),
    [((), "rapport research salt"), (("--why", "w"), "The purpose has fewer than 3 characters.")],
    ids=["no salt", "no purpose"],
)
def test_an_export_that_is_refused_says_why_and_leaves_no_folder(
    tmp_path: Path, more: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "new" / "within" / "out"
    refused = rapport(tmp_path, *EXPORT, *more, "--out", str(out), section=DECIDED)
    assert refused.returncode != 0
    assert told in refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_column_that_cannot_be_kept_longest_is_refused(tmp_path: Path) -> None:
    refused = rapport(tmp_path, *EXPORT, "--keep", "rater", "--out", str(tmp_path / "out"), section=DECIDED)
    assert refused.returncode != 0
    assert "Name one of age_band, modality, carer_present, medication_class, language." in refused.stderr


def test_an_earlier_export_with_the_same_salt_is_named_and_has_to_be_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rapport(tmp_path, "salt", "clinic", section=DECIDED)
    monkeypatch.setenv("RAPPORT_SECRET_KEY", SECRET)
    settings = read_settings(tmp_path / "rapport.toml")
    research = settings.policies["clinic"].research
    assert research is not None
    earlier = replace(research, shift_days=30)
    trail = Trail(settings.base_url, lambda: datetime(2026, 3, 2, tzinfo=UTC))
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    days = [("2024-01-15", "2024-03-01"), ("2025-01-15", "2025-01-17"), ("2026-01-15", "2026-03-01")]
    for number, each in enumerate(days):  # neither, few, in common
        details = details_of(str(number), earlier, Period.parse(*each))
        entry = trail.entry(Kind.RESEARCH_EXPORTED, Actor(), site="clinic", details=details)
        asyncio.run(ledger.record(entry))
    ledger.close()
    refused = rapport(tmp_path, *EXPORT, "--out", str(tmp_path / "out"), section=DECIDED)
    told = " ".join(refused.stderr.split())
    assert refused.returncode != 0
    assert not (tmp_path / "out").exists()
    made = "An export with the same salt was made on 2026-03-02, of"
    assert f"{made} 2026-01-15 to 2026-03-01, shifted by up to 30 days. {made} 2025-01-15" in told
    assert "to 2025-01-17, shifted by up to 30 days, of so few days that it tells how far days are" in told
    assert "2024" not in told
    given = rapport(tmp_path, *EXPORT, "--despite", "--out", str(tmp_path / "out"), section=DECIDED)
    assert given.returncode == 0, given.stderr


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("none",), "research.medicine 1.name: “none” is what an export says where no class is"),
        (("Unknown",), "research.medicine 1.name"),
        (
            ("stimulants", "sleep aids"),
            "research.medicine: urn:own|7 stands there more than once",
        ),
    ],
)
def test_a_class_of_medicines_is_told_apart_from_none_and_each_code_has_one(
    tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    medicine = '[[site.research.medicine]]\nsystem = "urn:own"\ncode = "7"\nname = "{}"\n'
    section = DECIDED + "".join(medicine.format(each) for each in names)
    refused = rapport(tmp_path, "salt", "clinic", section=section)
    assert refused.returncode != 0
    assert told in " ".join(refused.stderr.split())


def test_a_salt_that_others_can_read_is_refused(tmp_path: Path) -> None:
    research = Research(tmp_path / "salt")
    research.make_salt()
    research.salt_file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="read by others"):
        research.read_salt()


def test_the_file_that_init_writes_shows_how_a_site_decides() -> None:
    assert "[site.research]" in CONFIGURATION


def test_the_how_to_names_every_scope_that_an_export_reads_with() -> None:
    told = Path("docs/how-to/export-for-research.md").read_text(encoding="utf-8")
    assert re.findall(r"\"(system/\w+\.rs)\"", told) == list(BACKEND_SCOPES)
