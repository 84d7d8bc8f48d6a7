"""The clinician's pages of one launch: the patient page, one response, and how deliveries stand."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response

from plugin.access.desks import read_desk
from plugin.access.invitations import open_invitations
from plugin.access.launches import Launch, newer_launch_of_another
from plugin.access.sessions import Session, barred_devices
from plugin.audit import Kind
from plugin.delivery.account import (
    Account,
    attempts_of,
    check_whole,
    count_accounts,
    read_account,
    read_accounts,
    read_all_of,
    whole,
)
from plugin.delivery.notes import notes_of
from plugin.delivery.pdf import can_render, pdf_of
from plugin.ehr import EhrError, EhrUnavailable
from plugin.erasure import erasures_of
from plugin.errors import NotFound
from plugin.norming import in_use
from plugin.pages import (
    ChosenForm,
    PatientPage,
    ResponsePage,
    delivery_label,
    render_patient,
    render_response,
    summary_html,
)
from plugin.pages.responses import render_responses
from plugin.pages.retold import retell
from plugin.routes.asked import AskedFor, read_asked_for
from plugin.routes.chart import HISTORY, LONG_PATIENCE, Chart, closed_chart, read_chart
from plugin.routes.offering import mark_of
from plugin.routes.pressing import with_begun, with_due
from plugin.routes.state import (
    CurrentLaunch,
    CurrentRapport,
    CurrentSession,
    Rapport,
    actor_of,
    csrf_token,
    ehr_for,
    language_for,
)
from plugin.routes.views import Known, ask_for, patient_page, response_page, responses_page

router = APIRouter(prefix="/launches/{launch}")

MOST_SHOWN = 12  # responses: four sessions with three raters


@router.get("")
async def patient(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
    wait: Annotated[bool, Query()] = False,
    form: Annotated[str, Query(max_length=200)] = "",
    language: Annotated[str, Query(max_length=20)] = "",
    who: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """Show the patient page: who can answer what, what came in, the scores so far.

    It opens from the ledger when the EHR is slow or away; with `wait` the EHR is given longer. `form` in `language` for
    `who` is chosen to be started, as by somebody who has looked at it; what does not fit together, or is there no more, is not.
    """
    page = await patient_page_for(rapport, found, session, accept_language, wait=wait)
    offered = next(
        (each for each in page.instruments if each.id == form and language in each.languages), None
    )
    people = (each.reference for each in page.respondents if offered and each.rater == offered.rater)
    person = next((each for each in people if who == mark_of(rapport, found, each)), None)
    if offered is not None and offered.unavailable is None and person is not None:
        page = replace(page, chosen=ChosenForm(person, form, language, again=False))
    return HTMLResponse(render_patient(page))


async def patient_page_for(
    rapport: Rapport, found: Launch, session: Session, accept_language: str | None, *, wait: bool = False
) -> PatientPage:
    """Fill the patient page; the view is in the trail."""
    known, _ = await asyncio.gather(
        read_known(rapport, found, session, wait=wait), _refresh_schedule(rapport, found)
    )
    await rapport.ledger.record(
        rapport.trail.entry(Kind.PATIENT_VIEWED, actor_of(found), site=found.site, patient=found.patient)
    )
    page = patient_page(
        rapport, found, known, csrf_token(rapport, found), language_for(rapport, found.site, accept_language)
    )
    patience = LONG_PATIENCE if wait else rapport.settings.policies[found.site].ehr_patience
    page = with_due(ask_for(page, await _asked_for(rapport, found, patience)), known.recent)
    page = with_begun(page, known.under_way)
    desk = await _desk(rapport, found, session)
    return replace(page, desk=desk, has_pin=session.pin is not None)


@router.get("/summary.pdf")
async def summary(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Give the scores over sessions, plots and all, as a PDF; the trail tells that it was given."""
    if not can_render():
        raise NotFound("This installation makes no PDF.", "Install the extra `pdf`, or print the page.")
    known = await read_known(rapport, found, session, wait=True)
    await rapport.ledger.record(
        rapport.trail.entry(Kind.SUMMARY_GIVEN, actor_of(found), site=found.site, patient=found.patient)
    )
    page = patient_page(
        rapport, found, known, csrf_token(rapport, found), language_for(rapport, found.site, accept_language)
    )
    body = await asyncio.to_thread(pdf_of, summary_html(page, known.chart.name))
    # Saved, and not shown: a frame that the EHR sandboxes has no viewer, and the chart would be gone from any other.
    disposition = f'attachment; filename="alliance-{rapport.today(found.site).isoformat()}.pdf"'
    return Response(body, media_type="application/pdf", headers={"Content-Disposition": disposition})


