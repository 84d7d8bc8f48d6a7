"""The desk: where people land whom the site gives a role beyond one patient, and the frame of their pages."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from plugin.access.desks import Desk
from plugin.pages.staff import DeskFrame, render_desk
from plugin.roles import STAFF, Role
from plugin.routes.state import CurrentRapport, Rapport, csrf_token, desk_for

router = APIRouter(prefix="/desks/{desk}")

AnyDesk = Annotated[Desk, Depends(desk_for(*STAFF))]

_PLACES: dict[Role, tuple[tuple[str, str], ...]] = {
    Role.RESEARCHER: (("research", "Research export"),),
    Role.ADMINISTRATOR: (
        ("deliveries", "Deliveries"),
        ("installation", "Installation"),
        ("ehr", "What the EHR takes"),
    ),
    Role.SUPERVISOR: (("caseload", "Caseload"),),
    Role.AUDITOR: (
        ("audit", "Search"),
        ("reviews", "Reviews"),
        ("exports", "Exports"),
        ("log", "Transparency log"),
    ),
}
"""Which pages each role has, by the last part of their addresses."""


def frame(rapport: Rapport, desk: Desk, here: str) -> DeskFrame:
    """Describe what stands around a page of this desk."""
    base = f"/desks/{desk.id}"
    places = [("", "Your desk"), *(place for role in desk.staff_roles for place in _PLACES.get(role, ()))]
    return DeskFrame(
        id=desk.id,
        site=rapport.settings.sites[desk.site].name,
        csrf=csrf_token(rapport, desk),
        places=tuple((f"{base}/{name}".rstrip("/"), label, name == here) for name, label in places),
        patient=desk.id if desk.patient else None,
    )


@router.get("")
async def desk(found: AnyDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Show what this person can do beyond one patient."""
    return HTMLResponse(render_desk(frame(rapport, found, ""), tuple(found.staff_roles)))
