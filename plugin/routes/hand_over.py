"""Hand-over: make an invitation, or go on with one, and lock the clinician's session. plugin.routes.lock gives it back."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access import sessions
from plugin.access.gates import Gate, choose_gate, days_before, has_consent
from plugin.access.invitations import (
    Draft,
    Invitation,
    InvitationState,
    check_usable,
    count_answers,
    create_invitation,
    facts_of,
    find_begun,
    held_form,
    new_id,
    read_draft,
    read_invitation,
    read_secret,
    save_draft,
    withdraw,
)
from plugin.access.launches import Launch
from plugin.audit import Kind
from plugin.days import read_day
from plugin.errors import Invalid, InvitationUnusable
from plugin.pages import ChosenForm, WithdrawPage, render_patient, render_withdraw, told_on
from plugin.pages.look import look_address
from plugin.routes.asked import read_begun
from plugin.routes.chart import as_observer, is_of_session, read_age, read_born, read_respondent
from plugin.routes.offering import choose_form, mark_of
from plugin.routes.patient import patient_page_for
from plugin.routes.remote import name_asked
from plugin.routes.session_cookie import keep_session_cookie
from plugin.routes.state import (
    CurrentLaunch,
    CurrentRapport,
    CurrentSession,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    csrf_token,
    ehr_for,
    language_for,
)
from plugin.routes.views import form_state
from questionnaires import Instrument, Rater

router = APIRouter(prefix="/launches/{launch}", dependencies=[Depends(check_origin)])


_GO_ON = "on "  # what the press of a form under way says, before the form's id


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the clinician asked for."""

    respondent: str
    instrument: str
    language: str
    remote: bool
    consent_again: bool
    day: str | None = None  # as it was typed; None: nobody could choose one


@dataclass(frozen=True, slots=True)
class _Start:
    """A form to be started, or to go on; `pin`, hashed: the device is locked."""

    planned: Invitation
    begun: Draft
    session: str
    pin: str | None
    promised: frozenset[str] = frozenset()  # of what was begun, on the page on which it was


class _BegunMeanwhile(Exception):
    """Another press began or ended the form that would have gone on."""


