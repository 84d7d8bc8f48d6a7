"""A port for operators only: health and metrics without a token, beside the port for everybody, or of a process without one."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from plugin.routes import operating
from plugin.routes.errors import install_error_answers
from plugin.routes.state import Rapport
from plugin.slow_clients import HurriedProtocol


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int


class OperatorsPort:
    """Serves /health/live, /health/ready and /metrics until it is closed."""

    def __init__(self, rapport: Rapport, listen: Listen) -> None:
        app = FastAPI(
            title="Rapport, for operators",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
        )
        app.state.rapport = rapport
        app.state.for_operators = True
        app.include_router(operating.router)
        install_error_answers(app)
        config = uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            http=HurriedProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
        )
        self._server = _Beside(config)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to serve, in the running event loop."""
        self._task = asyncio.create_task(self._server.serve())

    async def close(self) -> None:
        """Stop."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait({self._task})


class _Beside(uvicorn.Server):
    """A server that leaves the process's signals to the one whose process it is."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
