"""The respondent's side: open a form by its invitation, keep answers as they are given, send.

The invitation's secret travels in a header, out of the address's fragment: never in a URL that a server sees.
"""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.engine import Connection

from plugin.access.gates import (
    STATEMENTS,
    Gate,
    GateAnswer,
    Statement,
    answer_gate,
    check_passed,
    is_asked_anew,
    is_waiting,
)
from plugin.access.invitations import (
    Draft,
    Invitation,
    InvitationState,
    check_usable,
    find_invitation,
    held_form,
    is_submitted,
    mark_opened,
    read_draft,
    read_invitation,
    save_draft,
)
from plugin.access.launches import Launch, launch_for_patient
from plugin.access.sessions import Session, read_session, told_altered
from plugin.audit import Actor, Kind
from plugin.audit.facts import Facts, written
from plugin.collecting.compared import answers_in
from plugin.days import day_of, noon_of
from plugin.delivery.keep import count_about
from plugin.delivery.revising import read_version_as_it_opens
from plugin.errors import AnsweredElsewhere, Invalid, InvitationUnusable, NotFound
from plugin.flow import Arrival, Saved, submit
from plugin.ledger import AuditRow, SealBroken, Vault
from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.pages import Audience, choose_language, render_fill, render_form, render_gate
from plugin.responses import InvalidResponse, build_response, take_response
from plugin.responses.answers import Absent, Reason
from plugin.responses.build import Choice
from plugin.responses.labels import Label
from plugin.routes.compressed import compressed
from plugin.routes.form_views import (
    asks_before_sharing,
    audience_of,
    empty_form,
    form_of,
    form_view,
    gate_page,
    score_lines,
)
from plugin.routes.observing import tell_kept
from plugin.routes.promises import promises_of, read_promises
from plugin.routes.refusals import told_in_trail
from plugin.routes.state import (
    COOKIE,
    CurrentRapport,
    Rapport,
    check_origin,
    language_for,
    language_of_installation,
)
from plugin.scores import Score, compute, only_together
from questionnaires import Instrument, Rater

router = APIRouter(prefix="/fill")
Read = TypeVar("Read", bound="_Answers")
# An escape of JSON that stands for something (kept, group 1), or for one half of a surrogate pair, which is no character: a
# keyboard or a limit of letters can cut an emoji in two.
_HALF = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?!" + _HALF + rb")\\.)|" + _HALF
)


class _Answers(msgspec.Struct, forbid_unknown_fields=True):
    answers: Draft
    removed: tuple[str, ...] = ()  # what this page had answered, and took back
    promised: str | None = None  # what it said of who reads the answers, as it was given to the page


class _ToKeep(_Answers, forbid_unknown_fields=True):
    after: str | None = None  # the mark of what this page knows to be kept


class _Sent(_Answers, forbid_unknown_fields=True):
    share: bool | None = None  # may single answers be read? where the site has this asked
    changed: tuple[str, ...] | None = None  # what was answered since the page last kept answers
    # Of what may not have come through: the answer that was known to be kept, and those that were sent since, as JSON.
    tried: dict[str, tuple[str | None, ...]] = {}

    @property
    def only_asks(self) -> bool:
        """Whether this is a page that has nothing to send, not even what it took back: it asks what became of the form."""
        return not (self.answers or self.removed) and self.changed is None


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    agreed: bool
    stated: frozenset[Statement] = frozenset()


async def invitation(
    request: Request,
    rapport: CurrentRapport,
    secret: Annotated[str, Header(alias="X-Rapport-Invitation", max_length=100)] = "",
) -> Invitation:
    """Give the invitation that the request's secret opens, whatever its state; InvitationUnusable if it was altered."""
    vault = rapport.ledger.vault
    try:
        found = await rapport.ledger.read(lambda connection: find_invitation(connection, vault, secret))
    except SealBroken:
        await _lead_back(request, rapport)
        raise InvitationUnusable("This form was altered in the database.", "Ask for a new one.") from None
    request.state.site = found.site
    await _check_in_hand(request, rapport, found)
    return found


