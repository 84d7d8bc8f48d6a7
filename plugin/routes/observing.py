"""What every request leaves behind for operators: its id in each log line and in the answer, one line, one count."""

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugin import peer, request_id
from plugin.flow import Saved
from plugin.metrics import Metrics

log = structlog.get_logger()

_UNTOLD = ("/static/", "/health", "/metrics", "/log/")  # asked by machines all day long


class Observed:
    """Gives the request its id, logs how it was answered (by route, since addresses hold ids), counts the answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._answers = {each: metrics.answers.labels(f"{each}xx") for each in range(1, 6)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own = request_id.begin(Headers(scope=scope).get(request_id.HEADER, ""))
        if scope.get("client"):
            peer.arrived_from(scope["client"][0])
        begun = time.perf_counter()
        status = 500  # unless an answer begins

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[request_id.HEADER] = own
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._answers[status // 100].inc()
            if not scope["path"].startswith(_UNTOLD):
                milliseconds = round((time.perf_counter() - begun) * 1000, 1)
                log.info(
                    "request",
                    method=scope["method"],
                    path=_route(scope),
                    status=status,
                    milliseconds=milliseconds,
                )


def tell_kept(saved: Saved) -> None:
    """Have the line of this request name the response that is durable now: a line of its own costs as much as scoring."""
    structlog.contextvars.bind_contextvars(response=saved.id, replayed=saved.replayed)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unknown")
