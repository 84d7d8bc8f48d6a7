"""`rapport rescore` over files as a Bulk Data export writes them."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from pyarrow import parquet

from plugin.commands import rescoring
from plugin.commands.rescored_folder import claim
from plugin.commands.rescoring import Job, run
from plugin.errors import SettingsInvalid
from plugin.responses import Answers
from plugin.scores import Key, Score, compute
from plugin.scores.bulk import Scored, SetAside, compile_keys, score_lines
from plugin.stateless import score_response
from questionnaires import load_catalogue
from tests.questionnaires import forms
from tests.scores.test_equality import random_response
from tests.terminal import command_line, run_rapport

CATALOGUE = load_catalogue()
FORMS = [CATALOGUE.by_id(each) for each in ("rapport-checkin-child", "wai-s-client", "arm-5-client")]
BAD = [
    b'{"resourceType": "QuestionnaireResponse", "status": "completed"}',
    b"{broken",
    b'{"resourceType": 7}',
    b'{"resourceType": "QuestionnaireResponse", "language": "\xff", "status": "completed"}',
    b'{"resourceType": "QuestionnaireResponse", "item": [{"linkId": "a", "answer": [{"valueDecimal": 1e999999999}]}]}',
]


def export(path: Path, size: int, *, bad: bool = True) -> list[bytes]:
    """Write an export of random responses, with unreadable lines in between."""
    chance = random.Random(3)
    lines = [
        json.dumps({**json.loads(random_response(FORMS[number % 3], chance)), "id": f"r{number}"}).encode()
        for number in range(size)
    ]
    for place, line in enumerate(BAD if bad else []):
        lines.insert(5 + 7 * place, line)
    lines.insert(3, b"")
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return lines


@pytest.mark.parametrize(("status", "scored"), [("in-progress", False), ("stopped", True), ("amended", True)])
def test_only_a_response_that_is_still_being_answered_waits(status: str, scored: bool) -> None:
    tree = json.loads(random_response(FORMS[0], random.Random(1), set())) | {"status": status}
    (found,) = score_lines([json.dumps(tree).encode()], CATALOGUE, compile_keys(CATALOGUE))
    assert isinstance(found, Scored) == scored
    assert scored or "more answers are expected" in found.reason  # type: ignore[union-attr]


def job(out: Path, *inputs: Path, workers: int = 2) -> Job:
    return Job(inputs, out, workers, None, ())


def results(out: Path) -> tuple[Counter[tuple[object, ...]], Counter[bytes]]:
    table = parquet.read_table(out / "scores").to_pylist()
    rows: Counter[tuple[object, ...]] = Counter(
        (row["response"], row["score"], row["value"], row["absent_reason"]) for row in table
    )
    observations = Counter(
        line for file in (out / "observations").glob("*.ndjson") for line in file.read_bytes().splitlines()
    )
    return rows, observations


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into many ranges without writing gigabytes."""
    monkeypatch.setattr(rescoring, "_RANGE_BYTES", 20_000)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("name", ["export.ndjson", "export.ndjson.gz"])
def test_every_score_is_the_one_that_a_response_gets_alone(tmp_path: Path, name: str) -> None:
    lines = export(tmp_path / name, 60)
    assert run(job(tmp_path / "out", tmp_path / name, workers=1))
    rows, observations = results(tmp_path / "out")
    expected: Counter[tuple[object, ...]] = Counter()
    for line in lines:
        if line and line not in BAD:
            scored = score_response(line, CATALOGUE, now=datetime(2026, 1, 1, tzinfo=UTC))
            for score in scored.scores:
                value = None if score.value is None else float(score.value)
                name = score.link_id.removeprefix("score-")
                expected[scored.response.id, name, value, score.absent_reason] += 1
    assert rows == expected
    assert sum(observations.values()) == sum(expected.values()) + 60  # a panel each
    first = json.loads(next(iter(observations)))
    assert first["derivedFrom"][0]["reference"].startswith("QuestionnaireResponse/r")


