"""The page on bringing one's own questionnaire: its form, its reports and its settings are the product's."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from plugin.settings import read_settings
from questionnaires import Rater
from tests.terminal import run_rapport

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-own.md"
SYSTEM = "https://w3id.org/rapport-fhir/site/CodeSystem/session"
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


def score(folder: Path, form: dict[str, Any], *answers: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Score answers to a form in a folder, in the order of its questions."""
    (folder / "session.json").write_text(json.dumps(form), encoding="utf-8")
    items = [
        {"linkId": item["linkId"], "answer": [{"valueCoding": coding}]}
        for item, coding in zip(form["item"], answers, strict=False)
    ]
    response = {"resourceType": "QuestionnaireResponse", "status": "completed", "item": items}
    response["questionnaire"] = f"{form['url']}|{form['version']}"
    (folder / "response.json").write_text(json.dumps(response), encoding="utf-8")
    return run_rapport(
        "score", folder / "response.json", "--instruments", folder / "session.json", "--format", "json"
    )


def totals(done: subprocess.CompletedProcess[str]) -> list[int]:
    assert done.returncode == 0, done.stderr
    found = [each["resource"].get("valueQuantity") for each in json.loads(done.stdout)["entry"]]
    return [each["value"] for each in found if each]


YES = {"code": "yes", "display": "Yes"}


def test_answers_with_the_forms_own_codings_are_scored(tmp_path: Path) -> None:
    form = json.loads(blocks("json")[0])
    assert totals(score(tmp_path, form, YES, YES)) == [2]
    assert totals(score(tmp_path, form, YES, {**YES, "system": SYSTEM})) == [2]


def test_an_option_that_named_a_system_is_answered_with_it(tmp_path: Path) -> None:
    form = json.loads(blocks("json")[0])
    assert "none of the options" in score(tmp_path, form, {**YES, "system": "https://other.invalid"}).stderr
    for option in form["item"][0]["answerOption"]:
        option["valueCoding"]["system"] = SYSTEM
    assert "none of the options" in score(tmp_path, form, YES).stderr


def test_a_condition_on_a_coding_without_a_system_holds_for_its_option(tmp_path: Path) -> None:
    form = json.loads(blocks("json")[0])
    no = {"question": "heard", "operator": "!=", "answerCoding": YES}
    form["item"][1]["enableWhen"] = [{**no, "operator": "="}]
    assert totals(score(tmp_path, form, YES, YES)) == [2]
    assert totals(score(tmp_path, form, {**YES, "system": SYSTEM}, YES)) == [2]
    form["item"][1]["enableWhen"] = [no]
    assert "although the form does not ask it" in score(tmp_path, form, YES, YES).stderr


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
