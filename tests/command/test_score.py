"""`rapport score`, `instruments` and their errors, as a person runs them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from questionnaires import load_catalogue
from tests.product.forms import response_of
from tests.questionnaires import forms
from tests.terminal import run_rapport


def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return run_rapport(*arguments, given=given, environment={"COLUMNS": "200"})


def test_a_response_becomes_observations(tmp_path: Path) -> None:
    file = tmp_path / "response.json"
    file.write_text(json.dumps(response_of("1")))
    done = run("score", str(file), "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    observations = [entry["resource"] for entry in json.loads(done.stdout)["entry"]]
    values = {
        each["code"]["coding"][0]["code"]: each.get("valueQuantity", {}).get("value") for each in observations
    }
    assert values["rapport-checkin-child"] is None
    assert values["rapport-checkin-child-total"] == 14


def test_a_range_that_nothing_names_is_called_not_known(tmp_path: Path) -> None:
    asked = {"linkId": "hours", "text": "Hours", "type": "integer"}
    form = forms.form(asked, forms.score("s", "%resource.item.where(linkId = 'hours').answer.value.sum()"))
    own = tmp_path / "made-up"
    instrument = forms.load(own, form)
    answer = {"linkId": "hours", "answer": [{"valueInteger": 3}]}
    given = {"resourceType": "QuestionnaireResponse", "status": "completed", "item": [answer]}
    body = json.dumps({**given, "questionnaire": instrument.canonical})
    done = run("score", "-", "--instruments", str(tmp_path), given=body)
    assert (done.returncode, "not known" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(("number", "is_taken"), [("8.5", True), ("8.50", True), ("8.55", False)])
def test_a_number_has_no_more_digits_than_its_form_allows(number: str, *, is_taken: bool) -> None:
    canonical = load_catalogue().by_id("srs").canonical
    body = f"""{{"resourceType": "QuestionnaireResponse", "questionnaire": "{canonical}", "status": "completed",
        "item": [{{"linkId": "line-1", "answer": [{{"valueDecimal": {number}}}]}}]}}"""
    done = run("score", "-", given=body)
    assert (done.returncode == 0) is is_taken, done.stderr
    assert is_taken or "line-1 The number has more digits after its point" in done.stderr


def test_the_table_says_why_a_score_is_missing() -> None:
    response = response_of("1")
    response["item"] = response["item"][1:]
    done = run("score", "-", given=json.dumps(response))
    assert done.returncode == 0
    assert "no answer to goal-1" in done.stdout


def test_a_weight_that_is_not_the_forms_is_told_under_the_table() -> None:
    response = response_of("1")
    response["item"][0]["answer"][0]["valueCoding"]["extension"] = [
        {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 99}
    ]
    done = run("score", "-", given=json.dumps(response))
    assert done.returncode == 0
    told = done.stdout.splitlines()[-1]
    assert told.startswith("goal-1: The weight in the response is not the form's")


@pytest.mark.parametrize(("form", "shown"), [("table", "6.67"), ("json", "6.666666666666666666666666667")])
def test_a_table_rounds_and_the_observations_do_not(tmp_path: Path, form: str, shown: str) -> None:
    asked = {"linkId": "hours", "text": "Hours", "type": "integer"}
    thirds = "%resource.item.where(linkId = 'hours').answer.value.sum() / 3"
    instrument = forms.load(tmp_path / "made-up", forms.form(asked, forms.score("s", thirds)))
    answer = {"linkId": "hours", "answer": [{"valueInteger": 20}]}
    given = {"resourceType": "QuestionnaireResponse", "status": "completed", "item": [answer]}
    body = json.dumps({**given, "questionnaire": instrument.canonical})
    done = run("score", "-", "--format", form, "--instruments", str(tmp_path), given=body)
    found = re.findall(r"(?<!\d)6\.6\d+", done.stdout)
    assert found == [shown], done.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"questionnaire": "https://other.invalid/q|1"}, "other.invalid"),
        ({"status": 7}, "status"),
        ({"status": "in-progress"}, "when it is completed"),
    ],
)
def test_a_response_that_may_not_be_scored_says_why_with_status_1(
    changes: dict[str, Any], named: str
) -> None:
    done = run("score", "-", given=json.dumps(response_of("1", **changes)))
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_told_in_a_sentence() -> None:
    done = run("score", "no-such-file.json")
    assert done.returncode == 1
    assert "no-such-file.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_catalogue_is_listed_and_shown() -> None:
    assert "tasc-r-child" in run("instruments", "list").stdout
    shown = run("instruments", "show", "tasc-r-child").stdout
    assert "12 to 48" in shown
    assert json.loads(run("instruments", "show", "tasc-r-child", "--json").stdout)["id"] == "tasc-r-child"


def test_an_unknown_instrument_names_the_known_ones() -> None:
    done = run("instruments", "show", "nothing")
    assert done.returncode == 1
    assert "tasc-r-child" in done.stderr


def test_serve_refuses_to_start_without_a_configuration(tmp_path: Path) -> None:
    done = run("serve", "--config", str(tmp_path / "rapport.toml"))
    assert done.returncode == 1
    assert "rapport init" in done.stderr


def test_help_teaches() -> None:
    done = run("--help")
    assert "rapport demo" in done.stdout
    assert "rapport score response.json" in done.stdout


def test_an_expression_is_shown_whole_in_a_narrow_terminal() -> None:
    command = [sys.executable, "-m", "plugin", "instruments", "show", "rapport-checkin-child"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env={"COLUMNS": "80"})
    shown = done.stdout
    assert "…" not in shown
    column = "".join(line.split("│")[4] for line in shown.splitlines() if line.count("│") == 5)
    last = "iif(%bond.answer.value.weight().count() = 2, %bond.answer.value.weight().sum(), {})"
    assert last.replace(" ", "") in column.replace(" ", "")