@pytest.mark.parametrize("broken", ["cut off", "altered", "no gzip"])
def test_a_broken_compressed_file_is_scored_up_to_the_break_and_the_break_is_told(
    tmp_path: Path, broken: str
) -> None:
    lines = export(tmp_path / "export.ndjson.gz", 3000, bad=False)
    data = bytearray((tmp_path / "export.ndjson.gz").read_bytes())
    if broken == "cut off":
        del data[len(data) // 2 :]
    elif broken == "altered":
        data[len(data) // 2 : len(data) // 2 + 40] = b"#" * 40
    else:
        data = bytearray(b"\n".join(lines))
    (tmp_path / "export.ndjson.gz").write_bytes(data)
    export(tmp_path / "whole.ndjson", 10, bad=False)
    assert run(job(tmp_path / "out", tmp_path / "export.ndjson.gz", tmp_path / "whole.ndjson"))
    scored = {
        row["response"]
        for row in parquet.read_table(tmp_path / "out" / "scores", columns=["response"]).to_pylist()
    }
    (aside,) = [
        json.loads(line)
        for file in (tmp_path / "out" / "set-aside").glob("*.ndjson")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "UnreadableFile: the compressed data are broken here" in line
    ]
    assert {f"r{number}" for number in range(10)} <= scored
    assert aside["file"].endswith("export.ndjson.gz")
    assert (aside["line"] > 500) == (len(scored) > 500) == (broken != "no gzip")


@pytest.mark.usefixtures("small_ranges")
def test_unreadable_lines_are_set_aside_with_number_and_reason(tmp_path: Path) -> None:
    lines = export(tmp_path / "export.ndjson", 60)
    run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    aside = [
        json.loads(line)
        for file in (tmp_path / "out" / "set-aside").glob("*.ndjson")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert {(each["line"], each["content"]) for each in aside} == {
        (lines.index(bad) + 1, bad.decode("utf-8", "replace")) for bad in BAD
    }
    assert all(each["reason"].startswith("UnreadableResponse") for each in aside)


def test_what_else_an_export_holds_is_counted_and_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path / "QuestionnaireResponse.ndjson", 10, bad=False)
    form = {"reference": "QuestionnaireResponse/1", "type": "QuestionnaireResponse"}
    others = [{"resourceType": "Patient"}] * 4 + [{"resourceType": "Observation", "derivedFrom": [form]}] * 20
    (tmp_path / "others.ndjson").write_text("\n".join(map(json.dumps, others)), encoding="utf-8")
    assert not run(job(tmp_path / "out", tmp_path, workers=1))
    assert "Observation 20, Patient 4: not responses, left out." in capfd.readouterr().err
    assert not any(file.read_bytes() for file in (tmp_path / "out" / "set-aside").glob("*.ndjson"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "A byte order mark stands before the JSON. Save it as UTF-8 without one."),
        ({"item": [{"linkId": "goal-1"}, {"linkId": "goal-1"}]}, "The item stands here twice."),
        ({"My mum shouts": 1}, "There is no property “…” here."),
        ({"My “mum” shouts": 1}, "There is no property “…” here."),
        ({"status": "bad"}, "Invalid enum value '…'."),
        ({"status": "it's bad"}, 'Invalid enum value "…".'),
        ({"questionnaire": 5}, "Expected str, got int."),
    ],
)
def test_the_reason_says_what_was_found_and_repeats_nothing_of_the_line(
    changes: dict[str, object], told: str
) -> None:
    tree = json.loads(random_response(FORMS[0], random.Random(1))) | changes
    line = (b"" if changes else b"\xef\xbb\xbf") + json.dumps(tree).encode()
    (found,) = score_lines([line], CATALOGUE, compile_keys(CATALOGUE))
    assert isinstance(found, SetAside)
    assert told in found.reason
    assert "mum" not in found.reason
    assert "bad" not in found.reason


@pytest.mark.usefixtures("small_ranges")
def test_a_second_run_does_nothing_again(tmp_path: Path) -> None:
    export(tmp_path / "export.ndjson", 60, bad=False)
    assert not run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    assert not run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == before


def test_a_file_that_is_named_twice_is_scored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(tmp_path / "export.ndjson", 10, bad=False)
    monkeypatch.chdir(tmp_path)
    run(job(tmp_path / "out", tmp_path / "export.ndjson", Path("export.ndjson"), tmp_path))
    assert len(list((tmp_path / "out" / "done").glob("*.json"))) == 1


def test_results_of_a_file_that_has_changed_do_not_stand_beside_the_new_ones(tmp_path: Path) -> None:
    export(tmp_path / "export.ndjson", 10, bad=False)
    export(tmp_path / "other.ndjson", 10, bad=False)
    run(job(tmp_path / "out", tmp_path / "export.ndjson", tmp_path / "other.ndjson", workers=1))
    export(tmp_path / "export.ndjson", 30, bad=False)
    run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    run(job(tmp_path / "new", tmp_path / "export.ndjson", tmp_path / "other.ndjson", workers=1))
    assert results(tmp_path / "out") == results(tmp_path / "new")


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    export(tmp_path / "export.ndjson", 10, bad=False)
    with (
        claim(tmp_path / "out", CATALOGUE),
        pytest.raises(SettingsInvalid, match="Another run is at work"),
    ):
        run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    assert not run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))