async def _lead_back(request: Request, rapport: Rapport) -> None:
    """Have a device that is handed over lead back to the clinician, though nothing says any more with which form."""
    handle, now, vault = request.cookies.get(COOKIE), rapport.clock(), rapport.ledger.vault

    def read(connection: Connection) -> Launch | None:
        session = read_session(connection, vault, handle, now)
        if session is None or session.locked is None or session.is_altered:
            return None
        return launch_for_patient(connection, vault, session.key, None, None, now)

    launch = await rapport.ledger.read(read)
    if launch is not None:
        request.state.way_back = f"/launches/{launch.id}/return"


async def _check_in_hand(request: Request, rapport: Rapport, found: Invitation) -> None:
    """InvitationUnusable on the clinician's own device unless it is handed over for this very form.

    Who gets the device next, or takes it back, cannot go back to the answers of whoever had it before, however long ago
    that was: a browser whose sign-in is over still brings its cookie. A link opens there as on any phone, but not while
    the device is with somebody. Only that device has a way back to the clinician's pages: a phone that opened the same
    form is not given back.
    """
    handle = request.cookies.get(COOKIE)
    if handle is None:
        return
    now, vault = rapport.clock(), rapport.ledger.vault
    session = await rapport.ledger.read(lambda connection: read_session(connection, vault, handle, now))
    handed_over = session is not None and session.locked_for == found.id
    with_another = session is not None and session.locked is not None and not handed_over
    if found.remote and not (handed_over or with_another):
        return
    if session is not None and session.is_altered:
        raise told_altered(InvitationUnusable)
    if session is not None:
        request.state.way_back = await _way_back(rapport, found, session)
    if handed_over or (_is_clinicians_own(rapport, found) and not with_another):
        return
    with suppress(InvitationUnusable):
        check_usable(found, now)
        request.state.screen = "given-back"  # it goes on once the device is handed over again
    raise InvitationUnusable(
        "This device has been given back since.", "Hand it over again for the form to go on."
    )


async def _way_back(rapport: Rapport, found: Invitation, session: Session) -> str | None:
    """Name the page that gives the device back: in the launch that is open here for whoever has it now."""
    now, vault = rapport.clock(), rapport.ledger.vault

    def read(connection: Connection) -> str | None:
        held = held_form(connection, vault, session.locked_for)
        one = held or found
        # A form that goes on in a later launch leads back to that one.
        own = launch_for_patient(connection, vault, session.key, one.site, one.patient, now)
        return own.id if own else held.launch if held else None

    launch = await rapport.ledger.read(read)
    return f"/launches/{launch}/return" if launch else None


def _is_clinicians_own(rapport: Rapport, found: Invitation) -> bool:
    """Tell whether a form is for the clinician to fill: the therapist's, or scores from paper."""
    instrument = rapport.intake.catalogue.nearest(found.instrument)
    on_paper = instrument is not None and instrument.licence_kind == "score-entry"
    return on_paper or Rater(found.rater).is_signed_in


AnyInvitation = Annotated[Invitation, Depends(invitation)]


async def way_back(request: Request) -> str | None:
    """Give the path by which this device goes back to the clinician; None if it is not the clinician's."""
    path: str | None = getattr(request.state, "way_back", None)
    return path


WayBack = Annotated[str | None, Depends(way_back)]


async def raw_body(request: Request) -> bytes:
    """Give the body as it came; what reads it is strict."""
    return await request.body()


RawBody = Annotated[bytes, Depends(raw_body)]


