"""Turns every error into one answer: an OperationOutcome for programs, a page for people."""

import re
from dataclasses import dataclass, replace
from math import ceil

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from plugin import request_id
from plugin.ehr import EhrError, EhrUnavailable, TokenRefused
from plugin.errors import InvitationUnusable, Issue, Locked, NotSignedIn, RapportError, TooManyAttempts
from plugin.ledger import SealBroken
from plugin.ledger.away import AWAY, cause_of
from plugin.pages import FailurePage, choose_language, render_failure
from plugin.responses import InvalidResponse, UnreadableResponse
from plugin.routes.refusals import note_refusal
from plugin.routes.state import language_of_installation
from questionnaires import CatalogueError, UnknownQuestionnaire, UnversionedQuestionnaire
from smart_launch import ServerUnavailable, SmartError

log = structlog.get_logger()

_STORAGE_PAUSE = 30  # seconds until storage is worth trying again
_SCRIPTED = ("/fill/", "/fhir/", "/sites/")
_NOTE = re.compile(r"/launches/[^/]+/notes")
_UNDER = re.compile(r"(/(?:launches|desks)/[0-9a-f-]{36})/(?!return$)")


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an error, whoever asks."""

    status: int
    title: str
    what_happened: str
    what_to_do: str
    reason: str
    issues: tuple[Issue, ...]


def install_error_answers(app: FastAPI) -> None:
    """Answer every error of every route in one place."""
    for kind in (
        RapportError,
        SealBroken,
        SmartError,
        EhrError,
        CatalogueError,
        UnreadableResponse,
        InvalidResponse,
    ):
        app.add_exception_handler(kind, _answer)
    for storage in AWAY:
        app.add_exception_handler(storage, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(Exception, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    await note_refusal(request, error)
    if isinstance(error, Locked) and error.return_to is not None and wants_page(request):
        note = "?note=true" if request.url.path.endswith("/notes/new") else ""
        return RedirectResponse(f"/launches/{error.return_to}/return{note}", status_code=303)
    if (above := _page_above(request, error)) is not None:
        return RedirectResponse(above, status_code=303)
    told = tell(error)
    log.info("refused", path=_route(request), status=told.status, reason=told.reason)
    if told.status >= 500:
        log.error("failed", path=_route(request), error=cause_of(error))
    headers = _headers(error, told)
    back = getattr(request.state, "way_back", None)
    if (
        back is not None
    ):  # a form that cannot be opened on the clinician's device: it is given back all the same
        headers["X-Rapport-Return"] = back
    if isinstance(error, InvitationUnusable) and getattr(request.state, "unsent", False):
        headers["X-Rapport-Unsent"] = "true"  # nothing of what was sent is kept
    if isinstance(error, InvitationUnusable) and getattr(request.state, "refused", False):
        headers["X-Rapport-Refused"] = "true"  # by a caregiver: the form's own address says so
    if isinstance(error, InvitationUnusable) and (screen := getattr(request.state, "screen", None)):
        headers["X-Rapport-Screen"] = screen  # what /fill shows instead of its usual words
    if wants_page(request):
        # Whoever typed a code too often, or none that counts, types the next one there.
        page = replace(
            failure_page(error),
            asks_code=request.url.path == "/code",
            back=_back(request, told),
            unwritten=await _unwritten(request, told),
        )
        return HTMLResponse(render_failure(page, spoken_in(request)), told.status, headers=headers)
    return Response(outcome(told), told.status, media_type="application/fhir+json", headers=headers)


def _back(request: Request, told: Told) -> str | None:
    """Name the page that somebody came from: an EHR's frame has no button of its own for that.

    None where it does not open: the session is over, or the device is locked.
    """
    found = _UNDER.match(request.url.path)
    return found[1] if found and told.status not in {401, 423} else None


async def _unwritten(request: Request, told: Told) -> str | None:
    """Give the text of a note that was posted when the sign-in was over: it goes back to whoever sent it, and is kept nowhere."""
    if told.status != 401 or request.method != "POST" or not _NOTE.fullmatch(request.url.path):
        return None
    text = (await request.form()).get("text")
    return text if isinstance(text, str) else None


def _page_above(request: Request, error: Exception) -> str | None:
    """Name the page whose form leads to an address that takes forms alone, where that is opened from the address bar."""
    is_form = isinstance(error, HTTPException) and error.status_code == 405 and request.method == "GET"
    if not is_form or not wants_page(request) or not _UNDER.match(request.url.path):
        return None
    return request.url.path.rpartition("/")[0]


def spoken_in(request: Request) -> str:
    """Choose the language of a page: the browser's, else that of its site, or of all sites where it is not known yet."""
    rapport = getattr(request.app.state, "rapport", None)
    if rapport is None:
        return choose_language(request.headers.get("accept-language"))
    policy = rapport.settings.policies.get(getattr(request.state, "site", None))
    default = policy.language if policy else language_of_installation(rapport)
    return choose_language(request.headers.get("accept-language"), default)


def failure_page(error: Exception) -> FailurePage:
    """Say an error on a page."""
    told = tell(error)
    return FailurePage(
        title=told.title,
        what_happened=told.what_happened,
        what_to_do=told.what_to_do,
        reason=told.reason,
        status=told.status,
    )


