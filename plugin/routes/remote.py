"""Forms filled elsewhere: the link with its QR code and spoken code, what is heard of it, and the door for the code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Form, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import Connection

from plugin.access.invitations import (
    CODE_DIGITS,
    Invitation,
    count_answers,
    followed_invitations,
    read_invitation,
    read_secret,
    renew_code,
    spoken_code,
    take_code,
)
from plugin.access.launches import Launch, is_open, newer_launch_of_another, session_of
from plugin.access.sessions import read_digits, read_session, session_by_key
from plugin.access.throttle import count_try
from plugin.audit import Actor, Kind
from plugin.ehr import EhrError
from plugin.errors import NotFound, NotSignedIn
from plugin.pages import LinkPage, choose_language, render_code, render_link
from plugin.pages.look import look_address
from plugin.routes.chart import read_respondent
from plugin.routes.state import (
    COOKIE,
    CurrentLaunch,
    CurrentRapport,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    csrf_token,
    ehr_for,
    language_for,
    language_of_installation,
    place_of,
)
from plugin.routes.views import form_state

router = APIRouter()

# Within ten minutes. There are 10^8 codes, and one is open until it is used, ten minutes at most (thirty where a site says
# so): in a service with twenty clinicians some three at once. With ten open at once 60 tries find one with a chance of
# 60 * 10 / 10^8 = 6 in a million, 300 with 3 in 100,000; all day long, from five addresses, 144 * 3 / 100,000 = 0.4 %.
# Behind the shared address of a school 60 are one every ten seconds: nobody does that by mistake. A limit for each browser
# besides would not hold anybody who guesses: a cookie is thrown away.
_MOST_TRIES_FROM_ONE_ADDRESS = 60
_MOST_TRIES_OF_ALL = 300
_ASK_EVERY = 1.0  # seconds
_BEAT_EVERY = 15  # asks: proxies close what is silent
_LONGEST = 600  # asks; the browser connects again


@router.get("/launches/{launch}/invitations/{invitation}")
async def link(
    invitation: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> HTMLResponse:
    """Show the link of a form again, as address, as QR code and as a code to read out."""
    vault = rapport.ledger.vault
    planned = await _own(rapport, found, invitation)
    secret = await rapport.ledger.read(lambda connection: read_secret(connection, vault, invitation))
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.INVITATION_SHOWN,
            actor_of(found),
            site=found.site,
            patient=found.patient,
            about=(f"urn:uuid:{invitation}",),
        )
    )
    answered = await rapport.ledger.read(
        lambda connection: count_answers(connection, vault, invitation, found.site, found.patient)
    )
    language = language_for(rapport, found.site, accept_language)
    page = _link_page(rapport, found, (planned, answered), secret, language)
    return HTMLResponse(render_link(replace(page, who=await name_asked(rapport, found, planned))))


@router.post("/launches/{launch}/invitations/{invitation}/code", dependencies=[Depends(check_origin)])
async def new_code(
    invitation: str, found: CurrentLaunch, rapport: CurrentRapport, csrf: Annotated[str, Form()]
) -> RedirectResponse:
    """Make another code to be read out: the one before was used, is over, or was overheard."""
    check_csrf(rapport, found, csrf)
    planned = await _own(rapport, found, invitation)
    now = rapport.clock()
    entry = rapport.trail.entry(
        Kind.INVITATION_SHOWN,
        actor_of(found),
        site=found.site,
        patient=found.patient,
        about=(f"urn:uuid:{planned.id}",),
        reason="Another code to read out",
    )
    await rapport.ledger.write(lambda connection: renew_code(connection, planned.id, now), entry)
    # Whoever pressed it is there again: the keyboard goes on beside the code.
    return RedirectResponse(f"/launches/{found.id}/invitations/{planned.id}#code", status_code=303)


async def name_asked(rapport: Rapport, found: Launch, planned: Invitation) -> str:
    """Name whom a form is for, so that two caregivers' links are told apart; nothing where the EHR does not answer."""
    try:
        async with asyncio.timeout(rapport.settings.policies[found.site].ehr_patience):
            who = await read_respondent(await ehr_for(rapport, found), found, planned.source)
    except (EhrError, NotSignedIn, TimeoutError):
        return ""
    return who.name if who is not None else ""


