"""The same answers through `rapport norms` and through R's psych (psych.R wrote psych.json from answers.csv)."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugin.norms import statistics
from plugin.norms.statistics import Interval, Least, omega
from tests.norms.forms import write_ndjson

HERE = Path(__file__).parent
PSYCH: dict[str, Any] = json.loads((HERE / "psych.json").read_text(encoding="utf-8"))


def read_answers() -> list[tuple[int, int, list[int]]]:
    with (HERE / "answers.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [(int(row[0]), int(row[1]), [int(each) for each in row[2:]]) for row in rows]


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give what the command says of the total of the child's check-in filled with the answers."""
    file = tmp_path_factory.mktemp("export") / "export.ndjson"
    write_ndjson(file, read_answers())
    command = [sys.executable, "-m", "plugin", "norms", "show", str(file), "--json"]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    (found,) = [each for each in json.loads(output)["groups"] if each["score"] == "score-total"]
    assert isinstance(found, dict)
    return found


def test_mean_and_sd_are_psychs(total: dict[str, Any]) -> None:
    location = total["location"]
    assert (location["n"], total["administrations"]) == (PSYCH["n"], 2 * PSYCH["n"])
    assert (location["mean"], location["sd"]) == pytest.approx((PSYCH["mean"], PSYCH["sd"]), abs=1e-6)


def test_alpha_and_feldts_interval_are_psychs(total: dict[str, Any]) -> None:
    found = total["alpha"]
    assert [found["value"], found["low"], found["high"]] == pytest.approx(PSYCH["alpha"], abs=1e-6)


def test_retest_agreement_and_its_interval_are_psychs(total: dict[str, Any]) -> None:
    found = total["retest"]
    assert [found["value"], found["low"], found["high"]] == pytest.approx(PSYCH["icc"], abs=1e-6)


def test_item_statistics_are_psychs(total: dict[str, Any]) -> None:
    items = list(total["items"].values())
    for name, theirs in (
        ("mean", "item_mean"),
        ("sd", "item_sd"),
        ("total_correlation", "item_rest"),
        ("alpha_without", "alpha_without"),
    ):
        assert [each[name] for each in items] == pytest.approx(PSYCH[theirs], abs=1e-6), name


def test_omega_of_standardized_items_is_psychs(
    total: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """psych works on correlations; ours is in native units, so that it is of the score that is given."""
    monkeypatch.setattr(
        statistics, "RESAMPLES", 1
    )  # they are for the interval; the value is of the whole table
    table = np.array([answers for _, session, answers in read_answers() if session == 1], dtype=float)
    found = omega((table - table.mean(axis=0)) / table.std(axis=0, ddof=1), least=Least())
    assert isinstance(found, Interval)
    assert found.value == pytest.approx(PSYCH["omega_of_correlations"], abs=1e-3)
    native = omega(table, least=Least())
    assert isinstance(native, Interval)
    assert total["omega"]["value"] == pytest.approx(native.value)
