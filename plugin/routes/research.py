"""The researcher's page: de-identified administrations of the own site as a download, accounted for in the trail."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, status
from fastapi.responses import HTMLResponse, Response

from plugin.access.desks import Desk
from plugin.comparing import SystemReader
from plugin.errors import NotFound
from plugin.exports import Period
from plugin.pages.staff import ResearchPage, Wish, render_research
from plugin.research_settings import Research
from plugin.researching import (
    Earlier,
    Gatherer,
    can_write_parquet,
    gather_accounted,
    overlapping,
    write_export,
    zip_export,
)
from plugin.roles import Role
from plugin.routes.desk import frame
from plugin.routes.state import (
    CurrentRapport,
    Rapport,
    actor_of,
    check_csrf,
    check_origin,
    desk_for,
)

router = APIRouter(prefix="/desks/{desk}", dependencies=[Depends(check_origin)])

ResearchersDesk = Annotated[Desk, Depends(desk_for(Role.RESEARCHER))]
_LONGEST_PAUSE = 2.0  # seconds: somebody waits for the page


@router.get("/research")
async def research(found: ResearchersDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Say what would be given and how people are taken out, and ask for which days and which study."""
    today = rapport.today(found.site)
    page = ResearchPage(
        frame(rapport, found, "research"),
        rapport.settings.policies[found.site].research,
        today,
        has_parquet=can_write_parquet(),
    )
    return HTMLResponse(render_research(page))


@router.post("/research")
async def export(
    found: ResearchersDesk,
    rapport: CurrentRapport,
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    why: Annotated[str, Form(max_length=300)] = "",
    csrf: Annotated[str, Form(max_length=200)] = "",
    despite: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Give the export as one archive; `despite` an earlier one with the same salt, if it is said."""
    check_csrf(rapport, found, csrf)
    decided = _decided(rapport, found)
    period = Period.parse(first, last, rapport.zone_of(found.site))
    if not despite and (earlier := await _earlier(rapport, found, decided, period)):
        page = ResearchPage(
            frame(rapport, found, "research"),
            decided,
            rapport.today(found.site),
            Wish(period.first, period.last, why, earlier),
            can_write_parquet(),
        )
        return HTMLResponse(render_research(page), status.HTTP_409_CONFLICT)
    gatherer = Gatherer(
        site=found.site,
        research=decided,
        catalogue=rapport.intake.catalogue,
        keys=rapport.intake.keys,
        vault=rapport.ledger.vault,
        read=rapport.ledger.read,
        ehr=SystemReader(rapport.settings.sites[found.site], rapport.http, rapport.clock, sleep=_pause),
        clock=rapport.clock,
        zone=rapport.zone_of(found.site),
    )
    gathered = await gather_accounted(gatherer, period, rapport.ledger, rapport.trail, actor_of(found), why)
    with tempfile.TemporaryDirectory() as folder:
        files = await asyncio.to_thread(write_export, Path(folder), gathered, decided, period)
        archive = await asyncio.to_thread(zip_export, files)
    name = f"rapport-research-{period.first}-{period.last}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(archive, media_type="application/zip", headers=headers)


async def _earlier(rapport: Rapport, found: Desk, decided: Research, period: Period) -> tuple[Earlier, ...]:
    vault = rapport.ledger.vault
    return await rapport.ledger.read(
        lambda connection: overlapping(connection, vault, found.site, decided, period)
    )


def _decided(rapport: Rapport, found: Desk) -> Research:
    decided = rapport.settings.policies[found.site].research
    if decided is None:
        raise NotFound(
            "This site gives nothing to research.",
            "Whoever keeps Rapport's settings can add [site.research].",
        )
    return decided


async def _pause(seconds: float) -> None:
    await asyncio.sleep(min(seconds, _LONGEST_PAUSE))
