"""`rapport instruments check` as somebody uses it who brings a form."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.questionnaires import forms
from tests.terminal import run_rapport


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_rapport("instruments", "check", *arguments)


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


@pytest.mark.parametrize(
    ("altered", "found"),
    [
        ({"valueExpression": {"language": "text/cql", "expression": "Total"}}, "Its expression is text/cql"),
        ({"valueExpression": {"language": "text/fhirpath"}}, "Its calculatedExpression has no expression"),
        ({"valueString": "1 + 1"}, "Its calculatedExpression has no expression"),
    ],
)
def test_a_score_that_could_not_be_computed_is_not_left_out_in_silence(
    tmp_path: Path, altered: forms.Json, found: str
) -> None:
    total = forms.score("total", "1") | {"extension": [{"url": forms.CALCULATED, **altered}]}
    forms.write(tmp_path / "ours", forms.form(forms.question("a"), total))
    done = check(tmp_path / "ours", "--json")
    assert done.returncode == 1
    assert [(each["place"], each["found"]) for each in json.loads(done.stdout)["problems"]] == [
        ("total", found)
    ]


def test_a_weight_beyond_all_computing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    text = json.dumps(forms.form(forms.question("a", (0, 1, 2, 77)))).replace("77", "3e999999999")
    path.write_text(text, encoding="utf-8")
    done = check(path)
    assert done.returncode == 1
    assert "answerOption[3].extension[0].value: The number is larger than any that is kept" in done.stdout


def numbered(link_id: str, *numbers: int) -> forms.Json:
    options = [{"valueInteger": number} for number in numbers]
    return {"linkId": link_id, "text": link_id, "type": "choice", "answerOption": options}


def test_options_that_are_numbers_themselves_are_not_told_to_count_for_nothing(tmp_path: Path) -> None:
    total = forms.score("total", "%resource.item.where(linkId in ('a' | 'b')).answer.value.sum()")
    path = forms.write(tmp_path / "ours", forms.form(numbered("a", 0, 3), numbered("b", 1, 2), total))
    report = json.loads(check(path, "--json").stdout)
    assert [each for each in report["warnings"] if "no weight" in each] == []


def test_a_score_names_what_it_reads_by_way_of_another(tmp_path: Path) -> None:
    part = forms.score("part", "%resource.item.where(linkId = 'a').answer.value.weight().sum()")
    whole = "%resource.item.where(linkId = 'part').answer.value + "
    whole += "%resource.item.where(linkId = 'b').answer.value.weight().sum()"
    form = forms.form(forms.question("a"), forms.question("b"), part, forms.score("whole", whole))
    report = json.loads(check(forms.write(tmp_path / "ours", form), "--json").stdout)
    assert [each["items"] for each in report["scores"]] == [["a"], ["a", "b"]]


def test_a_score_that_makes_numbers_of_codes_that_are_none_is_refused(tmp_path: Path) -> None:
    total = forms.score("total", "%resource.item.where(linkId = 'a').answer.value.code.toInteger().sum()")
    path = forms.write(tmp_path / "ours", forms.form(forms.question("a"), total))
    (problem,) = json.loads(check(path, "--json").stdout)["problems"]
    assert problem["place"] == "total"
    assert "no option of a has a number for its code" in problem["found"]
    coded = forms.question("a", answerOption=[forms.option(code, 1) for code in ("0", "1")])
    assert check(forms.write(path, forms.form(coded, total))).returncode == 0


def test_a_licence_that_a_form_does_not_state_is_not_called_open(tmp_path: Path) -> None:
    forms.write(tmp_path / "ours", forms.form(forms.question("a")))
    shown = run_rapport("instruments", "show", "ours", "--instruments", tmp_path).stdout
    assert "licence: not stated" in " ".join(shown.split())
    page = run_rapport("instruments", "list", "--format", "markdown", "--instruments", tmp_path).stdout
    assert "Licence: not stated." in page.partition("/made-up|")[2].partition("## ")[0]


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = check(tmp_path / "none.json")
    assert done.returncode == 1
    assert "Name a Questionnaire file" in done.stderr


def test_a_schedule_says_when_each_form_is_due_and_what_is_not_understood(tmp_path: Path) -> None:
    forms_at = "https://w3id.org/rapport-fhir/Questionnaire"
    fourth = "%session in (1 | 3 | 4) or (%session > 4 and (%session - 4) mod 4 = 0)"
    condition = {
        "kind": "applicability",
        "expression": {"language": "text/fhirpath", "expression": fourth},
    }
    good = {"definitionCanonical": f"{forms_at}/rapport-checkin-child", "condition": [condition]}
    timed = {"title": "Weekly", "definitionCanonical": f"{forms_at}/gone", "timingTiming": {}}
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"resourceType": "PlanDefinition", "action": [good]}), encoding="utf-8")
    done = check(plan)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rapport-checkin-child: sessions 1, 3, 4, then every 4 sessions" in done.stdout
    plan.write_text(json.dumps({"resourceType": "PlanDefinition", "action": [timed]}), encoding="utf-8")
    done = check(plan, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == [
        "“Weekly”: a timing by the calendar does not count sessions, so it is due at every session",
        f"{forms_at}/gone is not installed",
    ]


def test_a_schedule_without_a_form_cannot_be_used(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"resourceType": "PlanDefinition"}', encoding="utf-8")
    done = check(plan)
    assert done.returncode == 1
    assert "none of its actions names a form" in done.stdout


def test_the_versions_before_are_named_and_what_is_none_of_them_is_told(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    forms.write(ours, forms.form(forms.question("a")))
    forms.write(ours / "earlier" / "first", forms.form(forms.question("a"), version="1.0.0"))
    report = json.loads(check(ours, "--json").stdout)
    assert (report["usable"], report["earlier"], report["problems"]) == (True, ["1.0.0"], [])
    forms.write(ours / "earlier" / "again", forms.form(forms.question("a")))
    done = check(ours)
    assert done.returncode == 1
    assert "earlier versions, which go on: 1.0.0" in done.stdout
    assert "Version 2.0.0 is there already" in done.stdout


def test_earlier_versions_are_listed_and_can_be_shown(tmp_path: Path) -> None:
    forms.write(tmp_path / "ours", forms.form(forms.question("a")))
    forms.write(tmp_path / "ours" / "earlier" / "first", forms.form(forms.question("b"), version="1.0.0"))
    listed = " ".join(run_rapport("instruments", "list", "--instruments", tmp_path).stdout.split())
    assert "ours|1.0.0" in listed
    shown = run_rapport("instruments", "show", "ours|1.0.0", "--json", "--instruments", tmp_path)
    assert json.loads(shown.stdout)["version"] == "1.0.0"
