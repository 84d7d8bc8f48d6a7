"""Judges that run in Node: fhirpath.js over many cases, and two validators of FHIR resources."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from questionnaires import Instrument
from questionnaires.resources import read_variables
from tests import npm

HERE = Path(__file__).parent
_SCRIPTS = ("score.mjs", "serve.mjs", "time.mjs", "validate.mjs")


def folder() -> Path:
    """Give where the judges are installed, their scripts beside them."""
    return HERE.parents[1] / ".tools" / "judges"


def why_not() -> str | None:
    """Say why there is no judge here; None if it is ready. Installs it where npm can."""
    if not npm.is_there():
        return "the judges need Node.js and npm; they are not on this machine"
    with npm.alone_in(folder()):
        if not npm.install(HERE, folder()):
            return "the judges could not be installed: the npm registry did not answer"
        for name in _SCRIPTS:
            shutil.copy(HERE / name, folder() / name)
    return None


def score_by_fhirpath_js(
    instruments: Sequence[Instrument], cases: Sequence[tuple[str, bytes]], *, look_up: bool = False
) -> list[dict[str, Any]]:
    """Score responses (instrument id, body) by fhirpath.js: for each, linkId of the score to number or None.

    With `look_up` it has the form too, as %questionnaire, and finds weights there that the answers do not carry;
    "error" then says what stopped a score.
    """
    forms = {
        each.id: {
            "variables": read_variables(each.questionnaire.extension),
            "scores": {score.link_id: score.expression for score in each.scores},
            "questionnaire": json.loads(each.resource) if look_up else None,
        }
        for each in instruments
    }
    given = {
        "forms": forms,
        "cases": [{"form": form, "response": json.loads(body)} for form, body in cases],
    }
    done = subprocess.run(
        ["node", str(folder() / "score.mjs")],
        input=json.dumps(given),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a validator says of a resource."""

    by: str  # "medplum" or "lantana"
    name: str  # type and id of the resource
    severity: str
    text: str
    place: str


def validate(resources: Iterable[dict[str, Any]]) -> list[Finding]:
    """Have R4 resources looked at by Medplum's and by Lantana's validator."""
    done = subprocess.run(
        ["node", str(folder() / "validate.mjs")],
        input="".join(f"{json.dumps(each, default=float)}\n" for each in resources),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    return [Finding(**json.loads(line)) for line in done.stdout.splitlines()]
