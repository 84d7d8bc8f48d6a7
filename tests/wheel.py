"""Builds the wheel, looks into it, installs it into a clean environment and runs it there."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TOP_LEVEL = {"plugin", "questionnaires", "smart_launch", "sandbox_ehr"}
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
        environment = out / "clean"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        python = str(environment / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, str(wheel)], check=True)
        rapport = str(environment / "bin" / "rapport")
        listed = run(rapport, "instruments", "list")
        assert "rapport-checkin-child" in listed, listed
        print(
            f"{wheel.name}: {len(names)} files, {wheel.stat().st_size // 1024} kB; installed clean, `rapport` runs"
        )


if __name__ == "__main__":
    main(sys.argv[1])
