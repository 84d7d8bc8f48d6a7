"""The package as `rapport instruments build` writes it."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from plugin.packaging.definitions import SCHEDULES, write_condition
from questionnaires import load_catalogue
from tests.questionnaires import forms

SHIPPED = Path(str(files("questionnaires"))) / "instruments"


def build(out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "plugin", "instruments", "build", "--out", str(out), *more]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("first")
    done = build(place, TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    assert (done.returncode, done.stderr) == (0, b"")
    return place


@pytest.fixture(scope="module")
def content(out: Path) -> dict[str, bytes]:
    (archive,) = out.glob("*.tgz")
    with tarfile.open(archive) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar.getmembers()}  # type: ignore[union-attr]


def test_building_again_elsewhere_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    build(tmp_path / "second", TZ="America/Lima", PYTHONHASHSEED="2")
    first, second = (
        {each.name: each.read_bytes() for each in place.iterdir()} for place in (out, tmp_path / "second")
    )
    assert len(first) == 2
    assert first == second


def test_every_instrument_stands_in_the_index_with_its_version(content: dict[str, bytes]) -> None:
    index = json.loads(content["package/.index.json"])
    forms = {(row["url"], row["version"]) for row in index["files"] if row["resourceType"] == "Questionnaire"}
    assert index["index-version"] == 2
    assert forms == {(each.url, each.version) for each in load_catalogue().all()}


def test_the_manifest_pins_every_file_by_its_hash(content: dict[str, bytes]) -> None:
    pinned = json.loads(content["package/package.json"])["rapport"]["sha256"]
    found = {
        name.removeprefix("package/"): hashlib.sha256(data).hexdigest()
        for name, data in content.items()
        if not name.endswith((".index.json", "package/package.json"))
    }
    assert pinned == found


def test_every_reference_of_an_example_leads_to_another_example(content: dict[str, bytes]) -> None:
    trees = [
        json.loads(data) for name, data in content.items() if "/example/" in name and "index" not in name
    ]
    known = {f"{tree['resourceType']}/{tree['id']}" for tree in trees}
    used = {reference for tree in trees for reference in _references(tree)}
    assert used
    assert used <= known


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["reference"]] if isinstance(node.get("reference"), str) else []
        return own + [each for value in node.values() for each in _references(value)]
    return [each for value in node for each in _references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_condition_of_a_schedule_says_what_the_schedule_says(name: str) -> None:
    import fhirpathpy

    schedule = SCHEDULES[name][1]
    condition = fhirpathpy.compile(write_condition(schedule))
    due = [session for session in range(1, 40) if condition({}, {"session": session}) == [True]]
    assert due == [session for session in range(1, 40) if schedule.is_due(session)]


def _break_version(tree: Any) -> None:
    tree["extension"] = [each for each in tree["extension"] if "versionAlgorithm" not in each["url"]]


def _break_url(tree: Any) -> None:
    tree["url"] += "|2.0.0"


def _break_weight(tree: Any) -> None:
    options = next(item for item in tree["item"] if item["linkId"] == "goal-1")["answerOption"]
    weight = next(each for each in options[0]["extension"] if each["url"].endswith("/ordinalValue"))
    weight["valueDecimal"] = 9


def _break_expression(tree: Any) -> None:
    below = [each for item in tree["item"] for each in item.get("item", ())]
    score = next(item for item in [*tree["item"], *below] if item["linkId"] == "score-total")
    calculated = next(each for each in score["extension"] if each["url"].endswith("calculatedExpression"))
    calculated["valueExpression"]["expression"] = "now()"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_break_version, "versionAlgorithm"),
        (_break_url, "has | or #"),
        (_break_weight, "linkId goal-1"),
        (_break_expression, "linkId score-total: The expression"),
    ],
)
def test_what_breaks_an_invariant_stops_the_build_naming_file_and_element(
    tmp_path: Path, damage: Any, named: str
) -> None:
    folder = tmp_path / "own" / "broken"
    shutil.copytree(SHIPPED / "rapport-checkin-child", folder)
    tree = json.loads((folder / "questionnaire.json").read_text())
    damage(tree)
    (folder / "questionnaire.json").write_text(json.dumps(tree))
    done = build(tmp_path / "out", "--instruments", str(tmp_path / "own"), COLUMNS="500")
    assert done.returncode == 1
    assert named in done.stderr.decode()
    assert "broken/questionnaire.json" in done.stderr.decode()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["own", "own/two-ov.json"])
def test_a_form_that_is_a_file_alone_is_not_left_out_in_silence(tmp_path: Path, place: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "two-ov.json").write_text(json.dumps(forms.form(forms.question("a"))))
    done = build(tmp_path / "out", "--instruments", str(tmp_path / place), COLUMNS="500")
    assert done.returncode == 1
    assert "two-ov.json is a file alone" in done.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_the_archive_names_no_owner_and_no_time(out: Path) -> None:
    (archive,) = out.glob("*.tgz")
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
        assert {(each.mtime, each.uid, each.uname) for each in tar.getmembers()} == {(0, 0, "")}
