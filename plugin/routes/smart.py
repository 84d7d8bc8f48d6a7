"""The SMART launch: out to the EHR's authorization server and back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access import launches, sessions
from plugin.access.launches import Launch
from plugin.audit import Actor, Kind
from plugin.cds.cards import Reason, reason_in
from plugin.delivery import notes, outbox
from plugin.ehr import Ehr, EhrError, JsonObject
from plugin.errors import NotFound
from plugin.pages import DeparturePage, ProbePage, render_arrival, render_departure, render_probe
from plugin.roles import Code, read_role_codes
from plugin.routes.carried import is_carried, is_framed
from plugin.routes.ending import end_those_of_another
from plugin.routes.errors import failure_page, spoken_in
from plugin.routes.lock import open_by_sign_in, open_to_clinician, session_by
from plugin.routes.refusals import told_in_trail
from plugin.routes.session_cookie import set_session_cookie
from plugin.routes.state import COOKIE, CurrentRapport, Rapport, actor_of
from smart_launch import (
    USER_UNREAD,
    LaunchContext,
    LaunchExpired,
    LaunchRefused,
    PendingLaunch,
    Site,
    SmartError,
    begin,
    finish,
    public_jwks,
)


async def one_of_each(request: Request) -> None:
    """LaunchRefused if a parameter is given twice: whoever looked at one of them may have meant the other."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) != len(set(names)):
        raise LaunchRefused(
            "A parameter of this address is given more than once.",
            "Open Rapport from the patient's chart.",
            reason="doubled",
        )


_once = (Depends(one_of_each),)
router = APIRouter()


class ElsewhereBegun(LaunchExpired):
    """A launch comes back to another browser than the one that began it, or to one that keeps no cookies for us."""


_log = structlog.get_logger()

_ASKED = ("asked", "none")
"""What `cookies` says in a launch's address once a browser has been asked: look whether one came back, or none can be used."""

INTENTS = {"start-form": "#start", "show-scores": "#scores", "show-responses": "#responses"}
"""Where on the patient page a launch's intent leads; any other opens it from the top."""
_OF_CARDS = {Reason.DUE: "#due", Reason.RUPTURE: "#scores", Reason.REFUSED: "#responses"}
"""And where the link of a card leads, where the launch has no intent."""

LONGEST_ADDRESS = 2000
"""Characters of an address that every browser and gateway takes; a longer request is posted where the EHR takes that."""

_WITHOUT_PATIENT = ("openid", "fhirUser")
_ROLE_SCOPE = "user/PractitionerRole.rs"
_NAME_SCOPES = ("user/Patient.rs", "user/Practitioner.rs")  # the caseload shows names and keeps none


@router.get("/launch", dependencies=_once)
async def launch(
    request: Request,
    rapport: CurrentRapport,
    iss: Annotated[str, Query()] = "",
    launch: Annotated[str, Query()] = "",
) -> Response:
    """EHR launch: the chart opens this address with its issuer and a launch value."""
    if not iss:
        raise LaunchRefused(
            "This address is for EHRs to open, and no EHR is named in it.",
            "Open Rapport from the patient's chart.",
        )
    site = rapport.settings.sites.find(iss)
    if not launch:
        raise LaunchRefused(
            "The EHR did not say which launch this is.", "Open Rapport from the patient's chart."
        )
    return await _depart(request, rapport, site, launch)


@router.get("/standalone/{site_id}", dependencies=_once)
async def standalone(request: Request, site_id: str, rapport: CurrentRapport) -> Response:
    """Standalone launch: sign in to the EHR and choose the patient there."""
    if site_id not in rapport.settings.sites:
        raise NotFound("There is no such site.", "Choose one on the start page.")
    return await _depart(request, rapport, rapport.settings.sites[site_id], None)


@router.get("/staff/{site_id}", dependencies=_once)
async def staff(request: Request, site_id: str, rapport: CurrentRapport) -> Response:
    """Sign in to the EHR without a patient: for those whom the site gives a role of its own."""
    policy = rapport.settings.policies.get(site_id)
    if policy is None or policy.roles.is_empty:
        raise NotFound(
            "This site gives nobody a role beyond a patient's chart.",
            "Add [site.roles] to its settings, or open Rapport from a chart.",
        )
    scopes = (
        *_WITHOUT_PATIENT,
        *((_ROLE_SCOPE,) if policy.roles.codes else ()),
        *(_NAME_SCOPES if policy.roles.teams else ()),
    )
    return await _depart(request, rapport, rapport.settings.sites[site_id], None, scopes)


