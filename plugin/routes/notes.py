"""Notes for the record: a draft from the scores that the clinician edits, then one document, exactly once, in the clinician's name."""

import uuid
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Header, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access.launches import Launch, open_beside
from plugin.access.sessions import Session
from plugin.access.unsaved import (
    Unsaved,
    drop_unsaved,
    keep_unsaved,
    read_unsaved,
    settle_unsaved,
    unsaved_of,
)
from plugin.audit import Kind
from plugin.delivery.document import DOCUMENT
from plugin.delivery.notes import (
    MOST_CHARACTERS,
    Note,
    SentNote,
    keep_note,
    notes_from,
    read_note,
    retry_note,
)
from plugin.delivery.writers import can_create
from plugin.errors import NotFound
from plugin.pages import (
    DeliveryMark,
    DraftPage,
    NoteLine,
    NotePage,
    draft_text,
    render_draft,
    render_note,
)
from plugin.pages.look import look_address
from plugin.pages.retold import retell
from plugin.routes.patient import read_known
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
)
from plugin.routes.views import patient_page

router = APIRouter(prefix="/launches/{launch}/notes", dependencies=[Depends(check_origin)])

Csrf = Annotated[str, Form(max_length=200)]
Language = Annotated[str | None, Header(alias="accept-language")]


@router.get("/new")
async def draft(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    anew: Annotated[bool, Query()] = False,
    accept_language: Language = None,
) -> Response:
    """Draft a note from what the patient page shows, or go on with one that is being written; `anew` begins again.

    Whoever opened Rapport for the patient again in the same browser goes on with what was begun before.
    """
    ledger = rapport.ledger
    beside = await ledger.read(lambda connection: open_beside(connection, session.key, found.id))
    if anew:  # at an address of its own, which loaded again forgets nothing
        await ledger.bookkeep(lambda connection: drop_unsaved(connection, beside))
        return RedirectResponse(f"/launches/{found.id}/notes/new", status_code=303)
    page = await _draft_page(rapport, found, session, accept_language)
    own = await ledger.read(lambda connection: read_unsaved(connection, ledger.vault, found.id))
    begun = await ledger.read(lambda connection: unsaved_of(connection, ledger.vault, beside))
    kept = own or next(iter(begun), None)
    going_on = page if kept is None else replace(page, note=kept.note, text=kept.text, is_kept=True)
    return HTMLResponse(render_draft(going_on))


@router.post("/draft", status_code=204)
async def keep_draft(
    found: CurrentLaunch,
    rapport: CurrentRapport,
    csrf: Csrf,
    note: Annotated[uuid.UUID, Form()],
    text: Annotated[str, Form(max_length=2 * MOST_CHARACTERS)] = "",
) -> None:
    """Keep what is being written, for this sign-in: the page may have to give way to the lock."""
    check_csrf(rapport, found, csrf)
    ledger, unsaved = rapport.ledger, Unsaved(str(note), text)
    await ledger.bookkeep(
        lambda connection: keep_unsaved(connection, ledger.vault, found.id, unsaved, rapport.clock())
    )


async def _draft_page(
    rapport: Rapport, found: Launch, session: Session, accept_language: str | None
) -> DraftPage:
    language = language_for(rapport, found.site, accept_language)
    known = await read_known(rapport, found, session, wait=True)  # a note takes the whole history
    csrf = csrf_token(rapport, found)
    page = patient_page(rapport, found, known, csrf, language)
    await rapport.ledger.record(
        rapport.trail.entry(Kind.NOTE_DRAFTED, actor_of(found), site=found.site, patient=found.patient)
    )
    written = await _written_from(rapport, found)
    return DraftPage(
        launch=found.id,
        csrf=csrf,
        note=str(uuid.uuid4()),
        who=known.chart.name,
        text=draft_text(page),
        can_write=can_create(DOCUMENT, found.context.granted),
        language=language,
        most=MOST_CHARACTERS,
        look=look_address(found.context.style),
        earlier=next((_line(each) for each in written), None),
    )


def _line(sent: SentNote) -> NoteLine:
    return NoteLine(sent.note.id, sent.note.written, DeliveryMark(sent.state))


async def _written_from(rapport: Rapport, found: Launch) -> tuple[SentNote, ...]:
    vault = rapport.ledger.vault
    return await rapport.ledger.read(lambda connection: notes_from(connection, vault, found.id))