@router.post("/invitations")
async def invite(
    request: Request,
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form()],
    respondent: Annotated[str, Form()] = "",
    instrument: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    pin: Annotated[str, Form()] = "",
    way: Annotated[Literal["device", "link", "look"], Form()] = "device",
    day: Annotated[str, Form()] = "",
    press: Annotated[str, Form()] = "",
    continues: Annotated[str, Form()] = "",
    consent_again: Annotated[bool, Form()] = False,
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Start a form: by link, or on this device, locked for a respondent and open at once for the therapist.

    `press` says all of it at once, as the buttons of those who are due do. What the same person has under way of
    the same form goes on where it was left, whichever launch began it: nobody has two of a kind. A PIN that was typed before in
    this sign-in serves again unless another is typed. What is refused stands in the patient page's form again. `look` starts
    nothing: it leads to the form as its respondents see it.
    """
    check_csrf(rapport, found, csrf)
    wish = _Wish(respondent, instrument, language, way == "link", consent_again, day.strip())
    try:
        if press.startswith(_GO_ON):
            return await _go_on(request, rapport, found, session, press.removeprefix(_GO_ON), pin)
        if way == "look" and not press:
            choose_form(rapport, found.site, instrument, language)
            asked = urlencode({"language": language, "who": mark_of(rapport, found, respondent)})
            path = f"/launches/{found.id}/forms/{quote(instrument, safe='')}?{asked}"
            return RedirectResponse(path, status_code=303)
        return await _invite(request, rapport, found, session, _read_press(press) or wish, pin, continues)
    except Invalid as refused:
        chosen = None if press else ChosenForm(respondent, instrument, language, again=consent_again, day=day)
        page = await patient_page_for(rapport, found, session, accept_language)
        return HTMLResponse(render_patient(told_on(page, str(refused), chosen)), refused.status)


@asynccontextmanager
async def _saving(rapport: Rapport, session: str) -> AsyncIterator[None]:
    """Have the chart's pages in this browser wait until a hand-over is saved, or has failed: it may be somebody else's by then."""
    began = rapport.clock()
    await rapport.ledger.bookkeep(lambda connection: sessions.begin_hand_over(connection, session, began))
    try:
        yield
    finally:
        await rapport.ledger.bookkeep(lambda connection: sessions.end_hand_over(connection, session, began))


async def _invite(
    request: Request,
    rapport: Rapport,
    found: Launch,
    session: sessions.Session,
    wish: _Wish,
    pin: str,
    continues: str,
) -> Response:
    vault = rapport.ledger.vault
    async with _saving(rapport, session.key):
        planned = await _plan(rapport, found, wish)
        on_paper = rapport.intake.catalogue.by_id(wish.instrument).licence_kind == "score-entry"
        handed_over = not (Rater(planned.rater).is_signed_in or planned.remote or on_paper)
        hashed = await _hash(pin, session) if handed_over else None
        begun = await _begun(rapport, found, continues, wish.instrument)
        versions = rapport.intake.catalogue.versions_of(planned.instrument)
        left = await rapport.ledger.read(lambda connection: find_begun(connection, vault, planned, versions))
        if left is not None and wish.consent_again:
            if await _answers_of(rapport, found, left.id):
                raise Invalid(
                    "This form has answers already, which would be lost if a caregiver is asked again.",
                    "Cancel it first: it says how many. Then start it anew.",
                )
            await _withdraw(rapport, found, left.id, "A caregiver is asked again")
        elif left is not None:
            _check_goes_on(left, planned)
        shown = planned if left is None or wish.consent_again else left
        if planned.remote and shown is left:
            return RedirectResponse(f"/launches/{found.id}/invitations/{left.id}", status_code=303)
        start = _Start(planned, begun, session.key, hashed)
        if shown is left and _must_be_asked(left, planned.gate):
            start = await _ask_first(rapport, found, left, start)
        secret = await _start(rapport, found, start)
    if planned.remote:
        return RedirectResponse(f"/launches/{found.id}/invitations/{planned.id}", status_code=303)
    return _opened(request, secret, handed_over=handed_over)


async def _go_on(
    request: Request, rapport: Rapport, found: Launch, session: sessions.Session, form: str, pin: str
) -> Response:
    """Hand over again, or open again, a form of this patient that is under way, with its answers."""
    vault, now = rapport.ledger.vault, rapport.clock()
    async with _saving(rapport, session.key):
        left = await rapport.ledger.read(lambda connection: read_invitation(connection, vault, form))
        if left is None or (left.site, left.patient) != (found.site, found.patient):
            raise Invalid("There is no such form of this patient.", "Load the page again.")
        check_usable(left, now)
        is_own = Rater(left.rater).is_signed_in
        if is_own and left.source != found.author:
            raise Invalid("This form is a colleague's own.", "Choose who answers from the list.")
        instrument = rapport.intake.catalogue.nearest(left.instrument)
        on_paper = instrument is not None and instrument.licence_kind == "score-entry"
        handed_over = not (is_own or on_paper)
        hashed = await _hash(pin, session) if handed_over else None
        start = _Start(replace(left, created=now), {}, session.key, hashed)
        if left.rater == Rater.CHILD and not on_paper:
            wish = _Wish(left.source, left.instrument, left.language, remote=False, consent_again=False)
            if _must_be_asked(left, await _choose_gate(rapport, found, wish)):
                start = await _ask_first(rapport, found, left, start)
        secret = await _start(rapport, found, start)
    return _opened(request, secret, handed_over=handed_over)


def _must_be_asked(left: Invitation, gate: Gate | str | None) -> bool:
    """Whether a caregiver has to agree now to a form that was begun when nobody had to: before the site set an age."""
    asking = {Gate.CONSENT, Gate.BOTH}
    return gate in asking and left.gate not in asking


async def _ask_first(rapport: Rapport, found: Launch, left: Invitation, start: _Start) -> _Start:
    """Put a form with the gate, and with what was answered, in the place of one that was begun without.

    What the trail told of a form when it was made, its gate too, never changes.
    """
    vault, now = rapport.ledger.vault, rapport.clock()
    kept = await rapport.ledger.read(lambda connection: read_draft(connection, vault, left.id))
    await _withdraw(rapport, found, left.id, "A caregiver is asked first")
    planned = replace(
        left,
        id=new_id(),
        launch=found.id,
        author=found.author,
        created=now,
        expires=now + timedelta(hours=rapport.settings.policies[found.site].invitation_hours),
        state=InvitationState.CREATED,
        remote=False,
        gate=Gate.CONSENT,
        gate_answer=None,
    )
    return replace(start, planned=planned, begun=kept.answers, promised=kept.promised)


def _opened(request: Request, secret: str, *, handed_over: bool) -> Response:
    answer = RedirectResponse(f"/fill#{secret}", status_code=303)
    if handed_over:
        keep_session_cookie(request, answer, lasting=True)
    return answer


def _check_goes_on(left: Invitation, planned: Invitation) -> None:
    """Invalid where what is under way cannot go on as is asked: then it is gone on with as it is, or cancelled first."""
    if left.language != planned.language or (planned.remote and not left.remote):
        raise Invalid(
            "This person has this form already: in another language, or on a device.",
            "Go on with it, or cancel it first.",
        )


@router.post("/invitations/{invitation}/withdraw")
async def cancel(
    invitation: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    csrf: Annotated[str, Form()],
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Withdraw a form that has not come back; with answers only after a question, which has a page of its own to go back to.

    One that came meanwhile is told; a second press finds it withdrawn.
    """
    check_csrf(rapport, found, csrf)
    vault = rapport.ledger.vault
    if not sure and await _answers_of(rapport, found, invitation):
        return RedirectResponse(
            f"/launches/{found.id}/invitations/{quote(invitation)}/withdraw", status_code=303
        )
    try:
        await _withdraw(rapport, found, invitation)
    except InvitationUnusable:
        left = await rapport.ledger.read(lambda connection: held_form(connection, vault, invitation))
        came = (found.site, found.patient, InvitationState.SUBMITTED)
        if left is not None and (left.site, left.patient, left.state) == came:
            raise
    return RedirectResponse(f"/launches/{found.id}", status_code=303)


