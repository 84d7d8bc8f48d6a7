"""The respondent's side: open a form by its invitation, keep answers as they are given, send.

The invitation's secret travels in a header, out of the address's fragment: never in a URL that a server sees.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse

from plugin.access.invitations import (
    Draft,
    Invitation,
    InvitationState,
    check_usable,
    find_invitation,
    mark_opened,
    read_draft,
    save_draft,
)
from plugin.audit import Actor, Kind
from plugin.errors import AnsweredElsewhere, Invalid
from plugin.flow import Arrival, submit
from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.pages import choose_language, render_fill, render_form
from plugin.responses import build_response
from plugin.routes.state import CurrentRapport, Rapport, check_origin
from plugin.routes.views import form_view
from questionnaires import Instrument

router = APIRouter(prefix="/fill")


class _Answers(msgspec.Struct, forbid_unknown_fields=True):
    answers: Draft
    removed: tuple[str, ...] = ()  # what this page had answered, and took back


async def invitation(
    request: Request,
    rapport: CurrentRapport,
    secret: Annotated[str, Header(alias="X-Rapport-Invitation", max_length=100)] = "",
) -> Invitation:
    """Give the invitation that the request's secret opens, whatever its state."""
    vault = rapport.ledger.vault
    found = await rapport.ledger.read(lambda connection: find_invitation(connection, vault, secret))
    request.state.site = found.site
    return found


AnyInvitation = Annotated[Invitation, Depends(invitation)]


async def raw_body(request: Request) -> bytes:
    """Give the body as it came; what reads it is strict."""
    return await request.body()


RawBody = Annotated[bytes, Depends(raw_body)]


@router.get("")
async def shell(accept_language: Annotated[str, Header(max_length=500)] = "") -> HTMLResponse:
    """Show the page that reads the secret out of its own address; it holds nothing itself."""
    return HTMLResponse(render_fill(choose_language(accept_language)))


@router.get("/form")
async def form(found: AnyInvitation, rapport: CurrentRapport) -> HTMLResponse:
    """Give the form with what has been answered so far."""
    now = rapport.clock()
    check_usable(found, now)
    vault = rapport.ledger.vault
    if found.state is InvitationState.CREATED:
        audit = rapport.trail.entry(
            Kind.INVITATION_OPENED, Actor(found.source), site=found.site, patient=found.patient
        )
        await rapport.ledger.write(lambda connection: mark_opened(connection, found.id, now), audit)
    draft = await rapport.ledger.read(lambda connection: read_draft(connection, vault, found.id))
    return HTMLResponse(render_form(form_view(rapport, found, draft)))


@router.put("/answers", dependencies=[Depends(check_origin)])
async def keep_answers(found: AnyInvitation, rapport: CurrentRapport, body: RawBody) -> JSONResponse:
    """Keep the answers given so far, and say of which questions answers are kept; durable when this answers."""
    now = rapport.clock()
    check_usable(found, now)
    sent = _read_answers(body, _instrument(rapport, found))
    vault = rapport.ledger.vault
    kept = await rapport.ledger.bookkeep(
        lambda connection: save_draft(connection, vault, found.id, sent.answers, sent.removed, now)
    )
    return JSONResponse({"state": "kept", "answered": sorted(kept)})


@router.post("/submit", dependencies=[Depends(check_origin)])
async def send(found: AnyInvitation, rapport: CurrentRapport, body: RawBody) -> JSONResponse:
    """Send the form. Sending it again gives the same answer, and changes nothing."""
    if found.state is not InvitationState.SUBMITTED:
        check_usable(found, rapport.clock())
        instrument = _instrument(rapport, found)
        sent = _read_answers(body, instrument)
        await _check_complete(rapport, found, sent)
        await _submit(rapport, found, instrument, sent.answers)
        rapport.worker.wake()
    back = None if found.remote else f"/launches/{found.launch}/return"
    return JSONResponse({"state": "saved", "return_url": back})


async def _check_complete(rapport: Rapport, found: Invitation, sent: _Answers) -> None:
    """AnsweredElsewhere if answers are kept of which the page that sends knows nothing: nothing given is lost unseen."""
    vault = rapport.ledger.vault
    draft = await rapport.ledger.read(lambda connection: read_draft(connection, vault, found.id))
    unseen = sorted(draft.keys() - sent.answers.keys() - set(sent.removed))
    if unseen:
        raise AnsweredElsewhere(
            f"Answers to {', '.join(unseen)} were given on another page, and are not among those sent.",
            "Load the form again, look over the answers, and send.",
        )


async def _submit(rapport: Rapport, found: Invitation, instrument: Instrument, answers: Draft) -> None:
    response = build_response(
        instrument,
        answers,
        patient=found.patient,
        encounter=found.encounter,
        author=found.author,
        source=found.source,
        authored=rapport.clock(),
        identifier=(IDENTIFIER_SYSTEM, found.id),
        language=found.language,
    )
    arrival = Arrival(
        body=response,
        site=found.site,
        organization=rapport.settings.policies[found.site].organization,
        patient=found.patient,
        actor=Actor(found.source),
        launch=found.launch,
        invitation=found.id,
    )
    await submit(rapport.intake, arrival)


def _instrument(rapport: Rapport, found: Invitation) -> Instrument:
    return rapport.intake.catalogue.by_canonical(found.instrument)


def _read_answers(body: bytes, instrument: Instrument) -> _Answers:
    try:
        sent = msgspec.json.decode(body, type=_Answers)
    except msgspec.MsgspecError as error:
        raise Invalid(
            f"The answers could not be read: {error}.", 'Send {"answers": {linkId: option code or null}}.'
        ) from None
    unknown = sorted({*sent.answers, *sent.removed} - instrument.question_ids)
    if unknown:
        raise Invalid(f"The form has no question {', '.join(unknown)}.", "Reload the form.")
    return sent