async def read_known(rapport: Rapport, found: Launch, session: Session, *, wait: bool = False) -> Known:
    """Read what the patient page shows, from the EHR and the ledger side by side."""
    policy, now, vault = rapport.settings.policies[found.site], rapport.clock(), rapport.ledger.vault
    accounts, many, under_way, norms, notes, newer, erased, barred = await rapport.ledger.read(
        lambda connection: (
            read_accounts(connection, vault, found.site, found.patient, MOST_SHOWN),
            count_accounts(connection, found.site, found.patient),
            open_invitations(connection, vault, found.site, found.patient, now),
            in_use(connection, found.site),
            notes_of(connection, found.site, found.patient),
            newer_launch_of_another(connection, found, session.key, now),
            erasures_of(connection, vault, found.site, found.patient),
            barred_devices(connection, vault, found.site, found.patient),
        )
    )
    # A long history takes the EHR long to give: the page opens with the ledger's latest, and the rest follows.
    is_long = many > len(accounts) and not wait
    patience = LONG_PATIENCE if wait else policy.ehr_patience
    chart = await _chart(
        rapport,
        found,
        medication=policy.show_medication,
        patience=patience,
        history=not is_long,
        raters=_raters(accounts),
    )
    is_whole = is_long or many <= len(
        accounts
    )  # what an EHR does not take stands in the ledger alone, however old
    kept = accounts if is_whole else await _all_accounts(rapport, found)
    return Known(
        chart,
        whole(accounts),
        whole(kept),
        under_way.forms,
        norms,
        notes,
        newer,
        waited=wait,
        is_long=is_long,
        erased=erased,
        barred=barred,
        altered=len({each.record.id for each in (*accounts, *kept) if each.record.altered}),
        altered_forms=under_way.altered,
        unsent=under_way.unsent,
        many=many,
    )


@router.get("/responses.json")
async def responses(
    found: CurrentLaunch, rapport: CurrentRapport, accept_language: Annotated[str | None, Header()] = None
) -> JSONResponse:
    """Tell how far the responses and notes are on their way into the record."""
    language = language_for(rapport, found.site, accept_language)
    accounts, notes = await asyncio.gather(
        _accounts(rapport, found),
        rapport.ledger.read(lambda connection: notes_of(connection, found.site, found.patient)),
    )
    return JSONResponse(
        [
            {
                "id": account.record.id,
                "state": account.state,
                "state_label": delivery_label(account.state, language),
                "detail": retell(account.detail, language),
            }
            for account in accounts
        ]
        + [
            {
                "id": each.note.id,
                "state": each.state,
                "state_label": delivery_label(each.state, language),
                "detail": retell(each.detail, language),
            }
            for each in notes
        ]
    )


@router.get("/responses")
async def all_responses(
    found: CurrentLaunch, rapport: CurrentRapport, accept_language: Annotated[str | None, Header()] = None
) -> HTMLResponse:
    """Show every response of the patient that the ledger has, however old; the view is in the trail."""
    patience = rapport.settings.policies[found.site].ehr_patience
    accounts = await _all_accounts(rapport, found)
    chart = await _chart(rapport, found, patience=patience, history=False, raters=_raters(reversed(accounts)))
    await rapport.ledger.record(
        rapport.trail.entry(Kind.PATIENT_VIEWED, actor_of(found), site=found.site, patient=found.patient)
    )
    language = language_for(rapport, found.site, accept_language)
    return HTMLResponse(render_responses(responses_page(rapport, found, accounts, chart, language)))


