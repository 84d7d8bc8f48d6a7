"""Errors of incoming responses: one class per reaction.

ResponseError
├── UnreadableResponse  400  not a QuestionnaireResponse: correct its form
└── InvalidResponse     422  a QuestionnaireResponse that does not fit its Questionnaire: correct its content
    └── UnfinishedResponse   more answers are expected: send it when it is completed

Both hold every problem that was found. Messages name places, never answers.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem: a FHIR issue type, the item, where (FHIRPath), what was found, what to do."""

    code: str
    link_id: str | None
    expression: str
    message: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"linkId {self.link_id}" if self.link_id else self.expression
        return f"{place}: {self.message} {self.remedy}"


class ResponseError(Exception):
    """A response that may not be taken; `issues` names every reason."""

    def __init__(self, issues: tuple[Issue, ...]) -> None:
        super().__init__("\n".join(str(issue) for issue in issues))
        self.issues = issues


class UnreadableResponse(ResponseError):
    """The bytes are not a well-formed R4 QuestionnaireResponse with a questionnaire."""


class InvalidResponse(ResponseError):
    """The response does not fit its Questionnaire, or is not about this patient."""


class UnfinishedResponse(InvalidResponse):
    """The response says of itself that answers are still expected: a score now would not be that of the finished form."""
