"""Signing out of this browser, and ending one's sessions in others. Never while the device is handed over."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Header, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access import sessions
from plugin.access.desks import Desk
from plugin.access.invitations import Invitation, begun_here, withdraw
from plugin.access.launches import Launch, Open, SignedIn, browsers_of, open_beside, open_in
from plugin.access.unsaved import unsaved_of
from plugin.audit import Actor, Kind
from plugin.errors import InvitationUnusable, NotFound
from plugin.ledger import Vault
from plugin.pages import choose_language
from plugin.pages.look import look_address
from plugin.pages.parting import (
    BrowserLine,
    PartingPage,
    SessionsPage,
    render_parting,
    render_sessions,
    render_signed_out,
)
from plugin.routes.desk import AnyDesk, Csrf
from plugin.routes.ending import end_launches
from plugin.routes.session_cookie import forget_session_cookie
from plugin.routes.state import (
    CurrentLaunch,
    CurrentRapport,
    CurrentSession,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    csrf_token,
    language_for,
    language_of_installation,
)

router = APIRouter(dependencies=[Depends(check_origin)])

OTHERS = "others"
_SIGNED_OUT = "Signed out"
_FROM_ELSEWHERE = "Ended by the same person from another browser"

Language = Annotated[str | None, Header(alias="Accept-Language")]
Which = Annotated[str, Form(max_length=40)]


@router.post("/launches/{launch}/sign-out")
async def leave_chart(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    csrf: Csrf,
    sure: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Sign out: everything that is open in this browser is closed; after a question where answers or a note would be lost."""
    check_csrf(rapport, found, csrf)
    return await _sign_out(rapport, found, session, sure=sure)


@router.get("/launches/{launch}/sign-out")
async def ask_before_leaving_chart(
    found: CurrentLaunch, session: CurrentSession, rapport: CurrentRapport, accept_language: Language = None
) -> Response:
    """Ask whether what was begun here is withdrawn; the patient page where there is nothing to lose."""
    return await _ask(rapport, found, session, accept_language)