@router.head("")
@router.get("")
async def shell(
    rapport: CurrentRapport,
    accept_language: Annotated[str, Header(max_length=500)] = "",
    accept_encoding: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """Show the page that reads the secret out of its own address; it holds nothing itself."""
    page = render_fill(choose_language(accept_language, language_of_installation(rapport)))
    return compressed(page, accept_encoding)


@router.get("/form")
async def form(
    request: Request,
    found: AnyInvitation,
    back: WayBack,
    rapport: CurrentRapport,
    accept_language: Annotated[str, Header(max_length=500)] = "",
    accept_encoding: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """Give the form with what has been answered so far."""
    now = rapport.clock()
    try:
        await _check_open(request, rapport, found)
    except InvitationUnusable as unusable:
        await rapport.ledger.record(_opened(rapport, found, failure=unusable.what_happened))
        told_in_trail(request)
        if found.gate_answer != GateAnswer.REFUSED:
            raise
        shell = choose_language(accept_language, language_of_installation(rapport))
        gate = replace(gate_page(rapport, found, accept_language, back), is_refused=True)
        return HTMLResponse(render_gate(gate, shell), unusable.status, {"X-Rapport-Refused": "true"})
    vault = rapport.ledger.vault
    if found.state is InvitationState.CREATED:
        audit = _opened(rapport, found, details=written({"opened": now}))
        await rapport.ledger.write(lambda connection: mark_opened(connection, found.id, now), audit)
    shell = choose_language(accept_language, language_of_installation(rapport))
    if is_waiting(found):
        return HTMLResponse(render_gate(gate_page(rapport, found, accept_language, back), shell))
    draft = await rapport.ledger.read(lambda connection: read_draft(connection, vault, found.id))
    reader = language_for(rapport, found.site, accept_language)
    view = form_view(rapport, found, draft, reader)
    page = render_form(replace(view, back=back), shell)
    return HTMLResponse(page) if draft.answers else compressed(page, accept_encoding, again=back is None)


async def _check_open(request: Request, rapport: Rapport, found: Invitation) -> None:
    """InvitationUnusable unless it may still be filled; where a caregiver's word closed it, or is waited for, the page is told."""
    vault = rapport.ledger.vault
    try:
        check_usable(found, rapport.clock())
    except InvitationUnusable:
        if found.gate_answer == GateAnswer.REFUSED:
            request.state.refused = True
        elif await rapport.ledger.read(lambda connection: is_asked_anew(connection, vault, found)):
            request.state.screen = "asked-anew"
        raise


@router.post("/consent", dependencies=[Depends(check_origin)])
async def consent(
    found: AnyInvitation, back: WayBack, rapport: CurrentRapport, body: RawBody
) -> JSONResponse:
    """Note what a caregiver says, and tell what counts: a refusal, whoever agreed before or agrees afterwards."""
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"The answer could not be read: {error}.", 'Send {"agreed": true or false, "stated": [...]}.'
        ) from None
    _check_stated(found, said)
    return JSONResponse({"state": await _answer_gate(rapport, found, said), "return_url": back})


async def _answer_gate(rapport: Rapport, found: Invitation, said: _Said) -> GateAnswer:
    """Note what was said, unless it stands there or a refusal does; InvitationUnusable if the form is closed otherwise."""
    answer = GateAnswer.AGREED if said.agreed else GateAnswer.REFUSED
    if found.gate_answer == GateAnswer.REFUSED:
        return GateAnswer.REFUSED
    now, vault = rapport.clock(), rapport.ledger.vault
    check_usable(found, now)
    if found.gate_answer == answer:
        return answer
    kind = Kind.CONSENT_GIVEN if said.agreed else Kind.CONSENT_REFUSED
    # Who holds the device says so of themselves; nobody else is there to name them.
    actor = Actor(None, f"Caregiver, as said on the form ({found.gate})")
    about = (f"urn:uuid:{found.id}",)
    details = written({"gate_answered": now, "stated": " ".join(sorted(said.stated))})
    audit = rapport.trail.entry(
        kind, actor, site=found.site, patient=found.patient, about=about, details=details
    )
    try:
        await rapport.ledger.write(lambda connection: answer_gate(connection, found.id, answer, now), audit)
    except InvitationUnusable:
        # Another page was first.
        stands = await rapport.ledger.read(lambda connection: read_invitation(connection, vault, found.id))
        if stands is None or stands.gate_answer not in {answer, GateAnswer.REFUSED}:
            raise
        return GateAnswer(stands.gate_answer)
    return answer


def _check_stated(found: Invitation, said: _Said) -> None:
    """Invalid where somebody agrees who has not said everything that the gate asks them to say of themselves."""
    wanted = STATEMENTS[Gate(found.gate)] if found.gate else ()
    missing = [each for each in wanted if each not in said.stated]
    if said.agreed and missing:
        raise Invalid(
            f"An agreement needs what was not said: {', '.join(missing)}.", "Tick each statement first."
        )


@router.put("/answers", dependencies=[Depends(check_origin)])
async def keep_answers(
    request: Request, found: AnyInvitation, rapport: CurrentRapport, body: RawBody
) -> JSONResponse:
    """Keep the answers given so far, and say of which questions answers are kept; durable when this answers.

    412 where others are kept than the page knows, with those that differ: it sends again, after the mark that it is told.
    """
    now = rapport.clock()
    request.state.unsent = True  # which is told where the form is closed
    await _check_open(request, rapport, found)
    check_passed(found)
    sent = _read(body, _ToKeep, form_of(rapport, found))
    vault = rapport.ledger.vault
    kept = await rapport.ledger.bookkeep(
        lambda connection: save_draft(
            connection,
            vault,
            found.id,
            sent.answers,
            sent.removed,
            now,
            after=sent.after,
            promised=read_promises(vault, found.id, sent.promised or ""),
        )
    )
    if kept.moved:
        both = kept.answers.keys() & {*sent.answers, *sent.removed}
        others = {each: kept.answers[each] for each in both if _differs(kept.answers, sent.answers, each)}
        return JSONResponse({"state": "moved", "mark": kept.mark, "others": others}, 412)
    return JSONResponse({"state": "kept", "answered": sorted(kept.answers), "mark": kept.mark})


@router.post("/submit", dependencies=[Depends(check_origin)])
async def send(
    request: Request, found: AnyInvitation, back: WayBack, rapport: CurrentRapport, body: RawBody
) -> JSONResponse:
    """Send the form. Sending it again changes nothing; `late` tells that other answers were sent the first time.

    Whoever sends the very answers again, as a page that has heard of no answer, is told the result again.
    """
    result: dict[str, object] = {}
    if found.state is InvitationState.SUBMITTED:
        if await _is_late(rapport, found, body):
            result["late"] = True
        elif (told := await _told_again(rapport, found, body)) is not None:
            result["scores"] = told
    else:
        request.state.unsent = not _only_asks(body)  # which is told where the form is closed
        await _check_open(request, rapport, found)
        check_passed(found)
        instrument = form_of(rapport, found)
        sent = _read(body, _Sent, instrument)
        labels = _labels(rapport, found, instrument, sent)
        saved = await _submit(rapport, found, instrument, sent, labels)
        rapport.worker.wake()
        if saved.replayed and await _is_late(rapport, found, body):
            result["late"] = True  # another device sent in the same moment, and was first
        elif _shows_scores(rapport, found):
            together = Label.ANSWERS_NOT_SHARED in labels
            result["scores"] = _lines(instrument, saved.scores, found, together=together)
    return JSONResponse({"state": "saved", "return_url": back, **result})


def _shows_scores(rapport: Rapport, found: Invitation) -> bool:
    return found.rater in rapport.settings.policies[found.site].respondents.show_score_to


def _lines(
    instrument: Instrument, scores: tuple[Score, ...], found: Invitation, *, together: bool
) -> list[str]:
    return score_lines(instrument, only_together(scores) if together else scores, found.language)


async def _told_again(rapport: Rapport, found: Invitation, body: bytes) -> list[str] | None:
    """Tell the result to a page that sends all that was sent, and so shows nobody what they do not know; None to any other."""
    instrument = rapport.intake.catalogue.nearest(found.instrument)
    if instrument is None or not _shows_scores(rapport, found):
        return None
    sent, vault = _read(body, _Sent, instrument), rapport.ledger.vault
    if sent.only_asks:
        return None
    try:
        first = await rapport.ledger.read(
            lambda connection: read_version_as_it_opens(connection, vault, found.id, 0)
        )
        again = _build(found, instrument, sent, rapport.clock())
        _, form, answers = take_response(again, rapport.intake.catalogue, patient=found.patient)
    except (NotFound, InvalidResponse):
        return None
    kept = answers_in(first.body, reasons=True)
    if kept is None or kept != answers_in(again, reasons=True):
        return None
    scores = compute(rapport.intake.keys[form.canonical], answers)
    return _lines(form, scores, found, together=first.answers_withheld)


async def _is_late(rapport: Rapport, found: Invitation, body: bytes) -> bool:
    """Tell whether other answers, or another decision who may read them, were sent before with this invitation.

    A page that does not say what it has changed was not sent by anybody: it asks whether what it had is among what was.
    """
    instrument = rapport.intake.catalogue.nearest(found.instrument)
    if instrument is None:
        return False
    sent = _read(body, _Sent, instrument)
    if sent.only_asks:
        return False
    vault = rapport.ledger.vault
    try:
        first = await rapport.ledger.read(
            lambda connection: read_version_as_it_opens(connection, vault, found.id, 0)
        )
        again = _build(found, instrument, sent, rapport.clock())
    except NotFound:  # erased since
        return False
    except InvalidResponse:
        return True
    if sent.share is not None and sent.share == first.answers_withheld:
        return True
    kept, own = answers_in(first.body, reasons=True), answers_in(again, reasons=True)
    if kept is None or own is None:
        return own is None
    asked = {*sent.answers, *sent.removed} if sent.changed is None else {each for each, _ in (*kept, *own)}
    return [each for each in kept if each[0] in asked] != [each for each in own if each[0] in asked]


def _only_asks(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Sent).only_asks
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _check_complete(connection: Connection, vault: Vault, found: Invitation, sent: _Sent) -> None:
    """AnsweredElsewhere if another page has kept what the page that sends does not know of: nothing is lost unseen.

    That is an answer of which it has none or an older one, and one that was taken back. What is sent already has no draft.
    """
    if is_submitted(connection, found.id):
        return
    draft = read_draft(connection, vault, found.id).answers
    unseen = sorted(
        {each for each in draft.keys() - set(sent.removed) if each not in sent.answers}
        | {each for each in sent.answers if _is_old(sent, each) and _differs(sent.answers, draft, each)}
        | {each for each in sent.tried if each in draft and _is_unknown(sent, draft, each)}
    )
    if unseen:
        raise AnsweredElsewhere(
            f"Answers to {', '.join(unseen)} were given or taken back on another page since this one was loaded.",
            "Load the form again, look over the answers, and send.",
        )


def _differs(one: Draft, other: Draft, link_id: str) -> bool:
    return link_id not in other or one[link_id] != other[link_id]


def _is_unknown(sent: _Sent, draft: Draft, link_id: str) -> bool:
    """Tell whether the answer that is kept is none that a page knows which tried in vain to keep one: another's may be newer."""
    kept = msgspec.json.encode(draft[link_id]).decode()
    return kept not in sent.tried[link_id] and _differs(draft, sent.answers, link_id)


def _is_old(sent: _Sent, link_id: str) -> bool:
    """Tell whether the page that sends had an answer as it was kept earlier; one that does not say counts as new."""
    return sent.changed is not None and link_id not in sent.changed


def _opened(
    rapport: Rapport, found: Invitation, *, failure: str | None = None, details: Facts = ()
) -> AuditRow:
    return rapport.trail.entry(
        Kind.INVITATION_OPENED,
        Actor(found.source),
        site=found.site,
        patient=found.patient,
        about=(f"urn:uuid:{found.id}",),
        failure=failure,
        details=details,
    )


def _labels(rapport: Rapport, found: Invitation, instrument: Instrument, sent: _Sent) -> frozenset[Label]:
    """Write down the site's policy, what the form promised, and what the respondent wants.

    Invalid if that was not said and must be. A no counts though the site has stopped asking since.
    """
    policy = rapport.settings.policies[found.site].respondents
    labels = {Label.RATERS_APART, *_promised(rapport, found, instrument, sent)}
    if found.rater != Rater.THERAPIST and found.rater not in policy.show_score_to:
        labels.add(Label.SCORE_NOT_FOR_RESPONDENT)
    if sent.share is None and asks_before_sharing(policy, found.rater, instrument):
        raise Invalid(
            "It is not said whether single answers may be read.", "Answer that question, then send."
        )
    if sent.share is False:
        labels.add(Label.ANSWERS_NOT_SHARED)
    return frozenset(labels)


def _promised(rapport: Rapport, found: Invitation, instrument: Instrument, sent: _Sent) -> frozenset[Label]:
    """Give what the page that sends said of single answers, less what its respondent allows; a page that tells nothing said what holds now."""
    if sent.promised is None:
        form = empty_form(rapport, found.site, instrument, found.language, found.rater, found.language)
        promised = promises_of(form)
    else:
        promised = read_promises(rapport.ledger.vault, found.id, sent.promised)
    if sent.share:
        promised -= {Label.ANSWERS_NOT_SHOWN}
        if audience_of(rapport, found.site) is Audience.RECORD:
            promised -= {Label.ANSWERS_NOT_FOR_AUDITORS}
    return promised


def _build(
    found: Invitation,
    instrument: Instrument,
    sent: _Sent,
    now: datetime,
    labels: frozenset[Label] = frozenset(),
) -> bytes:
    return build_response(
        instrument,
        {link_id: _choice(each) for link_id, each in sent.answers.items()},
        patient=found.patient,
        encounter=found.encounter,
        author=found.author,
        source=found.source,
        authored=now,
        identifier=(IDENTIFIER_SYSTEM, found.id),
        language=found.language,
        labels=labels,
    )


async def _answered_at(rapport: Rapport, found: Invitation) -> datetime:
    """Give the moment that the answers are about: now, or of an earlier day its noon, a second on for each that is there.

    A moment tells one form of a person from another, and the last that was entered is the latest.
    """
    now, day = rapport.clock(), found.answered_on
    zone = rapport.settings.policies[found.site].zone
    if day is None or day >= day_of(now, zone):
        return now
    noon = noon_of(day, zone)
    there = await rapport.ledger.read(
        lambda connection: count_about(connection, found.site, found.patient, found.source, noon)
    )
    return noon + timedelta(seconds=there)


async def _submit(
    rapport: Rapport,
    found: Invitation,
    instrument: Instrument,
    sent: _Sent,
    labels: frozenset[Label],
) -> Saved:
    response = _build(found, instrument, sent, await _answered_at(rapport, found), labels)
    arrival = Arrival(
        body=response,
        site=found.site,
        organization=rapport.settings.policies[found.site].organization,
        patient=found.patient,
        actor=Actor(found.source),
        launch=found.launch,
        invitation=found.id,
    )
    vault = rapport.ledger.vault
    saved = await submit(
        rapport.intake, arrival, check=lambda connection: _check_complete(connection, vault, found, sent)
    )
    tell_kept(saved)
    return saved


def _read(body: bytes, kind: type[Read], instrument: Instrument) -> Read:
    try:
        sent = msgspec.json.decode(_ESCAPE.sub(lambda found: found[1] or rb"\ufffd", body), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"The answers could not be read: {error}.", 'Send {"answers": {linkId: option code or null}}.'
        ) from None
    unknown = sorted({*sent.answers, *sent.removed} - instrument.question_ids)
    if unknown:
        raise Invalid(f"The form has no question {', '.join(unknown)}.", "Reload the form.")
    try:
        for each in sent.answers.values():
            _choice(each)
    except msgspec.ValidationError:
        raise Invalid(
            "A reason for not answering is not known.", f"Use one of {', '.join(Reason)}."
        ) from None
    return sent


def _choice(given: str | list[str] | dict[str, str] | None) -> Choice:
    return msgspec.convert(given, Absent) if isinstance(given, dict) else given
