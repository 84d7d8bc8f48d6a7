"""The clinician says that a response was entered in error: here at once, and in the record as far as the EHR lets us."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Header, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from plugin.delivery.revising import find_current
from plugin.errors import NotFound
from plugin.flow import enter_in_error
from plugin.pages import TypedError, render_response
from plugin.routes.patient import response_page_for
from plugin.routes.state import CurrentLaunch, CurrentRapport, actor_of, check_csrf, check_origin

router = APIRouter(prefix="/launches/{launch}", dependencies=[Depends(check_origin)])

_SHORTEST_REASON = 3
_MISSING = (
    "The reason or the confirmation is missing. "
    "Say in a few words what was wrong, and confirm that you mean it."
)


@router.post("/responses/{response}/entered-in-error")
async def mark_as_error(
    response: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form(max_length=200)] = "",
    why: Annotated[str, Form(max_length=300)] = "",
    sure: Annotated[str, Form(max_length=10)] = "",
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Mark one response of this patient, with the reason; it cannot be taken back."""
    check_csrf(rapport, found, csrf)
    reason = why.strip()
    if len(reason) < _SHORTEST_REASON or sure != "yes":
        page = await response_page_for(rapport, found, response, accept_language)
        typed = TypedError(why, sure == "yes", _MISSING)
        return HTMLResponse(
            render_response(replace(page, typed=typed)), status.HTTP_422_UNPROCESSABLE_CONTENT
        )
    vault = rapport.ledger.vault
    record = await rapport.ledger.read(lambda connection: find_current(connection, vault, response))
    if record is None or (record.site, record.patient) != (found.site, found.patient):
        raise NotFound(f"There is no response {response} of this patient.", "Go back to the patient page.")
    await enter_in_error(rapport.intake, record, actor_of(found), reason)
    rapport.worker.wake()
    return RedirectResponse(f"/launches/{found.id}/responses/{response}", status_code=303)
