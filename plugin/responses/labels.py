"""Security labels of a response and its scores: what site and respondent decided about who may read them.

They stand in the resource itself (meta.security), so that they go wherever it goes; Rapport obeys them there, too.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from questionnaires.datatypes import JsonObject

SYSTEM = "https://w3id.org/rapport-fhir/CodeSystem/disclosure"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_RESTRICTED: JsonObject = {"system": _CONFIDENTIALITY, "code": "R", "display": "restricted"}


class Label(StrEnum):
    """A rule about who may read; the words are in the code system of the package."""

    RATERS_APART = "raters-apart"
    SCORE_NOT_FOR_RESPONDENT = "score-not-for-respondent"
    ANSWERS_NOT_SHARED = "answers-not-shared"
    ANSWERS_NOT_SHOWN = "answers-not-shown"
    ANSWERS_NOT_FOR_AUDITORS = "answers-not-for-auditors"


DISPLAYS = {
    Label.RATERS_APART: "Not for the other raters of this patient",
    Label.SCORE_NOT_FOR_RESPONDENT: "Score not for the respondent",
    Label.ANSWERS_NOT_SHARED: "Single answers not shared",
    Label.ANSWERS_NOT_SHOWN: "Single answers not shown",
    Label.ANSWERS_NOT_FOR_AUDITORS: "Single answers not for auditors",
}
PROMISES = (Label.ANSWERS_NOT_SHOWN, Label.ANSWERS_NOT_FOR_AUDITORS)
"""What a form says before it is answered; it holds for the response, whatever the site decides later."""
HELD_BACK = frozenset({Label.ANSWERS_NOT_SHARED, Label.ANSWERS_NOT_SHOWN})
"""With which single answers stay here, and are shown to nobody who treats."""
OF_SCORES = frozenset({Label.RATERS_APART, Label.SCORE_NOT_FOR_RESPONDENT})
"""Those that hold for scores, too. That single answers are not shared is obeyed in what the scores tell: see plugin/scores/together."""


class _Labelled(msgspec.Struct):
    meta: JsonObject | None = None


def write_labels(labels: Iterable[Label]) -> list[JsonObject]:
    """Write labels as meta.security, in a fixed order; what is not shared is also marked as restricted."""
    wanted = frozenset(labels)
    codings: list[JsonObject] = [_RESTRICTED] if Label.ANSWERS_NOT_SHARED in wanted else []
    codings += [
        {"system": SYSTEM, "code": each.value, "display": DISPLAYS[each]} for each in Label if each in wanted
    ]
    return codings


def labels_of(meta: JsonObject | None) -> frozenset[Label]:
    """Read the labels out of a resource's meta."""
    security = meta.get("security") if meta else None
    if not isinstance(security, list):
        return frozenset()
    codings = [each for each in security if isinstance(each, dict)]
    codes = {each.get("code") for each in codings if each.get("system") == SYSTEM}
    return frozenset(each for each in Label if each.value in codes)


def read_labels(body: bytes) -> frozenset[Label]:
    """Read the labels of a resource."""
    return labels_of(msgspec.json.decode(body, type=_Labelled).meta)
