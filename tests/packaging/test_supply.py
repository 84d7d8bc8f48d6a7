"""The bill of materials names what is locked; an audit that nobody answered says so."""

import json
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests import supply_chain

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"


def locked() -> dict[str, str]:
    """Give name and version of everything that Rapport and its extras need, as uv.lock has it."""
    packages: dict[str, Any] = {
        each["name"]: each
        for each in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    }
    found: dict[str, str] = {}
    waiting = ["rapport-fhir"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        package = packages[name]
        found[name] = package.get("version", "")
        extras = package.get("optional-dependencies", {}) if name == "rapport-fhir" else {}
        needed = [*package.get("dependencies", ()), *(each for some in extras.values() for each in some)]
        waiting += [each["name"] for each in needed]
    del found["rapport-fhir"]
    return found


@pytest.mark.skipif(not UV.exists(), reason="uv is not installed below .tools (make does)")
def test_the_bill_of_materials_names_every_locked_package(tmp_path: Path) -> None:
    bill = tmp_path / "dist" / "bill.cdx.json"
    supply_chain.write_bill(str(UV), bill)
    said = json.loads(bill.read_text(encoding="utf-8"))
    named = {each["name"]: each["version"] for each in said["components"]}
    wanted = locked()
    assert (said["bomFormat"], said["metadata"]["component"]["name"]) == ("CycloneDX", "rapport-fhir")
    assert len(wanted) > 50
    assert {name: named.get(name) for name in wanted} == wanted
    assert {"pytest", "hypothesis", "schemathesis"}.isdisjoint(named)


def uv_that_prints(folder: Path, text: str, status: int) -> str:
    """Make a uv whose tools print something."""
    script = folder / "uv"
    script.write_text(f"#!/bin/sh\n[ \"$1\" = export ] && exit 0\ncat <<'END'\n{text}\nEND\nexit {status}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_an_audit_that_nobody_answered_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uv = uv_that_prints(tmp_path, "no route to host", 1)
    assert supply_chain.main(uv, "audit", "--if-reachable") == 0
    assert capsys.readouterr().out.strip() == supply_chain.UNREACHED
    assert supply_chain.main(uv, "audit") == 2


def test_a_package_with_an_advisory_fails_the_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = {"name": "weak", "version": "1.0", "vulns": [{"id": "GHSA-1"}]}
    sound = {"name": "sound", "version": "1.0", "vulns": []}
    uv = uv_that_prints(tmp_path, json.dumps({"dependencies": [weak, sound]}), 1)
    assert supply_chain.main(uv, "audit", "--if-reachable") == 1
    assert "weak 1.0: GHSA-1" in capsys.readouterr().out


@pytest.mark.skipif(
    not ((ROOT / ".git").exists() and shutil.which("git")), reason="this is no checkout of the repository"
)
def test_what_make_installs_is_no_part_of_the_repository() -> None:
    kept = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, check=True, text=True)
    rows = kept.stdout.splitlines()
    assert [each for each in rows if each.startswith("120000")] == []
    assert [each for each in rows if each.partition("\t")[2].split("/")[0] in {".tools", ".venv"}] == []
