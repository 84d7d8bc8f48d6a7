"""fhirpath.js as a judge: run in one Node process over many cases."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from questionnaires import Instrument
from questionnaires.resources import read_variables

FOLDER = Path(__file__).parent


def why_not() -> str | None:
    """Say why there is no judge here; None if it is ready. Installs it where npm can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "fhirpath.js needs Node.js and npm; they are not on this machine"
    if not (FOLDER / "node_modules" / "fhirpath").is_dir():
        done = subprocess.run(
            ["npm", "ci", "--silent", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=False,
            capture_output=True,
            timeout=300,
        )
        if done.returncode:
            return "fhirpath.js could not be installed: the npm registry did not answer"
    return None


def score_by_fhirpath_js(
    instruments: Sequence[Instrument], cases: Sequence[tuple[str, bytes]]
) -> list[dict[str, Any]]:
    """Score responses (instrument id, body) by fhirpath.js: for each, linkId of the score to number or None."""
    forms = {
        each.id: {
            "variables": read_variables(each.questionnaire.extension),
            "scores": {score.link_id: score.expression for score in each.scores},
        }
        for each in instruments
    }
    given = {
        "forms": forms,
        "cases": [{"form": form, "response": json.loads(body)} for form, body in cases],
    }
    done = subprocess.run(
        ["node", str(FOLDER / "score.mjs")],
        input=json.dumps(given),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]
