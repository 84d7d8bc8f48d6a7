"""Rapport's own front page, and whether it lives."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from plugin import __version__
from plugin.pages import HomePage, SiteLink, render_home
from plugin.routes.state import CurrentRapport

router = APIRouter()


@router.get("/")
async def home(rapport: CurrentRapport) -> HTMLResponse:
    """Say what this is and where to open it."""
    sites = tuple(SiteLink(site.id, site.name) for site in rapport.settings.sites.values())
    return HTMLResponse(render_home(HomePage(sites, __version__)))


@router.get("/health")
async def health(rapport: CurrentRapport) -> JSONResponse:
    """Answer when requests can be served and the ledger can be written."""
    await rapport.ledger.bookkeep(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
    return JSONResponse({"status": "ok", "version": __version__})
