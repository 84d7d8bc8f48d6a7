"""The kit scored by engines that are not ours."""

from collections.abc import Iterator
from decimal import Decimal

from questionnaires.kit import Finding, load_kit, read_cases
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
