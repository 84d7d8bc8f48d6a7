"""The page on bringing one's own questionnaire: its form, its reports and its settings are the product's."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from plugin.settings import read_settings
from questionnaires import Rater

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-own.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def report(folder: Path, form: str) -> str:
    (folder / "session.json").write_text(form, encoding="utf-8")
    command = [sys.executable, "-m", "plugin", "instruments", "check", "session.json"]
    environment = {**os.environ, "COLUMNS": "110", "PYTHONPATH": str(PAGE.parents[2])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    return done.stdout + done.stderr


def test_the_report_of_the_example_is_what_the_command_says(tmp_path: Path) -> None:
    assert report(tmp_path, *blocks("json")) == blocks("text")[0]


def test_the_report_of_a_broken_form_is_what_the_command_says(tmp_path: Path) -> None:
    broken = json.loads(blocks("json")[0])
    broken["item"][1]["linkId"] = "heard"
    broken["item"][2]["extension"][0]["valueExpression"]["expression"] = "%all.sum()"
    first = report(tmp_path, json.dumps(broken))
    broken["item"][1]["linkId"] = "helped"
    assert first + report(tmp_path, json.dumps(broken)) == blocks("text")[1]


def test_the_settings_of_the_page_can_be_read(tmp_path: Path) -> None:
    (toml,) = blocks("toml")
    server = '[server]\nbase_url = "https://rapport.invalid"\ndatabase = "sqlite:///r.sqlite3"\n'
    site = '\n[[site]]\nid = "clinic"\nname = "C"\norganization = "C"\nfhir_base = "https://ehr.invalid/r4"\n'
    site += 'client_id = "rapport"\nauthentication = "public"\n'
    file = tmp_path / "rapport.toml"
    file.write_text(toml.replace("[server]\n", server) + site, encoding="utf-8")
    found = read_settings(file, {"RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"})
    assert found.instrument_folders == (tmp_path / "forms", tmp_path / "elsewhere/session.json")
    assert found.own_forms.manner.raters == {"session": Rater.CAREGIVER}
    assert found.own_forms.pinned[0].canonical.endswith("|1.0.0")