async def _own(rapport: Rapport, found: Launch, invitation: str) -> Invitation:
    """Give a form of this patient that was made as a link; NotFound if there is none such, SealBroken if it was altered."""
    vault = rapport.ledger.vault
    planned = await rapport.ledger.read(lambda connection: read_invitation(connection, vault, invitation))
    if (
        planned is None
        or not planned.remote
        or (planned.site, planned.patient) != (found.site, found.patient)
    ):
        raise NotFound("There is no such form of this patient.", "Go back to the patient page.")
    return planned


def _link_page(
    rapport: Rapport, found: Launch, followed: tuple[Invitation, int], secret: str, language: str
) -> LinkPage:
    planned, answered = followed
    now = rapport.clock()
    number = _code_number(rapport, planned, now)
    code = spoken_code(rapport.ledger.vault, planned)
    half = CODE_DIGITS // 2
    form = form_state(rapport.intake.catalogue, planned, answered, now, language)
    return LinkPage(
        launch=found.id,
        csrf=csrf_token(rapport, found),
        invitation=planned.id,
        rater=planned.rater,
        instrument=form.instrument,
        state=form.label,
        is_open=form.is_open,
        address=f"{rapport.settings.base_url}/fill#{secret}",
        expires=planned.expires,
        code=f"{code[:half]} {code[half:]}" if number else None,
        code_number=number,
        code_address=f"{rapport.settings.base_url.partition('://')[2]}/code",
        code_ends=_code_ends(rapport, planned),
        look=look_address(found.context.style),
        language=language,
    )


def _code_ends(rapport: Rapport, planned: Invitation) -> datetime | None:
    """When a form's spoken code ends; None once it was used."""
    return (
        planned.code_made + rapport.settings.policies[planned.site].code_life if planned.code_made else None
    )


def _code_number(rapport: Rapport, planned: Invitation, now: datetime) -> str:
    """Tell which of a form's spoken codes can be used, without telling the code; nothing if none can."""
    ends = _code_ends(rapport, planned)
    return str(planned.code_number) if ends and ends > now else ""


