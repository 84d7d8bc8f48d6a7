"""The administrator's pages: what is not in the record and why, the state of the installation, what the EHR takes.

As `rapport deliveries` and `rapport doctor`, of one's own site only. Nothing of a patient or an answer is shown.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.access.desks import Desk
from plugin.audit import Kind
from plugin.collecting import book
from plugin.collecting.book import Found
from plugin.delivery import changes
from plugin.delivery.account import attempts_of
from plugin.delivery.states import DeliveryState
from plugin.delivery.worker import NoToken
from plugin.doctor import examine
from plugin.doctor.examine import Registration
from plugin.ehr import EhrError
from plugin.errors import Invalid, NotFound, stated_reason
from plugin.ledger.schema import version_of
from plugin.operating.backlog import read_backlog
from plugin.operating.readiness import examine as examine_parts
from plugin.pages.staff import (
    MOST_LISTED,
    DeliveriesPage,
    DeliveryPage,
    InstallationPage,
    render_deliveries,
    render_delivery,
    render_examination,
    render_installation,
)
from plugin.pages.words import N_
from plugin.routes.desk import AdministratorsDesk, Csrf, frame
from plugin.routes.state import (
    CurrentRapport,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    request_line,
)
from plugin.stock import describe_left_out
from plugin.writing import DEFAULT_WRITING

router = APIRouter(prefix="/desks/{desk}", dependencies=[Depends(check_origin)])


_NOT_IN_RECORD = tuple(state for state in DeliveryState if state is not DeliveryState.DELIVERED)
_FIXED = (DeliveryState.DELIVERED, DeliveryState.SENDING)
_ALL = 1_000_000
_BECAME = {Found.KEPT: "kept", Found.SEEN: "kept", Found.SET_ASIDE: "aside"}
_TOLD = {
    "retried": N_("It is due now. Load this page again in a moment to see what came of it."),
    "discarded": N_(
        "It will not be sent. It stays readable in Rapport, and “Try again now” takes this back."
    ),
    "released": N_("All that waited for a sign-in are due now."),
    "none": N_("Nothing waits for a sign-in."),
    "kept": N_("It could be scored: it is among the deliveries now."),
    "aside": N_("It cannot be scored still. The reason stands beside it."),
    "gone": N_("There is nothing to be scored there any more."),
    "away": N_(
        "The EHR could not be asked just now. It stays set aside, and is looked at again when it changes."
    ),
}
"""What a page says after something was done; the address names it, so that a reload does nothing twice."""


@router.get("/deliveries")
async def deliveries(
    request: Request,
    found: AdministratorsDesk,
    rapport: CurrentRapport,
    state: Annotated[DeliveryState | None, Query()] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """List what is not in the record, and why."""
    states = _NOT_IN_RECORD if state is None else (state,)
    listed, counts, aside = await asyncio.gather(
        rapport.ledger.read(
            lambda connection: changes.list_deliveries(connection, states, site=found.site, limit=MOST_LISTED)
        ),
        rapport.ledger.read(lambda connection: changes.count_deliveries(connection, site=found.site)),
        rapport.ledger.read(
            lambda connection: book.list_found(connection, found.site, Found.SET_ASIDE, MOST_LISTED)
        ),
    )
    await _note(rapport, found, request_line(request))
    page = DeliveriesPage(frame(rapport, found, "deliveries"), counts, state, listed, _TOLD.get(done), aside)
    return HTMLResponse(render_deliveries(page))


@router.post("/deliveries/release")
async def release(found: AdministratorsDesk, rapport: CurrentRapport, csrf: Csrf = "") -> RedirectResponse:
    """Have everything that waits for a sign-in tried now."""
    check_csrf(rapport, found, csrf)
    held = await rapport.ledger.read(
        lambda connection: changes.list_deliveries(
            connection, (DeliveryState.HELD,), site=found.site, limit=_ALL
        )
    )
    ids = tuple(each.response for each in held)
    if ids:
        now = rapport.clock()
        await _change(
            rapport,
            found,
            Kind.DELIVERY_RELEASED,
            ids,
            lambda connection: changes.release(connection, ids, now),
        )
    done = "released" if ids else "none"
    return RedirectResponse(f"/desks/{found.id}/deliveries?done={done}", status_code=303)


@router.post("/deliveries/collected")
async def look_again(
    found: AdministratorsDesk,
    rapport: CurrentRapport,
    csrf: Csrf = "",
    reference: Annotated[str, Form(max_length=200)] = "",
) -> RedirectResponse:
    """Look again at a response that the EHR collected and that was set aside."""
    check_csrf(rapport, found, csrf)
    if not reference.startswith("QuestionnaireResponse/"):
        raise Invalid("No response is named.", "Go back to the list and press the button beside one.")
    about = f"{rapport.settings.sites[found.site].base}/{reference}"
    entry = rapport.trail.entry(Kind.RESPONSE_RETRIED, actor_of(found), site=found.site, about=(about,))
    try:
        became = await rapport.collector.retry(found.site, reference, entry)
    except (EhrError, NoToken):
        done = "away"
    else:
        done = _BECAME.get(became, "gone")
    return RedirectResponse(f"/desks/{found.id}/deliveries?done={done}", status_code=303)


@router.get("/deliveries/{response}")
async def delivery(
    request: Request,
    response: str,
    found: AdministratorsDesk,
    rapport: CurrentRapport,
    done: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show one delivery with its attempts."""
    return HTMLResponse(
        render_delivery(await _delivery_page(request, rapport, found, response, told=_TOLD.get(done)))
    )


