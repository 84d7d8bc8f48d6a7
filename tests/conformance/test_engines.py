"""Rapport's ways to compute, and engines that are not ours, on the kit: compiled plan, FHIRPath, `rapport score`."""

from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.commands.conformance import score_kit
from plugin.responses import check_response, read_response
from plugin.scores import Key, compile_key
from plugin.scores.fallback import compile_fallback
from plugin.scores.sheet import Sheet
from questionnaires.kit import Case, Finding, find_failures, load_kit, read_cases
from questionnaires.resources import read_variables
from tests.conformance.peers import score_kit_by_fhirpath_js, score_kit_by_fhirpathpy
from tests.judges.node import why_not

CASES = read_cases()
KEYS = {name: compile_key(form) for name, form in load_kit().items()}
KIT = str(files("questionnaires") / "conformance")
# fhirpathpy 2.2.4 has no weight(), and its sum() fails on elements of a resource.
PLAIN = {"boolean-answer"}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def sheets(case: Case, key: Key) -> list[tuple[str, Sheet]]:
    return [
        (
            each.file,
            Sheet.of(
                key.layout, check_response(read_response(case.files[each.file]), key.instrument, patient=None)
            ),
        )
        for each in case.responses
    ]


def test_the_compiled_plan_passes_every_case_exactly() -> None:
    findings = list(score_kit())
    assert [find_failures(case, findings) for case in CASES] == [[]] * len(CASES)
    expected = {
        (case.id, each.file, name): score.value
        for case in CASES
        for each in case.responses
        for name, score in each.scores.items()
    }
    assert expected == {
        (each.case, each.response, name): value for each in findings for name, value in each.scores.items()
    }


def test_every_score_of_the_kit_is_compiled() -> None:
    assert [
        (name, step.score.link_id) for name, key in KEYS.items() for step in key.steps if not step.native
    ] == []


@each_case
def test_fhirpath_passes_every_case_alone(case: Case) -> None:
    key = KEYS[case.id]
    reads = {
        score.link_id: compile_fallback(
            score.expression,
            read_variables(key.instrument.questionnaire.extension),
            link_id=score.link_id,
            questionnaire=msgspec.json.decode(key.instrument.resource),
        )
        for score in key.instrument.scores
    }
    findings = [
        Finding(case.id, file, {name: read(sheet) for name, read in reads.items()})
        for file, sheet in sheets(case, key)
    ]
    assert find_failures(case, findings) == []


def test_fhirpathpy_with_nothing_of_ours_gives_the_same_where_it_can_compute() -> None:
    findings = list(score_kit_by_fhirpathpy())
    passed = {case.id for case in CASES if not find_failures(case, findings)}
    assert passed == PLAIN
    raised = {each.case for each in findings if each.error is not None}
    assert raised | passed == {case.id for case in CASES}


def test_fhirpath_js_passes_all_but_weights_that_stand_on_the_coding_alone() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    findings = list(score_kit_by_fhirpath_js())
    failed = {case.id for case in CASES if find_failures(case, findings)}
    assert failed == {"item-weight", "ordinal-value"}


@each_case
def test_rapport_score_writes_the_observations_that_are_expected(case: Case) -> None:
    for answered in case.responses:
        arguments = ["score", "-", "--format", "json", "--instruments", KIT]
        done = CliRunner().invoke(app, arguments, input=case.files[answered.file])
        assert (done.exit_code, done.stderr) == (0, "")
        observations = [entry["resource"] for entry in msgspec.json.decode(done.stdout)["entry"]]
        assert read_observations(case, observations) == expected_of(case, answered.file)


def read_observations(case: Case, observations: list[dict[str, Any]]) -> dict[str, Any]:
    """Give value, or code of the reason, by linkId; the panel has neither."""
    found: dict[str, Any] = {}
    for each in observations:
        code = each["code"]["coding"][0]["code"]
        if "valueQuantity" in each:
            found[code.removeprefix(f"{case.id}-")] = Decimal(str(each["valueQuantity"]["value"]))
        elif "dataAbsentReason" in each:
            found[code.removeprefix(f"{case.id}-")] = each["dataAbsentReason"]["coding"][0]["code"]
    return found


def expected_of(case: Case, file: str) -> dict[str, Any]:
    (answered,) = [each for each in case.responses if each.file == file]
    return {
        name: score.dataAbsentReason if score.value is None else score.value
        for name, score in answered.scores.items()
    }