async def _refuse(
    rapport: Rapport,
    found: Launch,
    session: Session,
    text: str,
    problem: str,
    language: str | None,
    *,
    note: uuid.UUID | None = None,
) -> HTMLResponse:
    """Show the draft again as it was sent, under its id or a new one."""
    page = await _draft_page(rapport, found, session, language)
    page = replace(
        page, note=str(note) if note else page.note, text=text, problem=retell(problem, page.language)
    )
    return HTMLResponse(render_draft(page), status_code=422 if note else 409)


@router.post("")
async def write(
    found: CurrentLaunch,
    session: CurrentSession,
    rapport: CurrentRapport,
    csrf: Csrf,
    note: Annotated[uuid.UUID, Form()],
    text: Annotated[str, Form(max_length=2 * MOST_CHARACTERS)] = "",
    accept_language: Language = None,
) -> Response:
    """Keep a note, durably, and have it written; the same form or the same text again leads to the note that there is."""
    check_csrf(rapport, found, csrf)
    ledger = rapport.ledger
    written = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    if not written or len(written) > MOST_CHARACTERS:
        what = "The note is empty." if not written else "The note is too long."
        problem = f"{what} Write up to {MOST_CHARACTERS} characters."
        return await _refuse(rapport, found, session, text, problem, accept_language, note=note)
    for each in await _written_from(rapport, found):
        # "Back" gives the text again, under a new id or the old one.
        if each.note.text == f"{written}\n":
            await ledger.bookkeep(
                lambda connection: settle_unsaved(connection, ledger.vault, found.id, str(note))
            )
            again = "" if each.note.id == str(note) else "?again=true"
            return RedirectResponse(f"/launches/{found.id}/notes/{each.note.id}{again}", status_code=303)
        if each.note.id == str(note):
            problem = "From this draft another text was written already. Press again to write this one too."
            return await _refuse(rapport, found, session, text, problem, accept_language)
    new = Note(
        id=str(note),
        site=found.site,
        patient=found.patient,
        encounter=found.encounter,
        launch=found.id,
        author=found.author,
        language=language_for(rapport, found.site, accept_language),
        written=rapport.clock(),
        text=f"{written}\n",
    )
    about = (f"DocumentReference/{new.id}",)
    audit = rapport.trail.entry(
        Kind.NOTE_WRITTEN, actor_of(found), site=found.site, patient=found.patient, about=about
    )

    def keep(connection: Connection) -> None:
        settle_unsaved(connection, ledger.vault, found.id, new.id)
        keep_note(connection, ledger.vault, new)

    await ledger.write(keep, audit)
    rapport.courier.wake()
    return RedirectResponse(f"/launches/{found.id}/notes/{new.id}", status_code=303)


@router.get("/{note}")
async def show(
    note: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    accept_language: Language = None,
    again: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show a note and how far it is."""
    language = language_for(rapport, found.site, accept_language)
    kept = await _own(rapport, found.site, found.patient, note)
    about = (f"DocumentReference/{note}",)
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.NOTE_VIEWED, actor_of(found), site=found.site, patient=found.patient, about=about
        )
    )
    return HTMLResponse(
        render_note(
            NotePage(
                launch=found.id,
                csrf=csrf_token(rapport, found),
                note=kept.note.id,
                who=kept.note.author if kept.note.author != found.author else "",
                text=kept.note.text,
                when=kept.note.written,
                state=DeliveryMark(kept.state),
                detail=retell(kept.detail, language),
                location=kept.location,
                language=language,
                is_again=again,
                look=look_address(found.context.style),
            )
        )
    )


@router.post("/{note}/retry")
async def retry(note: str, found: CurrentLaunch, rapport: CurrentRapport, csrf: Csrf) -> RedirectResponse:
    """Have a note tried again now; the record is searched for it first."""
    check_csrf(rapport, found, csrf)
    await _own(rapport, found.site, found.patient, note)
    now = rapport.clock()
    audit = rapport.trail.entry(
        Kind.DELIVERY_RETRIED,
        actor_of(found),
        site=found.site,
        patient=found.patient,
        about=(f"DocumentReference/{note}",),
    )
    await rapport.ledger.write(lambda connection: retry_note(connection, note, now), audit)
    rapport.courier.wake()
    return RedirectResponse(f"/launches/{found.id}/notes/{note}", status_code=303)


async def _own(rapport: Rapport, site: str, patient: str, note: str) -> SentNote:
    vault = rapport.ledger.vault
    kept = await rapport.ledger.read(lambda connection: read_note(connection, vault, note))
    if (kept.note.site, kept.note.patient) != (site, patient):
        raise NotFound("There is no such note of this patient.", "Go back to the patient page.")
    return kept
