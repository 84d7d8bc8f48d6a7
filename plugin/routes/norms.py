"""The administrator's page of norms: what is in use, from how many people, and who decided. Nothing is decided here."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from plugin.norming import Answered, Decision, Norm, count_people, in_use, read_decisions
from plugin.norms.administrations import LEAST_FOR_MEAN, LEAST_FOR_RELIABILITY, UNKNOWN_AGE
from plugin.pages.staff import NormLine, NormsPage, PeopleLine, render_norms
from plugin.routes.desk import AdministratorsDesk, frame
from plugin.routes.state import CurrentRapport
from questionnaires import Catalogue, CatalogueError, Instrument

router = APIRouter(prefix="/desks/{desk}")

_MOST_DECISIONS = 50


@router.get("/norms")
async def norms(found: AdministratorsDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Show the norms of this site. Computing figures takes seconds of a processor, and is left to `rapport norms`."""
    catalogue = rapport.intake.catalogue
    using, decided, people = await asyncio.gather(
        rapport.ledger.read(lambda connection: in_use(connection, found.site)),
        rapport.ledger.read(lambda connection: read_decisions(connection, found.site)),
        rapport.ledger.read(lambda connection: count_people(connection, found.site, catalogue)),
    )
    latest = decided[: -_MOST_DECISIONS - 1 : -1]
    page = NormsPage(
        desk=frame(rapport, found, "norms"),
        site=found.site,
        in_use=tuple(_line(catalogue, Decision("adopted", norm)) for norm in using),
        people=tuple(_people_line(catalogue, each) for each in people),
        decisions=tuple(_line(catalogue, each) for each in latest),
    )
    return HTMLResponse(render_norms(page))


def _line(catalogue: Catalogue, decision: Decision) -> NormLine:
    norm = decision.norm
    instrument = _instrument(catalogue, norm.group.instrument)
    return NormLine(
        form=_title(instrument, norm.group.instrument),
        score=_score(instrument, norm),
        rater=norm.group.rater,
        ages="" if norm.group.age_band == UNKNOWN_AGE else norm.group.age_band,
        norm=norm,
        action=decision.action,
    )


def _people_line(catalogue: Catalogue, answered: Answered) -> PeopleLine:
    return PeopleLine(
        form=_title(_instrument(catalogue, answered.instrument), answered.instrument),
        rater=answered.rater,
        people=answered.people,
        forms=answered.forms,
        for_mean=max(0, LEAST_FOR_MEAN - answered.people),
        for_reliability=max(0, LEAST_FOR_RELIABILITY - answered.people),
    )


def _instrument(catalogue: Catalogue, canonical: str) -> Instrument | None:
    try:
        return catalogue.by_canonical(canonical)
    except CatalogueError:
        return None  # a version, or a form of the site's own, that is not installed any more


def _title(instrument: Instrument | None, canonical: str) -> str:
    version = canonical.rpartition("|")[2]
    return canonical if instrument is None else f"{instrument.id} {version}"


def _score(instrument: Instrument | None, norm: Norm) -> str:
    scores = instrument.scores if instrument else ()
    named = (each.code.display for each in scores if each.link_id == norm.group.score)
    return next(named, norm.group.score)