def test_results_by_other_instruments_are_not_mixed(tmp_path: Path) -> None:
    export(tmp_path / "export.ndjson", 10, bad=False)
    forms.write(tmp_path / "own" / "ours", forms.form(forms.question("a")))
    run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    with pytest.raises(SettingsInvalid, match="has results by other instruments"):
        run(Job((tmp_path / "export.ndjson",), tmp_path / "out", 1, None, (tmp_path / "own",)))


def test_an_instrument_that_cannot_be_used_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export(tmp_path / "export.ndjson", 10, bad=False)
    forms.write(tmp_path / "own" / "ours", forms.form(forms.question("a"), forms.question("a")))
    run(Job((tmp_path / "export.ndjson",), tmp_path / "out", 1, None, (tmp_path / "own",)))
    assert "a: The linkId stands twice" in capfd.readouterr().err


def test_a_line_that_nobody_foresaw_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = export(tmp_path / "export.ndjson", 10, bad=False)

    def break_once(key: Key, answers: Answers) -> tuple[Score, ...]:
        if next(calls) == 4:
            raise ZeroDivisionError
        return compute(key, answers)

    calls = count()
    monkeypatch.setattr("plugin.scores.bulk.compute", break_once)
    assert run(job(tmp_path / "out", tmp_path / "export.ndjson", workers=1))
    (file,) = (tmp_path / "out" / "set-aside").glob("*.ndjson")
    (aside,) = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert aside["reason"].startswith("Defect: ZeroDivisionError")
    assert lines[aside["line"] - 1].decode() == aside["content"]


def rapport(*arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command_line("rescore", *arguments), stderr=subprocess.PIPE, start_new_session=True
    )


def test_killed_in_the_middle_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    for number in range(8):
        export(tmp_path / f"part-{number}.ndjson", 400, bad=False)
    inputs = sorted(tmp_path.glob("part-*.ndjson"))
    killed = rapport(*inputs, "--out", tmp_path / "killed")
    while not list((tmp_path / "killed").glob("done/*.json")):
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    done = len(list((tmp_path / "killed").glob("done/*.json")))
    again = rapport(*inputs, "--out", tmp_path / "killed")
    told = again.communicate()[1].decode()
    assert again.returncode == 0, told
    whole = rapport(*inputs, "--out", tmp_path / "whole")
    assert whole.wait() == 0
    assert whole.stderr is not None
    whole.stderr.close()
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert 1 <= done <= 8
    assert "3200 lines: 3200 responses scored" in told


def test_without_a_file_it_says_what_to_name(tmp_path: Path) -> None:
    process = rapport(tmp_path / "none.ndjson", "--out", tmp_path / "out")
    told = process.communicate()[1].decode()
    assert process.returncode == 1
    assert "Name the files of the export" in told


@pytest.mark.skipif(
    shutil.which("java") is None, reason="Spark needs Java 17: apt install openjdk-17-jre-headless"
)
def test_spark_gives_the_same_scores(tmp_path: Path) -> None:
    lines = export(tmp_path / "export.ndjson", 60)
    with (tmp_path / "export.ndjson").open("a", encoding="utf-8") as file:
        file.write('{"resourceType": "Patient"}\n')
    run(job(tmp_path / "here", tmp_path / "export.ndjson", workers=1))
    # Small blocks, so that a line's number is counted over several of them; a Java that is gone soon is not tuned for long.
    (tmp_path / "spark-defaults.conf").write_text(
        "spark.sql.files.maxPartitionBytes 30000\n"
        "spark.ui.enabled false\n"
        "spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC\n"
    )
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(tmp_path)}
    to_spark = ("--out", tmp_path / "spark", "--engine", "spark")
    done = run_rapport("rescore", tmp_path / "export.ndjson", *to_spark, environment=environment)
    assert "5 lines set aside" in done.stderr, done.stderr[-2000:]
    assert "Patient 1: not responses, left out." in done.stderr
    columns = ["response", "score", "value", "absent_reason"]
    here, spark = (
        Counter(
            tuple(row.values())
            for row in parquet.read_table(tmp_path / each / "scores", columns=columns).to_pylist()
        )
        for each in ("here", "spark")
    )
    assert spark == here
    aside = parquet.read_table(tmp_path / "spark" / "set-aside").to_pylist()
    assert {(each["line"], each["content"]) for each in aside} == {
        (lines.index(bad) + 1, bad.decode("utf-8", "replace")) for bad in BAD
    }
    assert all(each["file"].endswith("/export.ndjson") and each["reason"] for each in aside)
