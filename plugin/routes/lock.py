"""The lock of a device that is handed over: the PIN that opens it, and the ways that are left when too many were wrong."""

import asyncio
from functools import partial
from math import ceil
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access import sessions
from plugin.access.invitations import Invitation, held_form, language_of_latest
from plugin.access.launches import Launch, launches_in, read_launch, save_pending
from plugin.audit import Kind
from plugin.errors import NotSignedIn
from plugin.ledger import AuditRow, Vault
from plugin.pages import LockPage, interface_language, render_lock
from plugin.routes.carried import is_carried
from plugin.routes.errors import wants_page
from plugin.routes.refusals import record_refusal
from plugin.routes.session_cookie import keep_session_cookie, set_session_cookie
from plugin.routes.state import (
    CurrentLaunch,
    CurrentRapport,
    CurrentSession,
    OwnLaunch,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    csrf_token,
    language_for,
)
from smart_launch import LaunchContext, begin

router = APIRouter(prefix="/launches/{launch}", dependencies=[Depends(check_origin)])

# The lock stands where a note was being written.
ToNote = Annotated[bool, Query()]
# What the PIN before was: not the right one, or none at all.
Wrong = Annotated[bool, Query()]
NoPin = Annotated[bool, Query()]

_SIGNED_IN = "Signed in to the EHR anew"
_ELSEWHERE = "Opened from another browser"