@router.get("/callback", dependencies=_once)
async def callback(
    request: Request,
    rapport: CurrentRapport,
    state: Annotated[str, Query()] = "",
    code: Annotated[str | None, Query()] = None,
    error: Annotated[str | None, Query()] = None,
    error_description: Annotated[str | None, Query()] = None,
    iss: Annotated[str | None, Query()] = None,
) -> Response:
    """Back from the authorization server: exchange the code, keep the launch, open the patient page."""
    try:
        site, pending, session_key = await _take_pending(request, rapport, state)
    except ElsewhereBegun as elsewhere:
        if is_carried(request):
            raise
        # Perhaps this frame remembers it by its name: its script carries the session, and comes here once more.
        return HTMLResponse(
            render_arrival(failure_page(elsewhere), spoken_in(request)), status_code=elsewhere.status
        )
    request.state.site = site.id
    try:
        configuration = await rapport.directory.discover(site, rapport.http)
        context = await finish(
            site,
            configuration,
            pending,
            code=code,
            state=state,
            error=error,
            error_description=error_description,
            iss=iss,
            http=rapport.http,
            now=rapport.clock(),
        )
        if pending.purpose is not None:
            acting = await _who_acts(rapport, site, context)
            return await open_to_clinician(rapport, pending.purpose, session_key, acting, context)
        codes = await _role_codes(rapport, site, context)
        _check_user(rapport, site, context, codes)
        acting = await _who_acts(rapport, site, context)
        is_altered = await _is_altered(rapport, session_key)
        if is_altered:
            _check_signed_in_since(context, pending.created)
    except SmartError as refusal:
        failed = rapport.trail.entry(
            Kind.LAUNCH, Actor(display="Unknown"), site=site.id, failure=refusal.reason
        )
        await rapport.ledger.record(failed)
        told_in_trail(request)
        raise
    style = await rapport.styles.find(site, context.style_url, rapport.http)
    held = None if is_altered else session_key
    return await _arrive(rapport, site, replace(context, style=style), held, acting, codes)


@router.get("/.well-known/jwks.json")
async def jwks(rapport: CurrentRapport) -> JSONResponse:
    """Our public keys, for EHRs that check our assertions."""
    keys = public_jwks(rapport.settings.signing_keys)
    return JSONResponse(keys, headers={"Cache-Control": "public, max-age=300"})


async def _depart(
    request: Request,
    rapport: Rapport,
    site: Site,
    launch_value: str | None,
    scopes: tuple[str, ...] | None = None,
) -> Response:
    """Leave for the EHR's sign-in, once it is known whether this browser keeps cookies for us here."""
    request.state.site = site.id
    asked = request.query_params.get("cookies")
    held = request.cookies.get(COOKIE)
    if asked == "none" and held is not None and await _is_locked(rapport, held):
        asked = "asked"  # a cookie did come: what is locked cannot be left by saying that none does
    if asked not in _ASKED:
        return _ask_for_cookies(request, held)
    if asked == "asked" and held is not None:
        return await _leave(request, rapport, site, launch_value, scopes, held=held)
    if not is_framed(request):
        raise LaunchRefused(
            "This browser keeps no cookies for Rapport.",
            "Allow cookies for Rapport's address, then open Rapport again.",
            reason="no-cookies",
        )
    return await _leave(request, rapport, site, launch_value, scopes, held=None)


def _ask_for_cookies(request: Request, held: str | None) -> Response:
    """Give a cookie and see whether it comes back; a frame says itself whether it is sandboxed."""
    kept, none = (
        str(request.url.include_query_params(cookies=each).replace(scheme="", netloc="")) for each in _ASKED
    )
    answer: Response
    if request.headers.get("sec-fetch-dest") in {"iframe", "frame"}:
        answer = HTMLResponse(render_probe(ProbePage(kept=kept, none=none), spoken_in(request)))
    else:
        answer = RedirectResponse(kept, status_code=303)
    if held is None:
        set_session_cookie(answer, sessions.new_handle())
    return answer


async def _is_locked(rapport: Rapport, held: str) -> bool:
    now, vault = rapport.clock(), rapport.ledger.vault
    known = await rapport.ledger.read(lambda connection: sessions.read_session(connection, vault, held, now))
    return known is not None and known.locked is not None


