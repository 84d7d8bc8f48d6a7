"""FHIR requests and answers as values, so that the API can be called, batched or wrapped without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from urllib.parse import parse_qsl

from sandbox_ehr.errors import FhirRefused, Issue
from sandbox_ehr.fhir.access import Access
from sandbox_ehr.fhir.dates import from_milliseconds
from sandbox_ehr.fhir.json_text import JsonObject, encode
from sandbox_ehr.fhir.store import Stored


@dataclass(frozen=True, slots=True)
class FhirRequest:
    """One interaction: `path` below the base, `parameters` of the query, header names in lower case."""

    method: str
    path: str
    access: Access
    parameters: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def prefers(self, name: str) -> str | None:
        """Give the value of a preference, such as `minimal` for `return`."""
        wishes = self.headers.get("prefer", "").replace(",", ";").split(";")
        pairs = (wish.strip().partition("=") for wish in wishes)
        return next((value.strip() for key, _, value in pairs if key.strip().lower() == name), None)

    def with_form(self) -> "FhirRequest":
        """Take the parameters of a form body (POST _search) as parameters."""
        form = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return replace(self, parameters=(*self.parameters, *form), body=b"")


@dataclass(frozen=True, slots=True)
class FhirAnswer:
    """Status, headers and the JSON that goes back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def outcome(*issues: Issue) -> JsonObject:
    """Build an OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [issue.to_json() for issue in issues]}


def answer_refusal(refused: FhirRefused) -> FhirAnswer:
    """Answer a refusal with its OperationOutcome, or with nothing."""
    if refused.silent:
        return FhirAnswer(refused.status)
    return FhirAnswer(refused.status, {}, encode(outcome(*refused.issues)))


def version_headers(stored: Stored, base: str | None = None) -> dict[str, str]:
    """Say which version is meant and since when it stands; with a base also where."""
    headers = {
        "ETag": stored.etag,
        "Last-Modified": format_datetime(from_milliseconds(stored.updated), usegmt=True),
    }
    if base is not None:
        headers["Location"] = f"{base}/{stored.reference}/_history/{stored.version}"
    return headers


def answer_resource(
    stored: Stored, status: int = 200, *, base: str | None = None, prefer: str | None = None
) -> FhirAnswer:
    """Answer with a resource, or with as much of it as the client prefers."""
    headers = version_headers(stored, base)
    if prefer == "minimal":
        return FhirAnswer(status, headers)
    if prefer == "OperationOutcome":
        done = Issue("informational", f"{stored.reference} stands in the record.", severity="information")
        return FhirAnswer(status, headers, encode(outcome(done)))
    return FhirAnswer(status, headers, stored.body)