@router.get("/return")
async def ask_pin(
    found: OwnLaunch,
    request: Request,
    session: CurrentSession,
    rapport: CurrentRapport,
    opened: Annotated[bool, Query()] = True,
    wrong: Wrong = False,
    no_pin: NoPin = False,
    note: ToNote = False,
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask for the clinician's PIN; straight to the page that it opens where nothing is locked."""
    if session.locked is None:
        return RedirectResponse(_behind(found, note=note), status_code=303)
    reader = language_for(rapport, found.site, accept_language)
    # Of a hand-over before this one the address may still say that a PIN was wrong.
    page = _page(
        request,
        rapport,
        found,
        session,
        reader=reader,
        wrong=wrong and session.pin_attempts > 0,
        no_pin=no_pin,
        wrong_sign_in=not opened,
        note=note,
    )
    return HTMLResponse(await page)


def _behind(found: Launch, *, note: bool) -> str:
    """Name the page that the lock opens: the patient's, or the note whose place it took."""
    return f"/launches/{found.id}/notes/new" if note else f"/launches/{found.id}"


@router.get("/return/sign-in")
async def sign_in_anew(found: OwnLaunch, session: CurrentSession, rapport: CurrentRapport) -> Response:
    """Leave for the EHR's sign-in, which opens the lock for whoever handed the device over, whether or not PINs were wrong."""
    if session.locked is None:
        return RedirectResponse(f"/launches/{found.id}", status_code=303)
    site, vault = rapport.settings.sites[found.site], rapport.ledger.vault
    configuration = await rapport.directory.discover(site, rapport.http)
    # Who it is, and nothing of a patient: it is for the launch that there is.
    scopes = ("openid", "fhirUser", *(each for each in site.scopes if each.startswith("user/Person.")))
    authorization = begin(
        site, configuration, launch=None, now=rapport.clock(), scopes=scopes, anew=True, purpose=found.id
    )
    await rapport.ledger.bookkeep(
        lambda connection: save_pending(connection, vault, session.key, authorization.pending)
    )
    return RedirectResponse(authorization.url, status_code=303)


@router.post("/return")
async def give_back(
    request: Request,
    found: OwnLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form()],
    pin: Annotated[str, Form()] = "",
    note: ToNote = False,
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Unlock with the PIN; after five wrong ones it stays locked, and the next is looked at after a while.

    What is no PIN at all is not counted.
    """
    check_csrf(rapport, found, csrf)
    if session.locked is None or session.pin is None:
        return RedirectResponse(_behind(found, note=note), status_code=303)
    reader = language_for(rapport, found.site, accept_language)
    ask_again = partial(_ask_again, request, rapport, found, session, reader=reader, note=note)
    now, typed = rapport.clock(), sessions.read_pin(pin)
    if typed is None:
        return await ask_again(422, no_pin=True)
    left = await rapport.ledger.bookkeep(
        lambda connection: sessions.count_attempt(connection, session.key, now)
    )
    if left is None:  # counted with the refusals: these can be as many as somebody likes
        why = "PIN not looked at: too many were wrong"
        await record_refusal(request, rapport, _ended(rapport, found, form=session.locked_for, failure=why))
        return await ask_again(429)
    if not await asyncio.to_thread(sessions.is_pin, typed, session.pin):
        await rapport.ledger.record(_ended(rapport, found, form=session.locked_for, failure="Wrong PIN"))
        return await ask_again(403, wrong=True)
    audit = _ended(rapport, found, form=session.locked_for)
    await rapport.ledger.write(lambda connection: sessions.unlock(connection, session.key, now), audit)
    answer = RedirectResponse(_behind(found, note=note), status_code=303)
    keep_session_cookie(request, answer, lasting=False)
    return answer


async def _ask_again(
    request: Request,
    rapport: Rapport,
    found: Launch,
    session: sessions.Session,
    status: int,
    *,
    reader: str,
    note: bool,
    **said: bool,
) -> Response:
    """Lead a browser to the lock's own address, so that loading it again or going back sends no PIN a second time.

    The script of the filled screen gets the page at once: for it a redirection says that nothing is locked any more.
    """
    if wants_page(request):
        asked = urlencode({name: "true" for name, is_so in {**said, "note": note}.items() if is_so})
        return RedirectResponse(f"/launches/{found.id}/return{'?' if asked else ''}{asked}", status_code=303)
    known = await session_by(rapport, session.key) or session
    page = await _page(request, rapport, found, known, reader=reader, note=note, **said)
    return HTMLResponse(page, status_code=status)


@router.post("/devices/open")
async def open_device(
    found: CurrentLaunch,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form()],
    form: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Open another browser in which too many PINs were wrong, handed over with this form of this patient."""
    check_csrf(rapport, found, csrf)
    vault = rapport.ledger.vault
    barred = await rapport.ledger.read(
        lambda connection: sessions.barred_devices(connection, vault, found.site, found.patient)
    )
    device = next((each for each in barred if each.form == form), None)
    if device is not None:  # else it was opened meanwhile
        entry = _ended(rapport, found, form=form, reason=_ELSEWHERE)
        await rapport.ledger.write(lambda connection: sessions.open_lock(connection, device.key), entry)
    return RedirectResponse(f"/launches/{found.id}", status_code=303)


async def open_by_sign_in(rapport: Rapport, new: Launch, key: str) -> bool:
    """Open a lock on which too many PINs were wrong, or which has none, if its new launch proves a sign-in later than that; False if it is locked.

    The proof is auth_time of the id_token (OpenID Connect Core 2): without it, or with an older one, the lock stays.
    """
    known = await session_by(rapport, key)
    if known is None or known.locked is None:
        return True
    signed_in = new.context.authenticated
    if not known.is_barred or signed_in is None or signed_in <= known.locked:
        return False
    entry = _ended(rapport, new, form=known.locked_for, reason=_SIGNED_IN)
    await rapport.ledger.write(lambda connection: sessions.open_lock(connection, key), entry)
    return True


async def open_to_clinician(
    rapport: Rapport, launch: str, key: str, acting: str | None, context: LaunchContext
) -> Response:
    """Open a lock for the clinician who signed in from its page, if the launch is theirs and so was the hand-over.

    The proof is that of open_by_sign_in. After five wrong PINs, and where none opens it, another's hand-over opens, too, as by
    a launch from the chart.
    """
    vault, now = rapport.ledger.vault, rapport.clock()

    def read(connection: Connection) -> tuple[Launch | None, sessions.Session | None, Invitation | None]:
        known = sessions.session_by_key(connection, vault, key, now)
        form = held_form(connection, vault, known.locked_for) if known else None
        return read_launch(connection, vault, launch, key, now), known, form

    found, known, form = await rapport.ledger.read(read)
    if found is None or known is None:
        raise NotSignedIn(
            "This page belongs to a launch that has ended or to another browser.",
            "Open Rapport again from the patient's chart in the EHR.",
        )
    to = f"/launches/{found.id}"
    if known.locked is None:
        return RedirectResponse(to, status_code=303)
    is_own = acting is not None and acting == found.user
    may = is_own and (known.is_barred or form is None or form.author == acting)
    signed_in = context.authenticated
    if not may or signed_in is None or signed_in <= known.locked:
        refused = _ended(rapport, found, form=known.locked_for, failure="The sign-in did not open it")
        await rapport.ledger.record(refused)
        return RedirectResponse(f"{to}/return?opened=false", status_code=303)
    handle = sessions.new_handle()
    renewed = vault.digest("session", handle)

    def store(connection: Connection) -> None:
        sessions.renew_handle(connection, key, renewed, now)
        sessions.open_lock(connection, renewed)

    entry = _ended(rapport, found, form=known.locked_for, reason=_SIGNED_IN)
    await rapport.ledger.write(store, entry)
    answer = RedirectResponse(to, status_code=303)
    set_session_cookie(answer, handle)
    return answer


def _ended(
    rapport: Rapport,
    found: Launch,
    *,
    form: str | None,
    reason: str | None = None,
    failure: str | None = None,
) -> AuditRow:
    """Make the entry; it names the launch, and the form that the device was handed over with."""
    return rapport.trail.entry(
        Kind.HAND_OVER_ENDED,
        actor_of(found),
        site=found.site,
        patient=found.patient or None,
        about=tuple(f"urn:uuid:{each}" for each in (form, found.id) if each),
        reason=reason,
        failure=failure,
    )


def _language(connection: Connection, vault: Vault, session: sessions.Session) -> str | None:
    form = held_form(connection, vault, session.locked_for)
    launches = launches_in(connection, session.key)
    return form.language if form else language_of_latest(connection, vault, launches)


async def session_by(rapport: Rapport, key: str) -> sessions.Session | None:
    """Read a browser's session as it is now, by the digest of its handle; None if it is gone."""
    vault, now = rapport.ledger.vault, rapport.clock()
    return await rapport.ledger.read(lambda connection: sessions.session_by_key(connection, vault, key, now))


async def _page(
    request: Request,
    rapport: Rapport,
    found: Launch,
    session: sessions.Session,
    *,
    reader: str,
    wrong: bool = False,
    no_pin: bool = False,
    wrong_sign_in: bool = False,
    note: bool = False,
) -> str:
    """Show the lock: to the respondent in the words of their form, of whichever chart it is; the rest to the clinician."""
    vault = rapport.ledger.vault
    language = await rapport.ledger.read(lambda connection: _language(connection, vault, session))
    left, wait = max(0, sessions.PIN_ATTEMPTS - session.pin_attempts), None
    if session.is_barred and session.next_try is not None:
        left = 1
        minutes = (session.next_try - rapport.clock()).total_seconds() / 60
        wait = ceil(minutes) if minutes > 0 else None
    return render_lock(
        LockPage(
            launch=found.id,
            csrf=csrf_token(rapport, found),
            attempts_left=left,
            wrong=wrong,
            no_pin=no_pin,
            language=interface_language(language or "en"),
            reader=reader,
            is_barred=session.is_barred,
            lacks_pin=session.lacks_pin,
            note=note,
            wait=wait,
            wrong_sign_in=wrong_sign_in,
            # Without cookies a sign-in begins another session, in which nothing is locked.
            offers_sign_in=not is_carried(request),
        )
    )