@router.post("/desks/{desk}/sign-out")
async def leave_desk(
    found: AnyDesk,
    session: CurrentSession,
    rapport: CurrentRapport,
    csrf: Csrf,
    sure: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Sign out, from a desk."""
    check_csrf(rapport, found, csrf)
    return await _sign_out(rapport, found, session, sure=sure)


@router.get("/desks/{desk}/sign-out")
async def ask_before_leaving_desk(
    found: AnyDesk, session: CurrentSession, rapport: CurrentRapport, accept_language: Language = None
) -> Response:
    """Ask the same at a desk."""
    return await _ask(rapport, found, session, accept_language)


@router.get("/signed-out")
async def signed_out(
    rapport: CurrentRapport, accept_language: Annotated[str, Header(max_length=500)] = ""
) -> HTMLResponse:
    """Say that it is over in this browser, and that the EHR is another matter."""
    return HTMLResponse(
        render_signed_out(choose_language(accept_language, language_of_installation(rapport)))
    )


@router.get("/launches/{launch}/sessions")
async def sessions_of_clinician(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    accept_language: Language = None,
    ended: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show where this person is signed in."""
    return await _show(rapport, found, session, accept_language, told=ended)


@router.get("/desks/{desk}/sessions")
async def sessions_of_staff(
    found: AnyDesk,
    session: CurrentSession,
    rapport: CurrentRapport,
    accept_language: Language = None,
    ended: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show where this person is signed in, from a desk."""
    return await _show(rapport, found, session, accept_language, told=ended)


@router.post("/launches/{launch}/sessions/end")
async def end_from_chart(
    found: CurrentLaunch, session: CurrentSession, rapport: CurrentRapport, csrf: Csrf, which: Which = ""
) -> RedirectResponse:
    """End this person's session in another browser, or in all others."""
    check_csrf(rapport, found, csrf)
    return await _end(rapport, found, session, which)


@router.post("/desks/{desk}/sessions/end")
async def end_from_desk(
    found: AnyDesk, session: CurrentSession, rapport: CurrentRapport, csrf: Csrf, which: Which = ""
) -> RedirectResponse:
    """The same from a desk."""
    check_csrf(rapport, found, csrf)
    return await _end(rapport, found, session, which)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is open in this browser, the forms that were begun in it, and what would be lost with them."""

    open: tuple[Open, ...]
    forms: tuple[Invitation, ...]
    answered: int  # of the forms
    writing: tuple[str, ...]  # the launches in which a note is being written

    @property
    def is_lost(self) -> bool:
        """Tell whether signing out loses something that somebody wrote."""
        return bool(self.answered or self.writing)


async def _begun(rapport: Rapport, session: sessions.Session) -> _Begun:
    now, ledger = rapport.clock(), rapport.ledger
    all_open = await ledger.read(lambda connection: open_in(connection, session.key))
    ids = [each.id for each in all_open]
    forms = await ledger.read(lambda connection: begun_here(connection, ids, now))
    charts = [each.id for each in all_open if each.patient and each.expires > now]
    return _Begun(
        all_open,
        tuple(form for form, _ in forms),
        sum(has_answers for _, has_answers in forms),
        await ledger.read(lambda connection: _written_in(connection, ledger.vault, session.key, charts)),
    )


def _written_in(connection: Connection, vault: Vault, session: str, charts: Iterable[str]) -> tuple[str, ...]:
    """Name for each note that is being written one chart in which its writing can go on."""
    notes: dict[str, str] = {}
    for chart in charts:
        beside = open_beside(connection, session, chart)
        notes.update((each.note, chart) for each in unsaved_of(connection, vault, beside))
    return tuple(dict.fromkeys(notes.values()))


async def _ask(
    rapport: Rapport, found: Launch | Desk, session: sessions.Session, accept_language: str | None
) -> Response:
    begun = await _begun(rapport, session)
    if not begun.is_lost:
        return RedirectResponse(_base(found), status_code=303)
    page = PartingPage(
        _base(found),
        csrf_token(rapport, found),
        begun.answered,
        tuple(f"/launches/{each}/notes/new" for each in begun.writing),
        language_for(rapport, found.site, accept_language),
        _look(found),
    )
    return HTMLResponse(render_parting(page))


async def _sign_out(
    rapport: Rapport, found: Launch | Desk, session: sessions.Session, *, sure: bool
) -> RedirectResponse:
    begun = await _begun(rapport, session)
    if begun.is_lost and not sure:
        return RedirectResponse(f"{_base(found)}/sign-out", status_code=303)
    for form in begun.forms:  # their addresses are in this browser's history
        await _withdraw(rapport, actor_of(found), form)
    # With the first the session is gone, and nothing opens by it any more.
    await end_launches(rapport, found, begun.open, _SIGNED_OUT, session=session.key)
    answer = RedirectResponse("/signed-out", status_code=303)
    forget_session_cookie(answer)
    return answer


async def _withdraw(rapport: Rapport, actor: Actor, form: Invitation) -> None:
    entry = rapport.trail.entry(
        Kind.INVITATION_WITHDRAWN,
        actor,
        site=form.site,
        patient=form.patient,
        about=(f"urn:uuid:{form.id}",),
        reason=_SIGNED_OUT,
    )
    with suppress(InvitationUnusable):  # sent in this very moment: then it is kept
        await rapport.ledger.write(
            lambda connection: withdraw(connection, form.id, form.site, form.patient), entry
        )


async def _show(
    rapport: Rapport,
    found: Launch | Desk,
    session: sessions.Session,
    accept_language: str | None,
    *,
    told: bool,
) -> HTMLResponse:
    here, others = await _browsers(rapport, found, session)
    page = SessionsPage(
        base=_base(found),
        csrf=csrf_token(rapport, found),
        here=_line(here, found.patient) if here else None,
        others=tuple(_line(each, found.patient) for each in others),
        is_named=found.user is not None,
        told=told,
        language=language_for(rapport, found.site, accept_language),
        look=_look(found),
    )
    return HTMLResponse(render_sessions(page))


async def _end(
    rapport: Rapport, found: Launch | Desk, session: sessions.Session, which: str
) -> RedirectResponse:
    _, others = await _browsers(rapport, found, session)
    chosen = [each for each in others if which == OTHERS or which in {one.id for one in each.open}]
    if not chosen and which != OTHERS:
        raise NotFound("This session has ended already.", "Load the page again.")
    for each in chosen:
        left = await rapport.ledger.read(partial(open_in, session=each.session))
        is_all = {one.id for one in left} <= {
            one.id for one in each.open
        }  # else somebody is signed in there at another site, or unnamed, too
        await end_launches(
            rapport, found, each.open, _FROM_ELSEWHERE, session=each.session if is_all else None
        )
    return RedirectResponse(f"{_base(found)}/sessions?ended=true", status_code=303)


async def _browsers(
    rapport: Rapport, found: Launch | Desk, session: sessions.Session
) -> tuple[SignedIn | None, list[SignedIn]]:
    """Give this browser and the others in which the same user of the site is signed in."""
    now = rapport.clock()
    listed = await rapport.ledger.read(
        lambda connection: browsers_of(connection, found.site, found.user, session.key, now)
    )
    here = next((each for each in listed if each.session == session.key), None)
    return here, [each for each in listed if each is not here]


def _line(browser: SignedIn, patient: str | None) -> BrowserLine:
    charts = [each.patient for each in browser.open if each.patient]
    return BrowserLine(
        id=browser.open[0].id,
        since=browser.since,
        last_used=browser.last_seen,
        charts=len(charts),
        desks=len(browser.open) - len(charts),
        has_this_patient=patient in charts,
        handed_over=browser.locked,
    )


def _look(found: Launch | Desk) -> str | None:
    return look_address(found.context.style) if isinstance(found, Launch) else None


def _base(found: Launch | Desk) -> str:
    return f"/{'launches' if isinstance(found, Launch) else 'desks'}/{found.id}"
