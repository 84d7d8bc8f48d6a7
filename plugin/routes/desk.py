"""The desk: where people land whom the site gives a role beyond one patient, and the frame of their pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse

from plugin.access.desks import Desk
from plugin.pages.staff import DeskFrame, PeriodForm, render_desk
from plugin.pages.words import N_
from plugin.roles import STAFF, Role
from plugin.routes.state import CurrentRapport, Rapport, csrf_token, desk_for

router = APIRouter(prefix="/desks/{desk}")

AnyDesk = Annotated[Desk, Depends(desk_for(*STAFF))]
AdministratorsDesk = Annotated[Desk, Depends(desk_for(Role.ADMINISTRATOR))]
AuditorsDesk = Annotated[Desk, Depends(desk_for(Role.AUDITOR))]
Csrf = Annotated[str, Form(max_length=200)]


def period_form(
    first: Annotated[str, Form(max_length=100)] = "",
    last: Annotated[str, Form(max_length=100)] = "",
    why: Annotated[str, Form(max_length=300)] = "",
) -> PeriodForm:
    """Read such a form."""
    return PeriodForm(first, last, why.strip())


AskedPeriod = Annotated[PeriodForm, Depends(period_form)]

_PLACES: dict[Role, tuple[tuple[str, str], ...]] = {
    Role.RESEARCHER: (("research", N_("Research export")),),
    Role.ADMINISTRATOR: (
        ("deliveries", N_("Deliveries")),
        ("installation", N_("Installation")),
        ("ehr", N_("What the EHR takes")),
        ("norms", N_("Norms")),
    ),
    Role.SUPERVISOR: (("caseload", N_("Caseload")),),
    Role.AUDITOR: (
        ("audit", N_("Search")),
        ("reviews", N_("Reviews")),
        ("exports", N_("Exports")),
        ("log", N_("Transparency log")),
    ),
}
"""Which pages each role has, by the last part of their addresses."""


def frame(rapport: Rapport, desk: Desk, here: str) -> DeskFrame:
    """Describe what stands around a page of this desk."""
    base = f"/desks/{desk.id}"
    places = [("", N_("Your desk")), *(place for role in desk.staff_roles for place in _PLACES.get(role, ()))]
    return DeskFrame(
        id=desk.id,
        site=rapport.settings.sites[desk.site].name,
        csrf=csrf_token(rapport, desk),
        places=tuple((f"{base}/{name}".rstrip("/"), label, name == here) for name, label in places),
        patient=desk.id if desk.patient else None,
        language=desk.language,
        zone=rapport.zone_of(desk.site),
    )


@router.get("")
async def desk(found: AnyDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Show what this person can do beyond one patient."""
    return HTMLResponse(render_desk(frame(rapport, found, ""), tuple(found.staff_roles)))