@router.get("/responses/{response}")
async def response(
    response: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> HTMLResponse:
    """Show one response in full, as far as the site's policy lets the clinician see it."""
    return HTMLResponse(render_response(await response_page_for(rapport, found, response, accept_language)))


async def response_page_for(
    rapport: Rapport, found: Launch, response: str, accept_language: str | None
) -> ResponsePage:
    """Fill the page of one response; the view is in the trail."""
    vault = rapport.ledger.vault
    account = await rapport.ledger.read(lambda connection: read_account(connection, vault, response))
    if (account.record.site, account.record.patient) != (found.site, found.patient):
        raise NotFound(f"There is no response {response} of this patient.", "Go back to the patient page.")
    check_whole((account,))
    attempts = await rapport.ledger.read(lambda connection: attempts_of(connection, response))
    about = (f"QuestionnaireResponse/{response}",)
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.RESPONSE_VIEWED, actor_of(found), site=found.site, patient=found.patient, about=about
        )
    )
    patience = rapport.settings.policies[found.site].ehr_patience
    chart = await _chart(rapport, found, patience=patience, raters=_raters((account,)))
    language = language_for(rapport, found.site, accept_language)
    return response_page(rapport, found, account, attempts, chart, language)


async def _desk(rapport: Rapport, found: Launch, session: Session) -> str | None:
    """Give the address of the clinician's desk, if the site gives them a role beyond this patient."""
    books = {found.site: rapport.settings.policies[found.site].roles}
    desk = await rapport.ledger.read(
        lambda connection: read_desk(
            connection, rapport.ledger.vault, books, found.id, session.key, rapport.clock()
        )
    )
    return f"/desks/{found.id}" if desk else None


async def _chart(
    rapport: Rapport,
    found: Launch,
    *,
    patience: float,
    medication: bool = False,
    history: bool = True,
    raters: Iterable[str] = (),
) -> Chart:
    """Read the chart; once more with another token where the EHR ended this one before its time. NotSignedIn if there is none."""
    for may_ask_again in (True, False):
        try:
            async with asyncio.timeout(patience):
                ehr = await ehr_for(rapport, found)  # may have to ask for a fresh token
        except EhrUnavailable as error:
            return closed_chart(str(error))
        except TimeoutError:
            return replace(closed_chart("it did not answer"), unread=(), late=(HISTORY,))
        rapport.sender.learn(rapport.settings.sites[found.site], ehr)
        chart = await read_chart(
            ehr,
            found,
            rapport.intake.catalogue,
            zone=rapport.zone_of(found.site),
            medication=medication,
            patience=patience,
            history=history,
            declared=partial(rapport.sender.capability_of, rapport.settings.sites[found.site], ehr),
            raters=raters,
        )
        if not chart.is_sign_in_refused or ehr.access_token is None or not may_ask_again:
            break
        rapport.sender.take_for_ended(ehr.access_token)
    return chart


def _raters(accounts: Iterable[Account]) -> tuple[str, ...]:
    return tuple(each.record.source for each in accounts if each.record.source)


async def _refresh_schedule(rapport: Rapport, found: Launch) -> None:
    patience = rapport.settings.policies[found.site].ehr_patience
    await rapport.schedules.refresh(found.site, lambda: ehr_for(rapport, found), patience)


async def _asked_for(rapport: Rapport, found: Launch, patience: float) -> AskedFor | None:
    if not found.context.fhir_context:
        return None
    try:
        async with asyncio.timeout(patience):
            return await read_asked_for(await ehr_for(rapport, found), found, rapport.intake.catalogue)
    except (EhrError, TimeoutError):
        return None  # the page opens without the EHR, too


async def _accounts(rapport: Rapport, found: Launch) -> tuple[Account, ...]:
    vault = rapport.ledger.vault
    return await rapport.ledger.read(
        lambda connection: read_accounts(connection, vault, found.site, found.patient)
    )


async def _all_accounts(rapport: Rapport, found: Launch) -> tuple[Account, ...]:
    """Read everything that the ledger has of a patient."""
    vault = rapport.ledger.vault
    return await rapport.ledger.read(
        lambda connection: read_all_of(connection, vault, found.site, found.patient)
    )
