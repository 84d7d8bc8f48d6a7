"""The auditor's search and the chain behind one number. Everything is read by a way that cannot write; every view is in the trail."""

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from plugin.access.desks import Desk
from plugin.access.launches import Launch, read_launch
from plugin.audit import Kind
from plugin.auditing.asked import find_response, observation_asked
from plugin.auditing.chain import Chain, ChainReader
from plugin.auditing.notes import find_note, read_note_told
from plugin.auditing.proving import Prover
from plugin.auditing.reviews import latest, read_review, sign_offs_of
from plugin.auditing.searching import (
    Found,
    Wanted,
    instruments_of,
    read_reference,
    search,
)
from plugin.comparing import Comparison, RecordReader, RecordUnreadable, SystemReader, TokenReader
from plugin.comparing.side_by_side import Pair, pair
from plugin.delivery.states import DeliveryState
from plugin.ehr import Ehr, EhrError, JsonObject
from plugin.errors import Forbidden, Invalid, NotFound
from plugin.pages.auditing import (
    NOTHING_TYPED,
    SearchPage,
    Sought,
    TypedSignOff,
    instrument_name,
    render_search,
)
from plugin.pages.chain import ChainPage, Compared, Reviewed, render_chain
from plugin.routes.desk import AuditorsDesk, Csrf, frame
from plugin.routes.state import (
    CurrentRapport,
    CurrentSession,
    OwnAuditorsDesks,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
)
from plugin.transparency import LogSigner, Tiles
from plugin.writing import DEFAULT_WRITING
from smart_launch import Scopes

router = APIRouter(prefix="/desks/{desk}/audit", dependencies=[Depends(check_origin)])

Typed = Annotated[str, Form(max_length=400)]

LONGEST_COMPARISON = 25.0  # seconds that somebody waits for an EHR


@router.get("")
async def search_form(found: AuditorsDesk, rapport: CurrentRapport, desks: OwnAuditorsDesks) -> HTMLResponse:
    """Show the form, with what came last."""
    return await _search(rapport, found, Sought(), None, _site_names(rapport, found, desks))


