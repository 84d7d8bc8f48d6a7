"""Builds the wheel, looks into it, installs it into a clean environment and runs it there; then it lies in dist/, with what it needs."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

DIST = Path(__file__).parents[1] / "dist"
TOP_LEVEL = {"plugin", "questionnaires", "smart_launch", "sandbox_ehr"}
EXTRAS = ("--extra", "pdf", "--extra", "bulk", "--extra", "statistics")
MUST_HOLD = (
    "questionnaires/instruments/rapport-checkin-child/questionnaire.json",
    "questionnaires/conformance/zero-weight/expected.json",
    "plugin/static/",
    "plugin/pages/",
    "plugin/py.typed",
    "sandbox_ehr/",
)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(uv: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(out)], check=True)
        (wheel,) = out.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        top = {name.split("/")[0] for name in names} - {n.split("/")[0] for n in names if ".dist-info/" in n}
        assert top == TOP_LEVEL, f"the wheel's top level is {sorted(top)}, not {sorted(TOP_LEVEL)}"
        for wanted in MUST_HOLD:
            assert any(name.startswith(wanted) for name in names), f"the wheel holds no {wanted}"
        assert not [name for name in names if "test" in name.split("/")[0]], "the wheel holds tests"
        # What is installed elsewhere is what uv.lock names and the tests ran with, by hashes.
        needs = out / "requirements.txt"
        export = (
            "export",
            "--quiet",
            "--frozen",
            "--no-dev",
            "--no-emit-project",
            "--no-header",
            "--no-annotate",
        )
        subprocess.run(
            [uv, *export, *EXTRAS, "--output-file", str(needs)], check=True, stdout=subprocess.DEVNULL
        )
        environment = out / "clean"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        python = str(environment / "bin" / "python")
        install = (uv, "pip", "install", "--quiet", "--python", python)
        subprocess.run([*install, "--require-hashes", "--requirements", str(needs)], check=True)
        subprocess.run([*install, "--no-deps", str(wheel)], check=True)
        rapport = str(environment / "bin" / "rapport")
        listed = run(rapport, "instruments", "list")
        assert "rapport-checkin-child" in listed, listed
        DIST.mkdir(exist_ok=True)
        for each in (wheel, needs):
            shutil.copy(each, DIST)
        print(
            f"dist/{wheel.name}: {len(names)} files, {wheel.stat().st_size // 1024} kB; installed clean, `rapport` runs"
        )


if __name__ == "__main__":
    main(sys.argv[1])
