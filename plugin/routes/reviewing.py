"""Periodic reviews: a sample is drawn, each administration is opened, signed off with a comment, and the whole too."""

import csv
import io
import secrets
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from plugin.access.desks import Desk
from plugin.audit import Kind
from plugin.auditing.reviews import (
    Drawn,
    Review,
    SignOff,
    Verdict,
    check_asked,
    draw,
    lacking,
    latest,
    list_reviews,
    new_id,
    read_review,
    said_of_lacking,
    save_review,
    save_sign_off,
    sign_offs_of,
)
from plugin.auditing.searching import Found, read_listed
from plugin.errors import Invalid, NotFound
from plugin.exports import Period
from plugin.exports.sheets import disarm
from plugin.pages.auditing import (
    NOTHING_TYPED,
    Listed,
    ReviewItem,
    ReviewPage,
    ReviewsPage,
    TypedDraw,
    TypedSignOff,
    render_review,
    render_reviews,
)
from plugin.pages.words import N_
from plugin.routes.auditing import prover_of, show_sign_off_again, titles_of
from plugin.routes.desk import AskedPeriod, AuditorsDesk, Csrf, frame
from plugin.routes.state import CurrentRapport, Rapport, actor_of, check_csrf, check_origin

router = APIRouter(prefix="/desks/{desk}/reviews", dependencies=[Depends(check_origin)])

DAYS = (N_("Received from"), N_("to, that day included"))
"""What the days of a period are called in the forms of reviews and exports."""
_QUARTER = 3  # months
_SHORTEST_COMMENT = 3  # characters
_TOLD = {
    "drawn": N_("The sample is drawn. Open each administration, and sign it off there."),
    "signed": N_("Signed. It is in the audit trail and will be in the transparency log within seconds."),
}


@router.get("")
async def reviews(found: AuditorsDesk, rapport: CurrentRapport) -> HTMLResponse:
    """List the reviews of the site, and offer to draw another."""
    page = await _list(rapport, found)
    entry = rapport.trail.entry(Kind.REVIEW_VIEWED, actor_of(found), site=found.site)
    await rapport.ledger.record(entry)
    return HTMLResponse(render_reviews(page))


