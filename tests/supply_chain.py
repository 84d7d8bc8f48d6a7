"""What Rapport is made of, and whether any of it is known to be weak.

python tests/supply_chain.py UV bill OUT      write a CycloneDX bill of materials of the locked runtime packages
python tests/supply_chain.py UV audit [--if-reachable]      hold them against the published advisories (pip-audit)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST = 240  # seconds
UNREACHED = "The advisories could not be asked: the locked packages were not audited."
_RUNTIME = ("--frozen", "--quiet", "--no-dev", "--all-extras")


def write_bill(uv: str, out: Path) -> None:
    """Write the bill of materials of everything that Rapport and its extras run with, from uv.lock."""
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            uv,
            "export",
            *_RUNTIME,
            "--preview-features",
            "sbom-export",
            "--format",
            "cyclonedx1.5",
            "-o",
            str(out),
        ],
        check=True,
        capture_output=True,
    )


def audit(uv: str) -> int | None:
    """Print what is known of the locked packages; gives how many have advisories, None if nobody could be asked."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        export = [
            uv,
            "export",
            *_RUNTIME,
            "--no-emit-project",
            "--format",
            "requirements.txt",
            "-o",
            str(wanted),
        ]
        subprocess.run(export, check=True, capture_output=True)
        tool = [
            uv,
            "tool",
            "run",
            "--quiet",
            "pip-audit",
            "--requirement",
            str(wanted),
            "--disable-pip",
            "--no-deps",
        ]
        try:
            run = subprocess.run(
                [*tool, "--format", "json", "--progress-spinner", "off"],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
            found = json.loads(run.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return None
    weak = [each for each in found if each.get("vulns")]
    for each in weak:
        ids = ", ".join(one["id"] for one in each["vulns"])
        print(f"{each['name']} {each['version']}: {ids}")
    print(f"{len(found)} locked packages were held against the advisories, {len(weak)} have one.")
    return len(weak)


def main(uv: str, what: str, *more: str) -> int:
    if what == "bill":
        write_bill(uv, Path(more[0]))
        print(f"{more[0]}: {len(json.loads(Path(more[0]).read_text())['components'])} packages")
        return 0
    weak = audit(uv)
    if weak is None:
        print(UNREACHED)
        return 0 if "--if-reachable" in more else 2
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