async def _leave(
    request: Request,
    rapport: Rapport,
    site: Site,
    launch_value: str | None,
    scopes: tuple[str, ...] | None,
    *,
    held: str | None,
) -> Response:
    """Begin the authorization, bound to the browser: to its cookie, or without one (held None) to the frame's name."""
    configuration = await rapport.directory.discover(site, rapport.http)
    now = rapport.clock()
    vault = rapport.ledger.vault
    known = await rapport.ledger.read(lambda connection: sessions.read_session(connection, vault, held, now))
    # Too many PINs were wrong, or nothing tells whether they were: whoever holds the device must not be let in by what the
    # EHR remembers of somebody else.
    anew = known is not None and known.is_barred
    authorization = begin(site, configuration, launch=launch_value, now=now, scopes=scopes, anew=anew)
    fresh = None if known else sessions.new_handle()
    key = known.key if known else vault.digest("session", fresh or "")

    def store(connection: Connection) -> None:
        if known is None:
            sessions.start_session(connection, key, now)
        launches.save_pending(connection, vault, key, authorization.pending)

    await rapport.ledger.bookkeep(store)
    posted = authorization.by_post and len(authorization.url) > LONGEST_ADDRESS
    answer: Response
    if held is not None and not posted:
        answer = RedirectResponse(authorization.url, status_code=303)
    else:
        page = DeparturePage(
            address=authorization.endpoint if posted else authorization.url,
            fields=authorization.form if posted else (),
            binding=fresh if held is None else None,
        )
        answer = HTMLResponse(render_departure(page, spoken_in(request)))
        # Browsers hold every redirect that follows a form to form-action, and a sign-in may lead over several hosts.
        request.state.form_action = ("https:", "http://localhost:*", "http://127.0.0.1:*") if posted else ()
    if fresh is not None and held is not None:
        set_session_cookie(answer, fresh)
    return answer


async def _take_pending(request: Request, rapport: Rapport, state: str) -> tuple[Site, PendingLaunch, str]:
    now = rapport.clock()
    vault = rapport.ledger.vault
    handle = request.cookies.get(COOKIE, "")
    begun_by = await rapport.ledger.read(
        lambda connection: launches.pending_session(connection, vault, state, now)
    )
    if begun_by is not None and begun_by not in vault.digests("session", handle):
        raise ElsewhereBegun(
            "This launch was begun in another browser, or this browser keeps no cookies for Rapport inside the EHR's page.",
            "Open Rapport again from the patient's chart; if it happens again, allow cookies for Rapport's address, "
            "or ask your administrator to have the EHR open Rapport in a window of its own.",
        )

    def take(connection: Connection) -> tuple[str, PendingLaunch] | None:
        found = launches.take_pending(connection, vault, state, now)
        session = found and sessions.session_by_key(connection, vault, found[0], now)
        if session is not None and not session.is_altered:
            # It holds nothing until the launch is kept in it. One that was altered would be put right by this.
            sessions.touch(connection, session.key, now)
        return found

    taken = await rapport.ledger.bookkeep(take)
    if taken is None:
        raise LaunchExpired(
            "This launch is not known here: it took longer than ten minutes, or the page was loaded twice.",
            "Open Rapport again from the patient's chart.",
        )
    session_key, pending = taken
    return rapport.settings.sites[pending.site_id], pending, session_key


async def _arrive(
    rapport: Rapport,
    site: Site,
    context: LaunchContext,
    session_key: str | None,
    acting: str | None,
    codes: tuple[Code, ...],
) -> Response:
    """Keep the launch in the session that began it, or (None) in one of its own, and open its page.

    What another person of the site had open in that session is over then, and of a device that they handed over the PIN.
    """
    now = rapport.clock()
    vault = rapport.ledger.vault
    policy = rapport.settings.policies[site.id]
    new = Launch(
        id=launches.new_id(),
        site=site.id,
        patient=f"Patient/{context.patient}" if context.patient else "",
        encounter=f"Encounter/{context.encounter}" if context.encounter else None,
        user=acting,
        created=now,
        expires=now + timedelta(hours=policy.session_hours),
        context=context,
    )
    handle = sessions.new_handle()
    key = vault.digest("session", handle)
    if session_key is not None:
        await end_those_of_another(rapport, new, session_key)

    def store(connection: Connection) -> bool:
        lacks_pin = False
        if session_key is None:
            sessions.start_session(connection, key, now)
        else:
            if launches.follows_another(connection, session_key, new):
                lacks_pin = sessions.drop_pin(connection, session_key, now)
            sessions.renew_handle(connection, session_key, key, now)
        launches.save_launch(connection, vault, key, new, codes)
        if new.patient:
            outbox.release_held(connection, site.id, new.patient, now)
            notes.release_held_notes(connection, site.id, new.patient, now)
        return lacks_pin

    audit = rapport.trail.entry(
        Kind.LAUNCH,
        actor_of(new),
        site=site.id,
        patient=new.patient or None,
        about=(f"urn:uuid:{new.id}",),
        server=site.fhir_base,
        details=launches.facts_of(new, codes, site.fhir_base),
    )
    lacks_pin = await rapport.ledger.write(store, audit)
    is_locked = lacks_pin or not await open_by_sign_in(rapport, new, key)
    rapport.worker.wake()
    rapport.courier.wake()
    place = _place_of(context) if new.patient else ""
    answer = RedirectResponse(f"/{'launches' if new.patient else 'desks'}/{new.id}{place}", status_code=303)
    set_session_cookie(answer, handle, lasting=is_locked)
    return answer