@router.post("")
async def draw_review(
    found: AuditorsDesk,
    rapport: CurrentRapport,
    typed: AskedPeriod,
    csrf: Csrf = "",
    asked: Annotated[int, Form()] = 30,
    seed: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Draw a sample; the seed is thrown here if none is given."""
    check_csrf(rapport, found, csrf)
    chosen = seed.strip() or secrets.token_hex(8)
    refused = TypedDraw(typed.first, typed.last, typed.why, asked, seed)
    try:
        period = Period.parse(typed.first, typed.last, names=DAYS)
        check_asked(chosen, asked)
    except Invalid as invalid:
        page = await _list(rapport, found, refused, str(invalid))
        return HTMLResponse(render_reviews(page), status_code=422)
    drawn = await rapport.reading.read(lambda c: draw(c, found.site, period, chosen, asked))
    if not drawn.sample:
        problem = "Nothing was received in this period: there is nothing to draw from."
        page = await _list(rapport, found, refused, problem)
        return HTMLResponse(render_reviews(page), status_code=422)
    actor = actor_of(found)
    by = actor.reference or actor.display or ""
    review = Review(new_id(), found.site, period, chosen, asked, drawn, typed.why, rapport.clock(), by)
    entry = rapport.trail.entry(
        Kind.REVIEW_DRAWN,
        actor,
        site=found.site,
        about=(f"urn:uuid:{review.id}",),
        reason=typed.why or None,
        details=(
            ("review", review.id),
            ("seed", chosen),
            ("drawn", f"{len(drawn.sample)} of {drawn.population}"),
        ),
    )
    await rapport.ledger.write(lambda c: save_review(c, review), entry)
    return RedirectResponse(f"/desks/{found.id}/reviews/{review.id}?done=drawn", status_code=303)


@router.get("/{review}")
async def review(
    review: str,
    found: AuditorsDesk,
    rapport: CurrentRapport,
    done: Annotated[str, Query(max_length=20)] = "",
    again: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show a review with its sample and what was signed; `again` draws it anew to compare."""
    return await _show(rapport, found, review, told=_TOLD.get(done), again=again)


async def _show(
    rapport: Rapport,
    found: Desk,
    review: str,
    *,
    told: str | None = None,
    again: bool = False,
    typed: TypedSignOff = NOTHING_TYPED,
) -> HTMLResponse:
    kept, listed, signed = await _read(rapport, found, review)
    same = None
    if again:
        anew: Drawn = await rapport.reading.read(
            lambda c: draw(c, found.site, kept.period, kept.seed, kept.asked)
        )
        same = anew == kept.drawn_from
    prover, vault = prover_of(rapport), rapport.reading.vault
    proof = await rapport.reading.read(lambda c: prover.prove(c, vault, "review", review))
    await _note(rapport, found, Kind.REVIEW_VIEWED, kept)
    items = tuple(ReviewItem(each, listed.get(each), latest(signed, each)) for each in kept.drawn_from.sample)
    whole = tuple(each for each in signed if each.response is None)
    page = ReviewPage(frame(rapport, found, "reviews"), kept, items, whole, proof.standing, same, told, typed)
    return HTMLResponse(render_review(page, titles_of(rapport)), status_code=200 if typed.is_taken else 422)


@router.post("/{review}/sign-off")
async def sign_off(
    review: str,
    found: AuditorsDesk,
    rapport: CurrentRapport,
    csrf: Csrf = "",
    response: Annotated[str, Form(max_length=36)] = "",
    verdict: Annotated[str, Form(max_length=16)] = "",
    comment: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Sign one administration of the sample, or the review as a whole. What was signed stays; signing again adds to it."""
    check_csrf(rapport, found, csrf)
    kept = await rapport.reading.read(lambda c: read_review(c, found.site, review))
    if response and response not in kept.drawn_from.sample:
        raise NotFound("This administration is not in the review's sample.", "Go back to the review.")
    typed = _check_sign_off(verdict, comment.strip())
    if not typed.is_taken:
        if response:
            return await show_sign_off_again(rapport, found, review, response, typed)
        return await _show(rapport, found, review, typed=typed)
    said, vault = Verdict(verdict), rapport.ledger.vault
    stated = comment.strip()
    if not response:
        before = await rapport.reading.read(lambda c: sign_offs_of(c, rapport.reading.vault, review))
        stated = f"{said_of_lacking(kept.drawn_from, before)}\n{stated}".strip()
    actor = actor_of(found)
    signed = SignOff(
        new_id(),
        response or None,
        said,
        stated,
        rapport.clock(),
        actor.reference or actor.display or "",
    )
    patient = await _patient_of(rapport, response) if response else None
    entry = rapport.trail.entry(
        Kind.REVIEW_SIGNED,
        actor,
        site=found.site,
        patient=patient,
        about=(f"QuestionnaireResponse/{response}",) if response else (),
        details=(("review", kept.id), ("sign-off", signed.id), ("verdict", said)),
    )
    await rapport.ledger.write(lambda c: save_sign_off(c, vault, kept.id, signed), entry)
    return RedirectResponse(f"/desks/{found.id}/reviews/{kept.id}?done=signed", status_code=303)


def _check_sign_off(verdict: str, comment: str) -> TypedSignOff:
    """Say what is missing, beside its field."""
    if verdict not in tuple(Verdict):
        return TypedSignOff("", comment, no_verdict=N_("Choose one."))
    if verdict != Verdict.IN_ORDER and len(comment) < _SHORTEST_COMMENT:
        missing = N_("Say in a few words what is in question or not in order.")
        return TypedSignOff(verdict, comment, no_comment=missing)
    return TypedSignOff(verdict, comment)


@router.get("/{review}/export")
async def export(
    review: str,
    found: AuditorsDesk,
    rapport: CurrentRapport,
    form: Annotated[str, Query(max_length=4)] = "json",
) -> Response:
    """Give a review as a file: JSON with all of it, or CSV with a line for each administration."""
    kept, listed, signed = await _read(rapport, found, review)
    await _note(rapport, found, Kind.EXPORTED, kept)
    name = f"review-{kept.period.first}-{kept.period.last}-{kept.id[:8]}"
    if form == "csv":
        content, media = _csv(kept, listed, signed), "text/csv; charset=utf-8"
    elif form == "json":
        content, media = _json(kept, listed, signed), "application/json"
    else:
        raise Invalid("A review is given as json or csv.", "Choose one of the two on its page.")
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media, headers=headers)


async def _list(
    rapport: Rapport, found: Desk, typed: TypedDraw | None = None, problem: str | None = None
) -> ReviewsPage:
    vault = rapport.reading.vault

    def look(connection: Connection) -> tuple[Listed, ...]:
        listed = []
        for each in list_reviews(connection, found.site):
            signed = sign_offs_of(connection, vault, each.id)
            questioned, unsigned = lacking(each.drawn_from, signed)
            many = len(each.drawn_from.sample) - unsigned
            listed.append(Listed(each, many, latest(signed, None), questioned))
        return tuple(listed)

    first, last = quarter_of(rapport.today(found.site))
    listed = await rapport.reading.read(look)
    offered = TypedDraw(first.isoformat(), last.isoformat())
    return ReviewsPage(frame(rapport, found, "reviews"), listed, typed or offered, problem)


async def _read(
    rapport: Rapport, found: Desk, review: str
) -> tuple[Review, Mapping[str, Found], tuple[SignOff, ...]]:
    vault = rapport.reading.vault

    def look(connection: Connection) -> tuple[Review, Mapping[str, Found], tuple[SignOff, ...]]:
        kept = read_review(connection, found.site, review)
        listed = read_listed(connection, found.site, kept.drawn_from.sample)
        return kept, listed, sign_offs_of(connection, vault, review)

    return await rapport.reading.read(look)


async def _note(rapport: Rapport, found: Desk, kind: Kind, kept: Review) -> None:
    """Account for a view of a review: one entry, which names every administration of its sample."""
    about = tuple(f"QuestionnaireResponse/{each}" for each in kept.drawn_from.sample)
    entry = rapport.trail.entry(
        kind, actor_of(found), site=found.site, about=about, details=(("review", kept.id),)
    )
    await rapport.ledger.record(entry)


async def _patient_of(rapport: Rapport, response: str) -> str | None:
    listed = await rapport.reading.read(lambda c: read_listed(c, None, (response,)))
    return listed[response].patient if response in listed else None


def quarter_of(today: date) -> tuple[date, date]:
    """Give the first and the last day of the quarter of a day."""
    month = (today.month - 1) // _QUARTER * _QUARTER + 1
    first = date(today.year, month, 1)
    following = date(today.year + (month + _QUARTER > 12), (month + _QUARTER - 1) % 12 + 1, 1)
    return first, following - timedelta(days=1)


def _json(kept: Review, listed: Mapping[str, Found], signed: tuple[SignOff, ...]) -> bytes:
    def lines(response: str | None) -> list[dict[str, object]]:
        return [
            {
                "id": each.id,
                "verdict": each.verdict,
                "comment": each.comment,
                "signed": each.signed,
                "signed_by": each.signed_by,
            }
            for each in signed
            if each.response == response
        ]

    content = {
        "format": "rapport-review/1",
        "id": kept.id,
        "site": kept.site,
        "first_day": kept.period.first,
        "last_day": kept.period.last,
        "seed": kept.seed,
        "asked": kept.asked,
        "population": kept.drawn_from.population,
        "population_digest": kept.drawn_from.digest,
        "why": kept.why,
        "drawn": kept.drawn,
        "drawn_by": kept.drawn_by,
        "sample": [
            {"response": each, **_known(listed.get(each)), "sign_offs": lines(each)}
            for each in kept.drawn_from.sample
        ],
        "sign_offs": lines(None),
    }
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


def _known(found: Found | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        "received": found.received,
        "patient": found.patient,
        "rater": found.rater,
        "instrument": found.instrument,
        "state": found.state,
        "entered_in_error": found.is_voided,
        "clinician": found.user,
    }


def _csv(kept: Review, listed: Mapping[str, Found], signed: tuple[SignOff, ...]) -> bytes:
    names = ("received", "patient", "rater", "instrument", "state", "entered_in_error", "clinician")
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(("place", "response", *names, "verdict", "comment", "signed", "signed_by"))
    for place, each in enumerate((*kept.drawn_from.sample, None), 1):
        known = _known(listed.get(each)) if each else {}
        last = latest(signed, each)
        said = ("", "", "", "") if last is None else (last.verdict, last.comment, last.signed, last.signed_by)
        row = (
            "whole" if each is None else place,
            each or "",
            *(known.get(name, "") for name in names),
            *said,
        )
        sheet.writerow([disarm(str(value)) for value in row])
    return out.getvalue().encode()