def tell(error: Exception) -> Told:
    """Say what happened and what to do; an error that nobody foresaw says no more than that."""
    match error:
        case RapportError():
            return Told(
                error.status, error.title, error.what_happened, error.what_to_do, error.code, error.issues
            )
        case SmartError():
            return _plain(
                error.status,
                "Rapport could not be opened",
                error.what_happened,
                error.what_to_do,
                error.reason,
            )
        case UnreadableResponse() | InvalidResponse():
            status = 400 if isinstance(error, UnreadableResponse) else 422
            issues = tuple(
                Issue(
                    each.code,
                    f"{each.message} {each.remedy}".strip(),
                    each.expression,
                    each.link_id,
                    each.severity,
                )
                for each in error.issues
            )
            count = "1 problem" if len(issues) == 1 else f"{len(issues)} problems"
            return Told(
                status,
                "Please correct",
                f"The response has {count}.",
                "Each is named below.",
                "invalid",
                issues,
            )
        case UnknownQuestionnaire() | UnversionedQuestionnaire():
            remedy = "GET /fhir/Questionnaire lists the catalogue."
            code = "not-found" if isinstance(error, UnknownQuestionnaire) else "business-rule"
            issue = Issue(code, f"{error} {remedy}", "QuestionnaireResponse.questionnaire")
            return Told(422, "This form is not known", str(error), remedy, issue.code, (issue,))
        case CatalogueError():
            return _plain(
                422,
                "This form cannot be used",
                str(error),
                "GET /fhir/Questionnaire lists the catalogue.",
                "business-rule",
            )
        case EhrError():
            return _tell_ehr(error)
        case RequestValidationError():
            places = ", ".join(str(each["loc"][-1]) for each in error.errors())
            return _plain(
                422,
                "Please correct",
                f"These fields are missing or wrong: {places}.",
                "Reload the page and try again.",
                "required",
            )
        case HTTPException():
            return _tell_http(error)
        case _:
            return _tell_own(error)


def outcome(told: Told) -> bytes:
    """Write an OperationOutcome."""
    issues = []
    for each in told.issues:
        issue: dict[str, object] = {"severity": each.severity, "code": each.code, "diagnostics": each.message}
        if each.link_id is not None:
            issue["details"] = {"text": f"linkId {each.link_id}"}
        if each.expression is not None:
            issue["expression"] = [each.expression]
        issues.append(issue)
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": issues})


def _tell_own(error: Exception) -> Told:
    if isinstance(error, SealBroken):
        return _plain(
            409,
            "This was altered",
            "Part of what Rapport keeps of this does not open: somebody altered it in the database, or its key is missing.",
            "Tell your administrator: rapport audit verify names what was altered.",
            "processing",
        )
    if isinstance(error, AWAY):
        return _plain(
            503,
            "Nothing can be stored just now",
            "Rapport's database does not answer, or its disk is full. This was not saved; what was saved before is safe.",
            "Try again in a minute. If it goes on, tell your administrator: /health/ready names what fails.",
            "no-store",
        )
    return _plain(
        500,
        "Something went wrong",
        "Rapport met an error of its own.",
        "Try again; what was saved is safe.",
        "exception",
    )


def _tell_ehr(error: EhrError) -> Told:
    if isinstance(error, TokenRefused):
        return _plain(
            401,
            "Your session has ended",
            "The EHR no longer accepts this sign-in.",
            "Open Rapport again from the chart.",
            "login",
        )
    if isinstance(error, EhrUnavailable):
        return _plain(
            503,
            "The EHR does not answer",
            str(error),
            "Try again in a moment; what was saved is safe.",
            "transient",
        )
    return _plain(
        502,
        "The EHR answered with an error",
        str(error),
        "Try again, or tell your administrator.",
        "processing",
    )


def _tell_http(error: HTTPException) -> Told:
    if error.status_code == 404:
        return _plain(
            404,
            "Not found",
            "There is nothing at this address.",
            "Open Rapport from the patient's chart.",
            "not-found",
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return _plain(
            405,
            "Not possible here",
            "This address does not do that.",
            f"It answers to {allowed}." if allowed else "Open Rapport from the patient's chart.",
            "not-supported",
        )
    return _plain(
        error.status_code,
        "Not possible",
        f"{error.detail.rstrip('.')}.",
        "Go back and try again.",
        "not-supported",
    )


def _plain(status: int, title: str, what_happened: str, what_to_do: str, reason: str) -> Told:
    code = reason if reason in _ISSUE_TYPES else "processing"
    return Told(
        status, title, what_happened, what_to_do, reason, (Issue(code, f"{what_happened} {what_to_do}"),)
    )


_ISSUE_TYPES = {
    "login",
    "forbidden",
    "not-found",
    "not-supported",
    "business-rule",
    "required",
    "transient",
    "no-store",
    "processing",
    "exception",
}


def wants_page(request: Request) -> bool:
    """Tell whether a page answers a request, as somebody's browser asks for one; a script or a program does not."""
    if request.url.path.startswith(_SCRIPTED) or request.url.path.endswith(".json"):
        return False
    return "text/html" in request.headers.get("accept", "text/html")


def _route(request: Request) -> str:
    """Name the route, not the address: addresses hold ids."""
    route = request.scope.get("route")
    return getattr(route, "path", "unknown")


def _headers(error: Exception, told: Told) -> dict[str, str]:
    own = error.headers if isinstance(error, HTTPException) else None
    challenge = (error if isinstance(error, NotSignedIn) else NotSignedIn).challenge
    headers = {**(own or {}), **({"WWW-Authenticate": challenge} if told.status == 401 else {})}
    if isinstance(error, AWAY):
        headers["Retry-After"] = str(_STORAGE_PAUSE)
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, EhrUnavailable | ServerUnavailable) and error.retry_after:
        headers["Retry-After"] = str(ceil(error.retry_after))
    if (current := request_id.current()) is not None:
        headers[request_id.HEADER] = (
            current  # an unforeseen error is answered outside of what adds it elsewhere
        )
    return headers
