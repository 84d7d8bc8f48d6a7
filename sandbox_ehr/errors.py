"""Errors of the sandbox EHR.

SandboxError
├── SettingsInvalid   it cannot start as configured
├── LaunchRefused     a launch was asked for somebody or something that is not there
└── FhirRefused       a FHIR request is answered with an OperationOutcome
"""

from dataclasses import dataclass


class SandboxError(Exception):
    """The sandbox EHR cannot do what was asked; the message says what was found and what to do."""


class SettingsInvalid(SandboxError):
    """The settings contradict themselves."""


class LaunchRefused(SandboxError):
    """The launch names an unknown client, person or encounter."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome: FHIR IssueType code, what is wrong, and where (FHIRPath)."""

    code: str
    text: str
    expression: str | None = None
    severity: str = "error"
    detail: str | None = None  # the server's own error code

    def to_json(self) -> dict[str, object]:
        """Write it as an element of OperationOutcome.issue."""
        issue: dict[str, object] = {"severity": self.severity, "code": self.code, "diagnostics": self.text}
        if self.detail:
            issue["details"] = {"coding": [{"code": self.detail}], "text": self.text}
        if self.expression:
            issue["expression"] = [self.expression]
        return issue


class FhirRefused(SandboxError):
    """A FHIR request that is not carried out: the HTTP status and every issue found; `silent` if the body says nothing."""

    def __init__(self, status: int, *issues: Issue, silent: bool = False) -> None:
        super().__init__("; ".join(issue.text for issue in issues))
        self.status = status
        self.issues = issues
        self.silent = silent


def refuse(status: int, code: str, text: str, expression: str | None = None) -> FhirRefused:
    """Make the refusal that has one issue."""
    return FhirRefused(status, Issue(code, text, expression))
