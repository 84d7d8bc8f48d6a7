"""The researcher's page: de-identified administrations of the own site as a download, accounted for in the trail."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, status
from fastapi.responses import HTMLResponse, Response

from plugin.access.desks import Desk
from plugin.comparing import RecordUnreadable, SystemReader
from plugin.errors import Invalid, NotFound
from plugin.exports import Period
from plugin.pages.staff import ResearchPage, Wish, render_research, research_facts
from plugin.pages.words import N_
from plugin.research_settings import Research
from plugin.researching import (
    AskFirst,
    Gathered,
    Gatherer,
    can_write_parquet,
    check_kept,
    check_purpose,
    export_accounted,
    write_export,
    zip_export,
)
from plugin.roles import Role
from plugin.routes.desk import AskedPeriod, Csrf, frame
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
_DAYS = (N_("First day"), N_("Last day"))
_LONGEST_PAUSE = 2.0  # seconds: somebody waits for the page


@router.get("/research")
async def research(found: ResearchersDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Say what would be given and how people are taken out, and ask for which days and which study."""
    return _show(rapport, found)


@router.post("/research")
async def export(
    found: ResearchersDesk,
    rapport: CurrentRapport,
    typed: AskedPeriod,
    csrf: Csrf = "",
    despite: Annotated[str, Form(max_length=10)] = "",
    keep: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Give the export as one archive; `despite` what it gives away, if it is said. `keep`: emptied last.

    A header tells the page's script what was made: without script the browser takes the file and stays on its page.
    """
    check_csrf(rapport, found, csrf)
    decided = _decided(rapport, found)
    try:
        period = Period.parse(typed.first, typed.last, rapport.zone_of(found.site), names=_DAYS)
        check_purpose(typed.why)
        check_kept(keep or None)
        gathered, archive = await _archive(
            rapport, found, decided, period, typed.why, keep or None, despite=bool(despite)
        )
    except AskFirst as asked:
        return _show(rapport, found, Wish(typed, asked.doubt, keep=keep), asked.status)
    except (Invalid, RecordUnreadable) as refused:
        return _show(rapport, found, Wish(typed, problem=str(refused), keep=keep), refused.status)
    name = f"rapport-research-{period.first}-{period.last}.zip"
    language = frame(rapport, found, "research").language
    facts = {"file": name, **research_facts(gathered, decided.smallest_cell, language)}
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Rapport-Made": json.dumps(facts),  # ASCII alone, as headers are
    }
    return Response(archive, media_type="application/zip", headers=headers)


def _show(
    rapport: Rapport, found: Desk, wish: Wish | None = None, answer: int = status.HTTP_200_OK
) -> HTMLResponse:
    page = ResearchPage(
        frame(rapport, found, "research"),
        rapport.settings.policies[found.site].research,
        rapport.today(found.site),
        wish,
        can_write_parquet(),
    )
    return HTMLResponse(render_research(page), answer)


async def _archive(
    rapport: Rapport,
    found: Desk,
    decided: Research,
    period: Period,
    why: str,
    keep: str | None,
    *,
    despite: bool,
) -> tuple[Gathered, bytes]:
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
        keep=keep,
    )
    with tempfile.TemporaryDirectory() as folder:
        gathered, files = await export_accounted(
            gatherer,
            period,
            rapport.ledger,
            rapport.trail,
            actor_of(found),
            why,
            lambda gathered: write_export(Path(folder), gathered, decided, period),
            despite=despite,
        )
        return gathered, await asyncio.to_thread(zip_export, files)


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