@router.post("")
async def search_for(
    found: AuditorsDesk,
    rapport: CurrentRapport,
    desks: OwnAuditorsDesks,
    csrf: Csrf = "",
    number: Typed = "",
    site: Typed = "",
    patient: Typed = "",
    clinician: Typed = "",
    first: Typed = "",
    last: Typed = "",
    instrument: Typed = "",
    outcome: Typed = "",
    after: Typed = "",
    by: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Search. By POST, so that no address holds a patient's id; a number leads to its chain at once.

    Another site than the desk's is searched at the desk where the same browser is signed in there as an auditor.
    """
    check_csrf(rapport, found, csrf)
    sought = Sought(number, patient, clinician, first, last, instrument, outcome)
    if by != "number" and not number:
        there = found if site in ("", found.site) else desks.get(site)
        if there is None:
            raise Forbidden(
                "You are not signed in at that site as an auditor.",
                "Sign in there from Rapport's front page, in this browser.",
            )
        return await _search(rapport, there, sought, after or None, _site_names(rapport, there, desks))
    try:
        response = await rapport.reading.read(lambda c: find_response(c, found.site, number))
    except (NotFound, Invalid) as unknown:
        note = await rapport.reading.read(lambda c: find_note(c, found.site, number)) if number else None
        if note is not None:
            return await _show_note(rapport, found, sought, _site_names(rapport, found, desks), note)
        entry = rapport.trail.entry(
            Kind.AUDIT_SEARCHED, actor_of(found), site=found.site, failure="No such Observation"
        )
        await rapport.ledger.record(entry)
        sites = _site_names(rapport, found, desks)
        page = SearchPage(frame(rapport, found, "audit"), sought, sites, (), None, problem=str(unknown))
        return HTMLResponse(render_search(page, titles_of(rapport)), status_code=unknown.status)
    asked = urlencode({"number": number.strip()})
    return RedirectResponse(f"/desks/{found.id}/audit/responses/{response}?{asked}", status_code=303)


async def _show_note(
    rapport: Rapport, found: Desk, sought: Sought, sites: tuple[tuple[str, str], ...], note: str
) -> HTMLResponse:
    """Tell who wrote a note, when, and how far it is; the look is in the trail, under the note."""
    vault, prover = rapport.reading.vault, prover_of(rapport)
    told = await rapport.reading.read(lambda c: read_note_told(c, vault, prover, note))
    entry = rapport.trail.entry(
        Kind.CHAIN_VIEWED,
        actor_of(found),
        site=found.site,
        patient=told.sent.note.patient,
        about=(f"DocumentReference/{note}",),
    )
    await rapport.ledger.record(entry)
    page = SearchPage(frame(rapport, found, "audit"), sought, sites, (), None, note=told)
    return HTMLResponse(render_search(page, titles_of(rapport)))


@router.get("/responses/{response}")
async def chain(
    response: str,
    found: AuditorsDesk,
    rapport: CurrentRapport,
    review: Annotated[str, Query(max_length=36)] = "",
    number: Annotated[str, Query(max_length=400)] = "",
) -> HTMLResponse:
    """Show the chain of one administration; the score that was asked for by its number is marked."""
    read = await _read_chain(rapport, found, response)
    await _note_view(rapport, found, read)
    return await show_chain(rapport, found, read, review=review or None, number=number)


@router.post("/responses/{response}/compare")
async def compare(
    response: str,
    found: AuditorsDesk,
    rapport: CurrentRapport,
    session: CurrentSession,
    csrf: Csrf = "",
    review: Annotated[str, Form(max_length=36)] = "",
) -> HTMLResponse:
    """Read what the EHR holds of it now, and show where it differs."""
    check_csrf(rapport, found, csrf)
    read = await _read_chain(rapport, found, response)
    reader = await _reader(rapport, found, session.key, read)
    if reader is None:
        raise Forbidden(
            "Rapport has no way to read this patient's record for you.",
            "Name backend_scopes in the site's settings (system/Observation.rs), or open Rapport from the patient's chart.",
        )
    await _note_view(rapport, found, read)
    site = rapport.settings.sites[found.site]
    entry = rapport.trail.entry(
        Kind.RECORD_COMPARED,
        actor_of(found),
        site=found.site,
        patient=read.account.record.patient,
        about=(f"QuestionnaireResponse/{response}",),
        server=site.fhir_base,
        reason="Audit",
    )
    await rapport.ledger.record(entry)
    compared = await _compare(rapport, found, read, reader)
    return await show_chain(rapport, found, read, review=review or None, compared=compared)


async def show_chain(
    rapport: Rapport,
    found: Desk,
    read: Chain,
    *,
    review: str | None = None,
    number: str = "",
    compared: Compared | None = None,
    typed: TypedSignOff = NOTHING_TYPED,
) -> HTMLResponse:
    """Render the chain; with the review from which it was opened, and a sign-off that could not be taken."""
    policy = rapport.settings.policies[found.site]
    record = read.account.record
    page = ChainPage(
        desk=frame(rapport, found, "reviews" if review else "audit"),
        chain=read,
        shows_answers=record.rater == "therapist"
        or (policy.auditors_see_answers and not record.is_closed_to_auditors),
        can_compare=_may_read(rapport, found, read),
        now=rapport.clock(),
        compared=compared,
        review=await _reviewed(rapport, found, review, record.id) if review else None,
        typed=typed,
        asked=observation_asked(number, read.account, read.attempts, read.unfolding),
    )
    return HTMLResponse(render_chain(page), status_code=200 if typed.is_taken else 422)


def titles_of(rapport: Rapport) -> Mapping[str, str]:
    """Give the titles of installed forms, by canonical."""
    return {each.canonical: each.title for each in rapport.intake.catalogue.versions()}


def prover_of(rapport: Rapport) -> Prover:
    """Give what proves rows against the installation's own log."""
    settings = rapport.settings
    key = LogSigner(settings.log_name, settings.log_key).verifier
    return Prover(Tiles(settings.log_folder), key)


def _wanted(site: str, sought: Sought) -> Wanted:
    try:
        first, last = (date.fromisoformat(each) if each else None for each in (sought.first, sought.last))
        outcome = DeliveryState(sought.outcome) if sought.outcome else None
    except ValueError:
        raise Invalid("A date or an outcome cannot be read.", "Write dates as 2026-10-01.") from None
    if first and last and first > last:
        raise Invalid(f"{first} is after {last}.", "Exchange the two.")
    return Wanted(
        site,
        read_reference(sought.patient, "Patient"),
        read_reference(sought.clinician, "Practitioner"),
        first,
        last,
        sought.instrument or None,
        outcome,
    )


def _site_names(rapport: Rapport, found: Desk, desks: Mapping[str, Desk]) -> tuple[tuple[str, str], ...]:
    """Give id and name of the desk's site, then of the others where this browser is signed in as an auditor."""
    known = (found.site, *(each for each in sorted(desks) if each != found.site))
    return tuple((each, rapport.settings.sites[each].name) for each in known)


async def _search(
    rapport: Rapport, found: Desk, sought: Sought, after: str | None, sites: tuple[tuple[str, str], ...]
) -> HTMLResponse:
    titles = titles_of(rapport)
    names = await rapport.reading.read(lambda c: instruments_of(c, found.site))
    instruments = tuple((each, instrument_name(each, titles)) for each in names)
    desk = frame(rapport, found, "audit")
    try:
        wanted = _wanted(found.site, sought)
        page = await rapport.reading.read(lambda c: search(c, wanted, after))
    except Invalid as problem:
        shown = SearchPage(desk, sought, sites, instruments, None, problem=str(problem))
        return HTMLResponse(render_search(shown, titles), status_code=422)
    await _note_search(rapport, found, sought, page.found, wanted.patient)
    shown = SearchPage(desk, sought, sites, instruments, page, is_first=after is None)
    return HTMLResponse(render_search(shown, titles))


async def _note_search(
    rapport: Rapport, found: Desk, sought: Sought, listed: tuple[Found, ...], patient: str | None
) -> None:
    """Account for a list: an entry for each patient in it, so that each patient's account names who has looked."""
    of: dict[str | None, list[str]] = {}
    for each in listed:
        of.setdefault(each.patient, []).append(f"QuestionnaireResponse/{each.response}")
    actor = actor_of(found)
    typed = {each.name: getattr(sought, each.name) for each in fields(sought) if getattr(sought, each.name)}
    query = f"administrations?{urlencode(typed)}"
    entries = [
        rapport.trail.entry(
            Kind.AUDIT_SEARCHED,
            actor,
            site=found.site,
            patient=person,
            about=tuple(responses),
            query=query,
        )
        for person, responses in (of or {patient: []}).items()
    ]
    await asyncio.gather(*(rapport.ledger.record(each) for each in entries))


async def show_sign_off_again(
    rapport: Rapport, found: Desk, review: str, response: str, typed: TypedSignOff
) -> HTMLResponse:
    """Show the chain again with a sign-off that could not be taken."""
    read = await _read_chain(rapport, found, response)
    await _note_view(rapport, found, read)
    return await show_chain(rapport, found, read, review=review, typed=typed)


async def _read_chain(rapport: Rapport, found: Desk, response: str) -> Chain:
    intake = rapport.intake
    reader = ChainReader(rapport.reading.vault, intake.catalogue, intake.keys, prover_of(rapport))
    return await rapport.reading.read(lambda c: reader.read(c, found.site, response))


async def _note_view(rapport: Rapport, found: Desk, read: Chain) -> None:
    record = read.account.record
    entry = rapport.trail.entry(
        Kind.CHAIN_VIEWED,
        actor_of(found),
        site=found.site,
        patient=record.patient,
        about=(f"QuestionnaireResponse/{record.id}",),
    )
    await rapport.ledger.record(entry)


async def _reviewed(rapport: Rapport, found: Desk, review: str, response: str) -> Reviewed:
    vault = rapport.reading.vault
    drawn = await rapport.reading.read(lambda c: read_review(c, found.site, review))
    sample = drawn.drawn_from.sample
    if response not in sample:
        raise NotFound("This administration is not in the review's sample.", "Go back to the review.")
    signed = await rapport.reading.read(lambda c: sign_offs_of(c, vault, review))
    place = sample.index(response)
    unsigned = [each for each in (*sample[place + 1 :], *sample[:place]) if latest(signed, each) is None]
    return Reviewed(
        review,
        place + 1,
        len(sample),
        unsigned[0] if unsigned else None,
        tuple(each for each in signed if each.response == response),
    )


def _may_read(rapport: Rapport, found: Desk, read: Chain) -> bool:
    backend = bool(rapport.settings.sites[found.site].backend_scopes)
    return backend or found.patient == read.account.record.patient


async def _reader(rapport: Rapport, found: Desk, session: str, read: Chain) -> RecordReader | None:
    """Choose how the record is read: as the app itself, or with the token of the chart's launch; None if neither can be."""
    site = rapport.settings.sites[found.site]
    if site.backend_scopes:
        return SystemReader(site, rapport.http, rapport.clock)
    if found.patient != read.account.record.patient:
        return None
    launch = await _launch_of(rapport, found, session)
    tokens = None if launch is None else await rapport.sender.tokens_of(launch)
    if tokens is None:
        return None
    granted = Scopes.parse(tokens.scope)
    return TokenReader(Ehr(site.fhir_base, tokens.access_token, rapport.http, granted=granted))


async def _launch_of(rapport: Rapport, found: Desk, session: str) -> Launch | None:
    vault, now = rapport.ledger.vault, rapport.clock()
    return await rapport.ledger.read(lambda c: read_launch(c, vault, found.id, session, now))


async def _compare(rapport: Rapport, found: Desk, read: Chain, reader: RecordReader) -> Compared:
    if read.account.record.altered:
        return Compared(
            problem="What is kept of it does not open: there is nothing to compare the EHR's record with."
        )
    pairs: list[Pair] = []

    def see(identifier: str, delivered: JsonObject, held: JsonObject) -> None:
        pairs.append(pair(identifier, delivered, held))

    writing = rapport.settings.writing.get(found.site, DEFAULT_WRITING)
    comparison = Comparison(found.site, writing, rapport.reading.vault, reader, on_copy=see)
    try:
        async with asyncio.timeout(LONGEST_COMPARISON):
            findings = [each async for each in comparison.of(read.account, read.attempts)]
    except TimeoutError:
        return Compared(
            problem=f"The EHR has not answered within {LONGEST_COMPARISON:.0f} seconds. Nothing was compared: try again later."
        )
    except (RecordUnreadable, EhrError) as error:
        return Compared(problem=str(error))
    tally = comparison.tally
    return Compared(tuple(pairs), tuple(findings), tuple(tally.not_looked_at), versions=tuple(tally.versions))