@router.get("/launches/{launch}/events")
async def events(
    request: Request,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Tell as server-sent events how far the forms of this patient are: whenever one of them changes."""
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(
        _tell(request, found, rapport, language_for(rapport, found.site, accept_language)),
        media_type="text/event-stream",
        headers=headers,
    )


class _Standing(StrEnum):
    """What has become of a chart that is listened to."""

    OPEN = "open"
    MOVED_ON = "moved-on"  # this browser has opened another patient's chart since
    HANDED_OVER = "handed-over"
    ENDED = "ended"


async def _tell(request: Request, found: Launch, rapport: Rapport, language: str) -> AsyncIterator[bytes]:
    told, moved_on = b"", False
    yield b"retry: 2000\n\n"
    for number in range(_LONGEST):
        if await request.is_disconnected():
            return
        standing = await _standing(found, rapport)
        if standing is _Standing.ENDED:
            yield b"event: ended\ndata: 1\n\n"
            return
        # Without a word: the page is on its way to the form, and would be called back.
        if standing is _Standing.HANDED_OVER:
            return
        if standing is _Standing.MOVED_ON and not moved_on:
            moved_on = True
            yield b"event: moved-on\ndata: 1\n\n"
        now = await _states(found, rapport, language)
        if now != told:
            told = now
            yield b"data: " + now + b"\n\n"
        elif number % _BEAT_EVERY == 0:
            yield b": still here\n\n"
        with suppress(TimeoutError):
            await asyncio.wait_for(rapport.ending.wait(), _ASK_EVERY)
            return  # the page listens again, to the process that comes next


async def _standing(found: Launch, rapport: Rapport) -> _Standing:
    vault, now = rapport.ledger.vault, rapport.clock()

    def read(connection: Connection) -> _Standing:
        if not is_open(connection, found.id, now):
            return _Standing.ENDED
        key = session_of(connection, found.id)
        session = session_by_key(connection, vault, key, now)
        if session is not None and session.locked is not None:
            return _Standing.HANDED_OVER
        newer = newer_launch_of_another(connection, found, key, now)
        return _Standing.OPEN if newer is None else _Standing.MOVED_ON

    return await rapport.ledger.read(read)


async def _states(found: Launch, rapport: Rapport, language: str) -> bytes:
    vault, now = rapport.ledger.vault, rapport.clock()
    listed = await rapport.ledger.read(
        lambda connection: followed_invitations(connection, vault, found.site, found.patient, now)
    )
    states = []
    for planned, answered in listed:
        form = form_state(rapport.intake.catalogue, planned, answered, now, language)
        states.append(
            {
                "id": planned.id,
                "label": form.label,
                "open": form.is_open,
                "remote": planned.remote,
                "code": _code_number(rapport, planned, now),
            }
        )
    return msgspec.json.encode(states)


@router.head("/code")
@router.get("/code")
async def ask_code(
    rapport: CurrentRapport,
    accept_language: Annotated[str, Header(max_length=500)] = "",
    *,
    wrong: bool = False,
    out: bool = False,
) -> HTMLResponse:
    """Ask for the code that the therapist has read out; say so after one that opened no form, or on a device that is `out`."""
    language = choose_language(accept_language, language_of_installation(rapport))
    return HTMLResponse(render_code(language, wrong=wrong, out=out))


@router.post("/code", dependencies=[Depends(check_origin)])
async def open_by_code(
    request: Request, rapport: CurrentRapport, code: Annotated[str, Form(max_length=40)] = ""
) -> Response:
    """Open the form of a spoken code, which is used with that; wrong ones are counted, by address and in all.

    A device that is handed over opens no other form than that one, so that it uses no other's code.
    """
    vault, now = rapport.ledger.vault, rapport.clock()
    source = place_of(request)
    for where, most in ((source, _MOST_TRIES_FROM_ONE_ADDRESS), ("", _MOST_TRIES_OF_ALL)):
        await rapport.ledger.bookkeep(
            partial(count_try, vault=vault, what="code", source=where, now=now, most=most)
        )
    lives = {site: policy.code_life for site, policy in rapport.settings.policies.items()}
    out_with = await _out_with(request, rapport)
    secret = await rapport.ledger.bookkeep(
        lambda connection: take_code(connection, vault, read_digits(code), now, lives, among=out_with)
    )
    if secret is None:
        failure = "Wrong code" if out_with is None else "A code on a device that is out with another form"
        await rapport.ledger.record(
            rapport.trail.entry(
                Kind.INVITATION_OPENED, Actor(None, "unknown"), site=None, patient=None, failure=failure
            )
        )
        # Another address, so that going back from the form later asks nobody to send the wrong code again.
        why = "wrong" if out_with is None else "out"
        return RedirectResponse(f"/code?{why}=true", status_code=303)
    return RedirectResponse(f"/fill#{secret}", status_code=303)


async def _out_with(request: Request, rapport: Rapport) -> tuple[str, ...] | None:
    """Name the form with which this very device is handed over, if Rapport still knows it; None if it is not."""
    handle, now, vault = request.cookies.get(COOKIE), rapport.clock(), rapport.ledger.vault
    session = await rapport.ledger.read(lambda connection: read_session(connection, vault, handle, now))
    if session is None or session.locked is None:
        return None
    return (session.locked_for,) if session.locked_for else ()
