"""The kit scored by engines that are not ours."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from questionnaires import Instrument
from questionnaires.kit import Finding, load_kit, read_cases
from questionnaires.resources import read_variables
from tests.judges.node import score_by_fhirpath_js


def score_kit_by_fhirpath_js() -> Iterator[Finding]:
    """Score every response of the kit by fhirpath.js, the form given as %questionnaire."""
    forms = load_kit()
    asked = [(case.id, each.file, case.files[each.file]) for case in read_cases() for each in case.responses]
    judged = score_by_fhirpath_js([*forms.values()], [(case, body) for case, _, body in asked], look_up=True)
    for (case, file, _), found in zip(asked, judged, strict=True):
        error = found.pop("error", None)
        scores = {name: None if value is None else Decimal(str(value)) for name, value in found.items()}
        yield Finding(case, file, scores, error=error)


def score_kit_by_fhirpathpy() -> Iterator[Finding]:
    """Score every response of the kit by fhirpathpy, with nothing of ours; what it raises is the finding's error."""
    forms = load_kit()
    for case in read_cases():
        for each in case.responses:
            yield _score_by_fhirpathpy(forms[case.id], case.id, each.file, json.loads(case.files[each.file]))


def _score_by_fhirpathpy(form: Instrument, case: str, file: str, response: dict[str, Any]) -> Finding:
    context: dict[str, Any] = {"resource": response, "questionnaire": json.loads(form.resource)}
    scores: dict[str, Decimal | None] = {}
    try:
        for name, text in read_variables(form.questionnaire.extension).items():
            variable = fhirpathpy.compile(text, models["r4"], {"returnRawData": True})
            context[name] = variable(response, context)
        for score in form.scores:
            values = fhirpathpy.compile(score.expression, models["r4"])(response, context)
            scores[score.link_id] = Decimal(str(values[0])) if values else None
    except Exception as error:  # noqa: BLE001 -- fhirpathpy raises bare Exception
        return Finding(case, file, error=f"{type(error).__name__}: {error}")
    return Finding(case, file, scores)