@router.get("/invitations/{invitation}/withdraw")
async def ask_before_withdrawing(
    invitation: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask whether a form is withdrawn with its answers; the patient page where there is nothing to lose any more."""
    page = await _withdraw_page(rapport, found, invitation, accept_language)
    if page is None:
        return RedirectResponse(f"/launches/{found.id}", status_code=303)
    return HTMLResponse(render_withdraw(page))


async def _withdraw_page(
    rapport: Rapport, found: Launch, invitation: str, accept_language: str | None
) -> WithdrawPage | None:
    """Say what withdrawing a form would lose; None if it has no answers."""
    kept = await _answers_of(rapport, found, invitation)
    if kept is None:
        return None
    left, answers = kept
    language = language_for(rapport, found.site, accept_language)
    of = f"/launches/{found.id}"
    return WithdrawPage(
        launch=found.id,
        csrf=csrf_token(rapport, found),
        invitation=left.id,
        who=await name_asked(rapport, found, left),
        rater=left.rater,
        instrument=form_state(rapport.intake.catalogue, left, answers, rapport.clock(), language).instrument,
        answers=answers,
        back=f"{of}/invitations/{left.id}" if left.remote else of,
        look=look_address(found.context.style),
        language=language,
    )


async def _answers_of(rapport: Rapport, found: Launch, invitation: str) -> tuple[Invitation, int] | None:
    """Give a form of this patient that has answers and is not sent, and how many."""
    vault = rapport.ledger.vault
    answers, left = await rapport.ledger.read(
        lambda connection: (
            count_answers(connection, vault, invitation, found.site, found.patient),
            held_form(connection, vault, invitation),
        )
    )
    # One that was altered is no use to anybody: it is withdrawn at once.
    return (left, answers) if answers and left is not None else None


async def _withdraw(rapport: Rapport, found: Launch, invitation: str, reason: str | None = None) -> None:
    audit = rapport.trail.entry(
        Kind.INVITATION_WITHDRAWN,
        actor_of(found),
        site=found.site,
        patient=found.patient,
        about=(f"urn:uuid:{invitation}",) if _is_uuid(invitation) else (),
        reason=reason,
    )
    await rapport.ledger.write(
        lambda connection: withdraw(connection, invitation, found.site, found.patient), audit
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _read_press(press: str) -> _Wish | None:
    """Read what one press says: way, form, language and person, with spaces between; None if nothing was pressed."""
    if not press:
        return None
    way, _, rest = press.partition(" ")
    instrument, _, rest = rest.partition(" ")
    language, _, respondent = rest.partition(" ")
    if way not in ("device", "link"):
        raise Invalid("This button is not known.", "Load the page again.")
    return _Wish(respondent, instrument, language, remote=way == "link", consent_again=False)


async def _hash(pin: str, session: sessions.Session) -> str:
    """Hash the PIN that was typed; without one give that of the last hand-over of this sign-in."""
    if not pin and session.pin is not None:
        return session.pin
    return await asyncio.to_thread(sessions.hash_pin, sessions.read_new_pin(pin))


async def _start(rapport: Rapport, found: Launch, start: _Start) -> str:
    """Make the invitation, or go on with one, and give its secret; the entry names it, and tells of a new one."""
    vault, planned = rapport.ledger.vault, start.planned
    versions = rapport.intake.catalogue.versions_of(planned.instrument)

    def find_left(connection: Connection) -> Invitation | None:
        return find_begun(connection, vault, planned, versions)

    def store(connection: Connection, left: Invitation | None) -> str:
        if find_left(connection) != left:
            raise _BegunMeanwhile
        if start.pin is not None:
            sessions.lock(connection, start.session, start.pin, planned.created, (left or planned).id)
        if left:
            return read_secret(connection, vault, left.id)
        made = create_invitation(connection, vault, planned)
        if start.begun:
            begun, promised = start.begun, start.promised
            save_draft(connection, vault, planned.id, begun, (), planned.created, promised=promised)
        return made

    secret = None
    while secret is None:
        left = await rapport.ledger.read(find_left)
        audit = rapport.trail.entry(
            Kind.HAND_OVER if start.pin is not None else Kind.INVITATION_CREATED,
            actor_of(found),
            site=found.site,
            patient=found.patient,
            about=(f"urn:uuid:{(left or planned).id}",),
            details=() if left else facts_of(planned),
        )
        with suppress(_BegunMeanwhile):
            secret = await rapport.ledger.write(partial(store, left=left), audit)
    return secret


async def _begun(rapport: Rapport, found: Launch, response: str, instrument: str) -> Draft:
    """Take over what was answered in the EHR of the same form, where the launch names that response."""
    if not response:
        return {}
    catalogue = rapport.intake.catalogue
    begun = await read_begun(await ehr_for(rapport, found), found, response, catalogue)
    return begun.answers if begun is not None and begun.instrument == instrument else {}


async def _plan(rapport: Rapport, found: Launch, wish: _Wish) -> Invitation:
    chosen = choose_form(rapport, found.site, wish.instrument, wish.language)
    if wish.remote and chosen.licence_kind == "score-entry":
        raise Invalid(f"{chosen.title} is entered from paper here.", "Open it on this device.")
    who = await read_respondent(await ehr_for(rapport, found), found, wish.respondent)
    if who is None:
        raise Invalid(
            "This person does not belong to the patient's record.", "Choose who answers from the list."
        )
    who = next((each for each in (who, *as_observer(who)) if each.rater == chosen.rater), who)
    if who.rater != chosen.rater:
        raise Invalid(
            f"{chosen.title} is for the {chosen.rater}, and {who.name} is the {who.rater}.",
            "Choose the form that fits who answers.",
        )
    gate = None
    if who.rater == Rater.CHILD and chosen.licence_kind != "score-entry":
        gate = await _choose_gate(rapport, found, wish)
    day = await _choose_day(rapport, found, chosen, wish)
    now = rapport.clock()
    hours = rapport.settings.policies[found.site].invitation_hours
    return Invitation(
        id=new_id(),
        launch=found.id,
        site=found.site,
        patient=found.patient,
        encounter=found.encounter if await _is_of_launch(rapport, found, day) else None,
        rater=chosen.rater,
        source=who.reference,
        author=found.author,
        instrument=chosen.canonical,
        language=wish.language,
        created=now,
        expires=now + timedelta(hours=hours),
        state=InvitationState.CREATED,
        remote=wish.remote,
        gate=gate,
        answered_on=day,
    )


async def _is_of_launch(rapport: Rapport, found: Launch, day: date | None) -> bool:
    """Tell whether a form belongs to the session from which Rapport was opened: one about another day does not.

    Where the EHR does not tell when the session was, it was today.
    """
    if day is None or found.encounter is None:
        return True
    zone = rapport.settings.policies[found.site].zone
    told = await is_of_session(await ehr_for(rapport, found), found, day, zone)
    return day == rapport.today(found.site) if told is None else told


async def _choose_day(rapport: Rapport, found: Launch, chosen: Instrument, wish: _Wish) -> date | None:
    """Give the day that a form is about which may be entered later, else None; Invalid for one that cannot be."""
    if not chosen.is_dated:
        return None
    today = rapport.today(found.site)
    try:
        day = today if wish.day is None else read_day(wish.day)
    except ValueError:
        raise Invalid("It is not said which day the form is about.", "Give the day.") from None
    if day > today:
        raise Invalid("The day that the form is about is still to come.", "Correct the day.")
    if day < today:
        born = await read_born(await ehr_for(rapport, found), found)
        if born is not None and day < born.first:
            raise Invalid("The day that the form is about is before the patient's birth.", "Correct the day.")
    return day


async def _choose_gate(rapport: Rapport, found: Launch, wish: _Wish) -> Gate | None:
    """Say what a caregiver is asked before a young person answers: the site's policy.

    Of a child who may be under an age it is taken that they are: of some the EHR gives the year of birth alone. Invalid for
    a link to a child who is too young for one, or whose age the EHR does not tell.
    """
    policy = rapport.settings.policies[found.site]
    from_age = policy.link_from_age if wish.remote else 0
    consent_age = policy.respondents.consent_below_age
    if not (from_age or consent_age):
        return None
    age = await read_age(await ehr_for(rapport, found), found, rapport.today(found.site))
    too_young = from_age > 0 and (age is None or age.low < from_age)
    if too_young and not policy.respondents.link_with_caregiver:
        raise Invalid(
            f"No link is made for a child under {from_age} years, or of unknown age.",
            "Hand over this device in the session, or have the caregiver answer.",
        )
    consent = consent_age > 0 and (age is None or age.low < consent_age)
    if consent:
        vault = rapport.ledger.vault
        since = days_before(rapport.clock(), policy.respondents.consent_days)
        given = await rapport.ledger.read(
            lambda connection: has_consent(connection, vault, found.site, found.patient, since)
        )
        consent = wish.consent_again or not given
    return choose_gate(consent=consent, together=too_young)
