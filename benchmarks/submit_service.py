"""Rapport's submit() behind an address, as bare as the naive service: no sign-in, no delivery. For benchmarks.submit."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

from plugin.app import open_stock, wire
from plugin.audit import Actor
from plugin.audit.trail import utc_now
from plugin.commands.serving import spare_collector
from plugin.flow import Arrival, submit
from plugin.logs import configure_logs
from plugin.settings import read_settings


def create_app(config: Path) -> FastAPI:
    settings = read_settings(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient() as http:
            app.state.rapport = wire(settings, http, utc_now, await open_stock(settings, http))
            yield
            app.state.rapport.ledger.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/QuestionnaireResponse")
    async def take(request: Request) -> Response:
        arrival = Arrival(
            body=await request.body(),
            site="clinic",
            organization="Clinic",
            patient="Patient/p1",
            actor=Actor("Patient/p1"),
        )
        saved = await submit(app.state.rapport.intake, arrival)
        return Response(status_code=200 if saved.replayed else 201)

    return app


if __name__ == "__main__":
    configure_logs()
    service = create_app(Path(sys.argv[1]))
    spare_collector()  # as `rapport serve` does
    uvicorn.run(
        service,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_config=None,
    )
