"""Rapport's own front page, and whether it lives."""

from pathlib import PurePath

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from plugin import __version__
from plugin.audit.leaves import count_pending
from plugin.pages import HomePage, SiteLink, render_home
from plugin.routes.errors import spoken_in
from plugin.routes.state import CurrentRapport

router = APIRouter()


@router.head("/")
@router.get("/")
async def home(request: Request, rapport: CurrentRapport) -> HTMLResponse:
    """Say what this is and where to open it."""
    policies = rapport.settings.policies
    sites = tuple(
        SiteLink(site.id, site.name, site.id in policies and not policies[site.id].roles.is_empty)
        for site in rapport.settings.sites.values()
    )
    return HTMLResponse(render_home(HomePage(sites, __version__), spoken_in(request)))


@router.head("/health")
@router.get("/health")
async def health(rapport: CurrentRapport) -> JSONResponse:
    """Answer when requests can be served and the ledger can be written.

    `attention` instead of `ok`: something waits for a person. Instruments that were left out are named, and a log that
    is not kept up.
    """
    await rapport.ledger.bookkeep(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
    queue = await rapport.ledger.read(count_pending)
    # Names and places only: a path would tell of the machine, and this page is open to anybody.
    left_out = [
        {
            "file": _short(each.file),
            "problems": [
                {"place": problem.link_id, "found": problem.found.replace(each.file, _short(each.file))}
                for problem in each.problems
            ],
        }
        for each in rapport.left_out
    ]
    instruments = {"usable": len(rapport.intake.catalogue.all()), "left_out": left_out}
    keeps_up = await rapport.parts["log"]() if "log" in rapport.parts else True
    log = {"waiting": queue.waiting, "set_aside": queue.set_aside, "keeps_up": keeps_up}
    status = "attention" if left_out or queue.set_aside or not keeps_up else "ok"
    return JSONResponse(
        {"status": status, "version": __version__, "instruments": instruments, "transparency_log": log}
    )


def _short(file: str) -> str:
    """Name a file by its last part, and an instrument's folder with it."""
    path = PurePath(file)
    return "/".join(path.parts[-2:]) if path.name == "questionnaire.json" else path.name
