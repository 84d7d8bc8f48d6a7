"""The clinician's pages of one launch: the patient page, one response, and how deliveries stand."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import HTMLResponse, JSONResponse

from plugin.access.desks import read_desk
from plugin.access.invitations import open_invitations
from plugin.access.launches import Launch
from plugin.access.sessions import Session
from plugin.audit import Kind
from plugin.delivery.account import Account, attempts_of, read_account, read_accounts
from plugin.errors import NotFound
from plugin.norming import in_use
from plugin.pages import choose_language, delivery_label, render_patient, render_response
from plugin.routes.chart import Chart, read_chart
from plugin.routes.state import (
    CurrentLaunch,
    CurrentRapport,
    CurrentSession,
    Rapport,
    actor_of,
    csrf_token,
    ehr_for,
)
from plugin.routes.views import patient_page, response_page

router = APIRouter(prefix="/launches/{launch}")


@router.get("")
async def patient(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> HTMLResponse:
    """Show the patient page: who can answer what, what came in, the scores so far."""
    now, vault = rapport.clock(), rapport.ledger.vault
    medication = rapport.settings.policies[found.site].show_medication
    chart, accounts, under_way, norms = await asyncio.gather(
        _chart(rapport, found, medication=medication),
        _accounts(rapport, found),
        rapport.ledger.read(
            lambda connection: open_invitations(connection, vault, found.site, found.patient, now)
        ),
        rapport.ledger.read(lambda connection: in_use(connection, found.site)),
    )
    await rapport.ledger.record(
        rapport.trail.entry(Kind.PATIENT_VIEWED, actor_of(found), site=found.site, patient=found.patient)
    )
    language = choose_language(accept_language)
    page = patient_page(
        rapport, found, chart, accounts, under_way, csrf_token(rapport, found), norms, language
    )
    return HTMLResponse(render_patient(replace(page, desk=await _desk(rapport, found, session))))


@router.get("/responses.json")
async def responses(found: CurrentLaunch, rapport: CurrentRapport) -> JSONResponse:
    """Tell how far the responses are on their way into the record."""
    accounts = await _accounts(rapport, found)
    return JSONResponse(
        [
            {
                "id": account.record.id,
                "state": account.state,
                "state_label": delivery_label(account.state),
                "detail": account.detail,
            }
            for account in accounts
        ]
    )


@router.get("/responses/{response}")
async def response(response: str, found: CurrentLaunch, rapport: CurrentRapport) -> HTMLResponse:
    """Show one response in full, as far as the site's policy lets the clinician see it."""
    vault = rapport.ledger.vault
    account = await rapport.ledger.read(lambda connection: read_account(connection, vault, response))
    if (account.record.site, account.record.patient) != (found.site, found.patient):
        raise NotFound(f"There is no response {response} of this patient.", "Go back to the patient page.")
    attempts = await rapport.ledger.read(lambda connection: attempts_of(connection, response))
    about = (f"QuestionnaireResponse/{response}",)
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.RESPONSE_VIEWED, actor_of(found), site=found.site, patient=found.patient, about=about
        )
    )
    chart = await _chart(rapport, found)
    return HTMLResponse(render_response(response_page(rapport, found, account, attempts, chart)))


async def _desk(rapport: Rapport, found: Launch, session: Session) -> str | None:
    """Give the address of the clinician's desk, if the site gives them a role beyond this patient."""
    books = {found.site: rapport.settings.policies[found.site].roles}
    desk = await rapport.ledger.read(
        lambda connection: read_desk(connection, books, found.id, session.key, rapport.clock())
    )
    return f"/desks/{found.id}" if desk else None


async def _chart(rapport: Rapport, found: Launch, *, medication: bool = False) -> Chart:
    ehr = await ehr_for(rapport, found)
    return await read_chart(ehr, found, rapport.intake.catalogue, medication=medication)


async def _accounts(rapport: Rapport, found: Launch) -> tuple[Account, ...]:
    vault = rapport.ledger.vault
    return await rapport.ledger.read(
        lambda connection: read_accounts(connection, vault, found.site, found.patient)
    )
