"""`rapport instruments check` as somebody uses it who brings a form."""

import json
import subprocess
import sys
from pathlib import Path

from tests.questionnaires import forms


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "plugin", "instruments", "check", *(str(each) for each in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_form_that_can_be_used_says_what_will_be_written(tmp_path: Path) -> None:
    total = forms.score("total", "%resource.item.where(linkId in ('a' | 'b')).answer.value.weight().sum()")
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(forms.form(forms.question("a"), forms.question("b"), total)), encoding="utf-8")
    done = check(path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    (score,) = report["scores"]
    assert (score["linkId"], score["items"], score["way"]) == ("total", ["a", "b"], "compiled")
    assert any("no range is known" in warning for warning in report["warnings"])
    assert "It can be used" in check(path).stdout


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    twice = forms.form(forms.question("a"), forms.question("a"))
    del twice["extension"]
    forms.write(tmp_path / "ours", twice)
    done = check(tmp_path / "ours", "--json")
    assert done.returncode == 1
    found = {(each["place"], each["found"]) for each in json.loads(done.stdout)["problems"]}
    assert ("a", "The linkId stands twice") in found
    assert found == {("a", "The linkId stands twice")}


def test_an_expression_that_cannot_be_evaluated_is_named(tmp_path: Path) -> None:
    forms.write(tmp_path / "ours", forms.form(forms.question("a"), forms.score("total", "%nothing.sum()")))
    done = check(tmp_path / "ours")
    assert done.returncode == 1
    assert "total" in done.stdout
    assert "%nothing.sum()" in done.stdout


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = check(tmp_path / "none.json")
    assert done.returncode == 1
    assert "Name a Questionnaire file" in done.stderr