async def _is_altered(rapport: Rapport, session_key: str) -> bool:
    known = await session_by(rapport, session_key)
    return known is not None and known.is_altered


def _check_signed_in_since(context: LaunchContext, begun: datetime) -> None:
    """LaunchRefused unless the EHR dates the sign-in after the launch began: the browser may be in a respondent's hands."""
    if context.authenticated is None or context.authenticated <= begun:
        raise LaunchRefused(
            "What Rapport keeps of this browser's session was altered in the database, and the EHR does not say that "
            "somebody has signed in since.",
            "Sign out of the EHR, sign in again and open Rapport from the patient's chart. If it happens again, tell your "
            "administrator: rapport audit verify names what was altered.",
            reason="altered",
        )


def _place_of(context: LaunchContext) -> str:
    reason = reason_in(context.app_context)
    return INTENTS.get(context.intent or "") or (_OF_CARDS[reason] if reason else "")


async def _role_codes(rapport: Rapport, site: Site, context: LaunchContext) -> tuple[Code, ...]:
    """Read what the EHR says that the user is, where the site goes by it; nothing where it does not let us."""
    user = context.user
    if not rapport.settings.policies[site.id].roles.codes or user is None or not user.is_local:
        return ()
    ehr = Ehr(site.fhir_base, context.tokens.access_token, rapport.http, granted=context.granted)
    try:
        if user.type == "PractitionerRole":
            held: Sequence[JsonObject] = (await ehr.read(user.reference),)
        elif user.type == "Practitioner":
            held = await ehr.search("PractitionerRole", {"practitioner": user.id, "active": "true"})
        else:
            return ()
    except EhrError as error:
        _log.warning("roles not read", site=site.id, reason=type(error).__name__)
        return ()
    return tuple(code for each in held for code in read_role_codes(each, user.reference))


class _Target(msgspec.Struct):
    reference: str = ""


class _PersonLink(msgspec.Struct):
    target: _Target = msgspec.field(default_factory=_Target)


class _Person(msgspec.Struct):
    link: tuple[_PersonLink, ...] = ()


async def _who_acts(rapport: Rapport, site: Site, context: LaunchContext) -> str | None:
    """Name the user for record and trail; of a Person, whom the EHR says it is as somebody who treats.

    LaunchRefused where it says so of nobody: a Person may as well be a patient or a parent.
    """
    user = context.user
    if user is None or user.type != "Person":
        return user.reference if user else None
    ehr = Ehr(site.fhir_base, context.tokens.access_token, rapport.http, granted=context.granted)
    try:
        person = msgspec.convert(await ehr.read(user.reference), _Person)
    except (EhrError, msgspec.ValidationError):
        raise LaunchRefused(
            "The EHR named a Person and did not let Rapport read who that is.",
            "Ask the administrator to have user/Person.r granted, or to open Rapport as a Practitioner.",
            reason="person-unread",
        ) from None
    known = (each.target.reference.removeprefix(f"{ehr.base}/") for each in person.link)
    acting = next((each for each in known if each.startswith(("Practitioner/", "PractitionerRole/"))), None)
    if acting is None:
        raise _not_staff()
    return acting


def _not_staff() -> LaunchRefused:
    return LaunchRefused(
        "These pages are for the people who treat.",
        "A form for you is opened by the link or the code that your therapist gives you.",
        reason="not-staff",
    )


def _check_user(rapport: Rapport, site: Site, context: LaunchContext, codes: tuple[Code, ...]) -> None:
    """LaunchRefused for those to whom no page of ours belongs; a form is opened by its own link, never by a launch."""
    user = context.user
    if (user is not None and user.type in {"Patient", "RelatedPerson"}) or USER_UNREAD in context.notes:
        raise _not_staff()
    if context.patient is not None:
        return
    if not rapport.settings.policies[site.id].roles.roles_of(user.reference if user else None, codes):
        raise LaunchRefused(
            "The EHR did not say which patient this is about.",
            "Choose a patient in the EHR, then open Rapport. Pages beyond one patient are for those whom the site's "
            "settings name.",
            reason="no-patient",
        )