async def _delivery_page(
    request: Request, rapport: Rapport, found: Desk, response: str, *, told: str | None = None
) -> DeliveryPage:
    listed = await _own(rapport, found, response)
    attempts = await rapport.ledger.read(lambda connection: attempts_of(connection, response))
    await _note(rapport, found, request_line(request), listed)
    return DeliveryPage(frame(rapport, found, "deliveries"), listed, attempts, listed.state in _FIXED, told)


@router.post("/deliveries/{response}/retry")
async def retry(
    response: str, found: AdministratorsDesk, rapport: CurrentRapport, csrf: Csrf = ""
) -> RedirectResponse:
    """Have one tried again now; the record is searched for it first."""
    check_csrf(rapport, found, csrf)
    listed = await _own(rapport, found, response)
    now = rapport.clock()
    await _change(
        rapport,
        found,
        Kind.DELIVERY_RETRIED,
        (response,),
        lambda connection: changes.retry(connection, response, now),
        patient=listed.patient,
    )
    return RedirectResponse(f"/desks/{found.id}/deliveries/{response}?done=retried", status_code=303)


@router.post("/deliveries/{response}/discard")
async def discard(
    request: Request,
    response: str,
    found: AdministratorsDesk,
    rapport: CurrentRapport,
    csrf: Csrf = "",
    why: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Decide that one is not to be sent; the reason is kept in the trail."""
    check_csrf(rapport, found, csrf)
    try:
        reason = stated_reason(why, "Say in a few words why it is not to be sent.")
    except Invalid as problem:
        page = await _delivery_page(request, rapport, found, response)
        return HTMLResponse(
            render_delivery(replace(page, problem=str(problem), why=why)), status_code=problem.status
        )
    listed = await _own(rapport, found, response)
    await _change(
        rapport,
        found,
        Kind.DELIVERY_DISCARDED,
        (response,),
        lambda connection: changes.discard(connection, response, reason),
        reason,
        listed.patient,
    )
    return RedirectResponse(f"/desks/{found.id}/deliveries/{response}?done=discarded", status_code=303)


@router.get("/installation")
async def installation(found: AdministratorsDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Show whether the parts work, what waits, and which software this is."""
    ready, backlog, schema = await asyncio.gather(
        examine_parts(rapport.parts),
        rapport.ledger.read(lambda connection: read_backlog(connection, (found.site,))),
        rapport.ledger.read(version_of),
    )
    size = await asyncio.to_thread(_log_size, rapport.settings.log_folder)
    page = InstallationPage(
        desk=frame(rapport, found, "installation"),
        version=__version__,
        schema=schema or "",
        database="PostgreSQL" if rapport.settings.database.startswith("postgresql") else "SQLite",
        parts=ready.parts,
        usable=len(rapport.intake.catalogue.all()),
        left_out=tuple(describe_left_out(rapport.left_out)),
        oldest=backlog.oldest.get(found.site),
        waiting=sum(backlog.depth.values()),
        unlogged=backlog.unlogged,
        log_size=size,
    )
    return HTMLResponse(render_installation(page))


@router.get("/ehr")
async def ehr(found: AdministratorsDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Offer to examine the EHR of this site."""
    name = rapport.settings.sites[found.site].name
    return HTMLResponse(
        render_examination(frame(rapport, found, "ehr"), name, None, rapport.settings.base_url)
    )


@router.post("/ehr")
async def examine_ehr(found: AdministratorsDesk, rapport: CurrentRapport, csrf: Csrf = "") -> HTMLResponse:
    """Examine the EHR of this site, as `rapport doctor` does; no other address can be named."""
    check_csrf(rapport, found, csrf)
    site = rapport.settings.sites[found.site]
    registration = Registration(
        site,
        rapport.settings.writing.get(found.site, DEFAULT_WRITING),
        rapport.settings.policies[found.site].collecting,
        rapport.settings.policies[found.site].schedule,
    )
    examination = await examine(
        site.fhir_base,
        rapport.http,
        rapport.clock(),
        registration=registration,
        allowed=frozenset(site.extra_hosts),
    )
    await rapport.ledger.record(
        rapport.trail.entry(Kind.EHR_EXAMINED, actor_of(found), site=found.site, server=site.fhir_base)
    )
    return HTMLResponse(
        render_examination(frame(rapport, found, "ehr"), site.name, examination, rapport.settings.base_url)
    )


async def _own(rapport: Rapport, found: Desk, response: str) -> changes.Listed:
    """Find a delivery of this site; NotFound for another's, as if it were not there."""
    listed = await rapport.ledger.read(lambda connection: changes.find_delivery(connection, response))
    if listed.site != found.site:
        raise NotFound(f"There is no delivery of a response {response}.", "Go back to the list.")
    return listed


async def _change(
    rapport: Rapport,
    found: Desk,
    kind: Kind,
    responses: tuple[str, ...],
    change: Callable[[Connection], object],
    why: str | None = None,
    patient: str | None = None,
) -> None:
    about = tuple(f"QuestionnaireResponse/{each}" for each in responses)
    entry = rapport.trail.entry(
        kind, actor_of(found), site=found.site, patient=patient, about=about, reason=why
    )
    await rapport.ledger.write(change, entry)
    rapport.worker.wake()


async def _note(rapport: Rapport, found: Desk, query: str, one: changes.Listed | None = None) -> None:
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.DELIVERIES_VIEWED,
            actor_of(found),
            site=found.site,
            patient=one.patient if one else None,
            about=(f"QuestionnaireResponse/{one.response}",) if one else (),
            query=query,
        )
    )


def _log_size(folder: Path) -> int | None:
    """Read how many entries the transparency log's own checkpoint names; None before the first."""
    try:
        lines = (folder / "checkpoint").read_text(encoding="utf-8").split("\n")
        return int(lines[1])
    except (OSError, ValueError, IndexError):
        return None
