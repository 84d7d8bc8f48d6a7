"""The kit itself: whole, valid FHIR, described by its page, part of the package; and its judge can say no."""

import io
import json
import re
import subprocess
import sys
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest

from plugin.responses import check_response, read_response
from questionnaires.check import find_model_flaws
from questionnaires.kit import (
    Case,
    Finding,
    find_failures,
    load_kit,
    read_cases,
    read_findings,
    read_kit_files,
)
from tests.judges import node
from tests.packaging.built import built
from tests.packaging.test_validators import serious

CASES = read_cases()
FORMS = load_kit()
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance-kit.md"
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "plugin", "conformance", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def right(case: Case) -> list[Finding]:
    return [
        Finding(case.id, each.file, {name: score.value for name, score in each.scores.items()})
        for each in case.responses
    ]


@each_case
def test_every_file_of_a_case_is_used_and_there(case: Case) -> None:
    named = {"questionnaire.json", "expected.json", *(each.file for each in case.responses)}
    assert set(case.files) == named
    assert {*case.submissions.order, case.submissions.latest} <= named if case.submissions else True
    assert case.why.endswith(".")


@each_case
def test_form_and_responses_are_valid_fhir_and_fit_each_other(case: Case) -> None:
    form = FORMS[case.id]
    bodies = [case.files[each.file] for each in case.responses]
    assert [find_model_flaws(data) for data in (case.questionnaire, *bodies)] == [[]] * (1 + len(bodies))
    assert [check_response(read_response(body), form, patient=None).warnings for body in bodies] == [
        ()
    ] * len(bodies)


def test_no_validator_that_is_not_ours_finds_an_error() -> None:
    if (reason := node.why_not()) is not None:
        pytest.skip(reason)
    names = ("questionnaire.json", "response-")
    trees = [
        json.loads(data) for name, data in read_kit_files().items() if name.split("/")[1].startswith(names)
    ]
    assert len(trees) == len(CASES) + sum(len(case.responses) for case in CASES)
    assert serious(node.validate(trees)) == []


@each_case
def test_every_score_of_the_form_is_expected_of_every_response(case: Case) -> None:
    scores = {score.link_id for score in FORMS[case.id].scores}
    assert [set(each.scores) for each in case.responses] == [scores] * len(case.responses)


@each_case
def test_no_response_of_a_case_can_be_passed_by_chance(case: Case) -> None:
    """What is expected differs between the responses, or from 0 and nothing: an engine that always says the same fails."""
    values = {score.value for each in case.responses for score in each.scores.values()}
    assert len(values) > 1 or not values & {None, Decimal(0)}


def test_the_page_lists_the_cases_as_the_data_have_them() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [f"| `{case.id}` | {case.why} | {len(case.responses)} |" for case in CASES]
    assert re.findall(r"^\| `[a-z-]+` \| .+ \| \d+ \|$", page, re.MULTILINE) == rows


def test_the_results_on_the_page_are_those_of_the_pinned_versions_and_of_every_case() -> None:
    _, _, results = PAGE.read_text(encoding="utf-8").partition("<!-- results -->")
    pinned: dict[str, str] = {}
    for folder in ("judges", "renderers"):
        manifest = Path(__file__).parents[1] / folder / "package.json"
        pinned |= json.loads(manifest.read_text(encoding="utf-8"))["dependencies"]
    for title, package in (
        ("LHC-Forms", "lforms"),
        ("Smart Forms renderer", "@aehrc/smart-forms-renderer"),
        ("fhirpath.js", "fhirpath"),
    ):
        assert f"| {title} {pinned[package]} |" in results, "python -m benchmarks.renderers --page"
    assert re.findall(r"^\| `([a-z-]+)` \|", results, re.MULTILINE) == [case.id for case in CASES]


def test_the_example_of_the_page_is_read_and_judged() -> None:
    (example,) = re.findall(r"```json lines\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    findings = list(read_findings(example.encode().splitlines()))
    (case,) = [each for each in CASES if each.id == findings[0].case]
    assert find_failures(case, findings) == []


def test_right_results_pass_and_each_wrong_one_is_named() -> None:
    case = next(each for each in CASES if each.id == "skipped")
    assert find_failures(case, right(case)) == []
    filled = [Finding(case.id, "response-one-blank.json", {"total": Decimal(5), "prorated": Decimal("7.5")})]
    undercounted = [*right(case)[1:], *filled]
    assert find_failures(case, undercounted) == ["response-one-blank.json: total is 5, not without a value"]
    assert find_failures(case, right(case)[1:]) == ["response-one-blank.json: no result"]
    broken = [*right(case)[1:], Finding(case.id, "response-one-blank.json", error="it stopped")]
    assert find_failures(case, broken) == ["response-one-blank.json: it stopped"]
    unknown = [*right(case), Finding(case.id, "response-other.json")]
    assert find_failures(case, unknown) == ["response-other.json: the kit has no such response"]


def test_binary_fractions_pass_and_a_lost_decimal_does_not() -> None:
    case = next(each for each in CASES if each.id == "decimal-weight")
    results = right(case)
    results[0] = Finding(case.id, results[0].response, {"total": Decimal("0.30000000000000004")})
    assert find_failures(case, results) == []
    results[0] = Finding(case.id, results[0].response, {"total": Decimal(0)})
    assert len(find_failures(case, results)) == 1


def test_a_response_that_is_stored_twice_is_named() -> None:
    case = next(each for each in CASES if each.id == "duplicate")
    stored = [*right(case), Finding(case.id, kept=3, latest="response-only.json")]
    assert find_failures(case, stored) == ["3 responses are stored, not 1"]


def test_the_kit_is_written_as_it_stands_in_the_package(tmp_path: Path) -> None:
    assert run("write", "--out", str(tmp_path)).returncode == 0
    written = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*.json")}
    with tarfile.open(fileobj=io.BytesIO(built().archive)) as tar:
        packed = {
            member.name.removeprefix("package/other/conformance/"): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar.getmembers()
            if member.name.startswith("package/other/")
        }
    assert written == packed == read_kit_files()


def test_the_command_judges_results_with_its_exit_status(tmp_path: Path) -> None:
    lines = run("score").stdout.splitlines(keepends=True)
    passed = run("judge", "-", given=b"".join(lines))
    assert (passed.returncode, passed.stderr) == (0, b"")
    assert f"{len(CASES)} of {len(CASES)} cases passed." in passed.stdout.decode()
    (tmp_path / "results.ndjson").write_bytes(b"".join(lines[1:]))
    failed = run("judge", str(tmp_path / "results.ndjson"), "--json")
    assert failed.returncode == 1
    found = {name: failures for name, failures in json.loads(failed.stdout).items() if failures}
    assert found == {"boolean-answer": ["response-all-no.json: no result"]}


def test_results_that_cannot_be_read_name_the_line() -> None:
    done = run("judge", "-", given=b'{"case": "skipped"}\n{"case": 7}\n')
    assert done.returncode == 1
    assert b"Line 2" in done.stderr
    assert b"Traceback" not in done.stderr
