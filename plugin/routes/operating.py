"""For operators: does this process live, is it ready, what does it count."""

import hmac
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from plugin.errors import NotFound
from plugin.metrics import CONTENT_TYPE
from plugin.operating.backlog import Backlog, backlog_metrics, read_backlog
from plugin.operating.readiness import examine
from plugin.routes.state import CurrentRapport, Rapport

router = APIRouter()


@router.head("/health/live")
@router.get("/health/live")
async def live() -> JSONResponse:
    """Answer as long as the process can: whoever gets no answer should start it again."""
    return JSONResponse({"status": "live"})


@router.head("/health/ready")
@router.get("/health/ready")
async def ready(rapport: CurrentRapport) -> JSONResponse:
    """Say whether requests should be sent here; names of parts and no more, since anybody may ask."""
    found = await examine(rapport.parts)
    parts = {name: "ok" if works else "failed" for name, works in found.parts.items()}
    status = "ready" if found.ready else "not ready"
    return JSONResponse({"status": status, "parts": parts}, 200 if found.ready else 503)


@router.get("/metrics")
async def metrics(
    request: Request, rapport: CurrentRapport, authorization: Annotated[str, Header()] = ""
) -> Response:
    """Give the metrics to whoever has the token, or asks at the port that is for operators only."""
    if not getattr(request.app.state, "for_operators", False):
        _check_token(rapport.settings.metrics_token, authorization)
    return Response(await _exposition(rapport), media_type=CONTENT_TYPE)


def _check_token(token: str | None, authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    wanted = (token or "").encode()
    if (
        not wanted
        or scheme.lower() != "bearer"
        or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted)
    ):
        # Not 401: outsiders need not know that there is something to read.
        raise NotFound("There is nothing at this address.", "Open Rapport from the patient's chart.")


async def _exposition(rapport: Rapport) -> bytes:
    sites = tuple(rapport.settings.policies)
    try:
        backlog: Backlog | None = await rapport.ledger.read(
            lambda connection: read_backlog(connection, sites)
        )
    except sa.exc.SQLAlchemyError:
        backlog = None
    return rapport.metrics.exposition(backlog_metrics(backlog, sites, rapport.clock()))
