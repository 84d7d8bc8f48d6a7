"""The server of a process: at its end what is told live ends with it, and nothing else is waited for without end."""

import socket
from collections.abc import Callable
from typing import Any

import uvicorn

# For requests that are being answered; deliveries have five seconds after that.
ENDING_SECONDS = 8
STARTUP_FAILED = 3  # exit status, as uvicorn's


class EndingServer(uvicorn.Server):
    """Says that it ends before it waits for open connections: a page that listens keeps one open as long as it is shown."""

    def __init__(self, app: Any, end: Callable[[], None], **options: Any) -> None:
        super().__init__(uvicorn.Config(app, timeout_graceful_shutdown=ENDING_SECONDS, **options))
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let whoever listens go, then end as uvicorn does."""
        self._end()
        await super().shutdown(sockets)
