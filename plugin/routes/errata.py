"""The clinician says that a response was entered in error: here at once, and in the record as far as the EHR lets us."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse

from plugin.delivery.revising import find_current
from plugin.errors import Invalid, NotFound
from plugin.flow import enter_in_error
from plugin.routes.state import CurrentLaunch, CurrentRapport, actor_of, check_csrf, check_origin

router = APIRouter(prefix="/launches/{launch}", dependencies=[Depends(check_origin)])

_SHORTEST_REASON = 3


@router.post("/responses/{response}/entered-in-error")
async def mark_as_error(
    response: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form(max_length=200)] = "",
    why: Annotated[str, Form(max_length=300)] = "",
    sure: Annotated[str, Form(max_length=10)] = "",
) -> RedirectResponse:
    """Mark one response of this patient, with the reason; it cannot be taken back."""
    check_csrf(rapport, found, csrf)
    reason = why.strip()
    if len(reason) < _SHORTEST_REASON or sure != "yes":
        raise Invalid(
            "The reason or the confirmation is missing.",
            "Go back, say in a few words what was wrong, and confirm that you mean it.",
        )
    vault = rapport.ledger.vault
    record = await rapport.ledger.read(lambda connection: find_current(connection, vault, response))
    if record is None or (record.site, record.patient) != (found.site, found.patient):
        raise NotFound(f"There is no response {response} of this patient.", "Go back to the patient page.")
    await enter_in_error(rapport.intake, record, actor_of(found), reason)
    rapport.worker.wake()
    return RedirectResponse(f"/launches/{found.id}/responses/{response}", status_code=303)
