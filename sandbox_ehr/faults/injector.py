"""The layer around the application that makes faults happen on the wire."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox_ehr.errors import Issue
from sandbox_ehr.faults.book import FaultBook, FaultKind, FaultSpec
from sandbox_ehr.fhir.exchange import outcome

CONTROL = "/sandbox"
"""Addresses below this are never hit: faults can always be listed and cleared."""

EndToken = Callable[[str, bool], None]
"""Ends an access token; with True everything of the same authorization."""

_ANSWERS: dict[FaultKind, tuple[int, str, str]] = {
    FaultKind.THROTTLED: (429, "throttled", "Too many requests: try again later."),
    FaultKind.FAILED: (500, "exception", "Something went wrong."),
    FaultKind.FAILED_AFTER_COMMIT: (500, "exception", "Something went wrong."),
    FaultKind.UNAVAILABLE: (503, "transient", "Not available just now."),
}
_HUGE = 6_500_000  # characters, four times over
_DEFAULT_RETRY = 1  # seconds, where a throttled answer was not told otherwise


class ConnectionBroken(ConnectionResetError):
    """Raised instead of an answer where there is no socket to break (an ASGI transport in the same process)."""


@dataclass(slots=True)
class _Recorded:
    """An answer that was made and is held back."""

    start: Message = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


class FaultInjector:
    """Does to each request what the book says, and passes the others on."""

    def __init__(self, app: ASGIApp, book: FaultBook, end_token: EndToken) -> None:
        self._app = app
        self._book = book
        self._end_token = end_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        last: FaultSpec | None = None
        for spec in self._book.take(scope["method"], scope["path"]):
            if spec.kind is FaultKind.LATENCY:
                await asyncio.sleep(spec.seconds)
            else:
                last = spec
        if last is None:
            await self._app(scope, receive, send)
        else:
            await self._befall(last, scope, receive, send)

    async def _befall(self, spec: FaultSpec, scope: Scope, receive: Receive, send: Send) -> None:
        held = _Recorded()
        if spec.kind in {
            FaultKind.FAILED_AFTER_COMMIT,
            FaultKind.RESET_AFTER_COMMIT,
            FaultKind.HALF_SENT,
            FaultKind.BARE,
        }:
            await self._app(scope, receive, held.send)
        match spec.kind:
            case FaultKind.RESET_BEFORE_COMMIT | FaultKind.RESET_AFTER_COMMIT:
                await _break_connection(receive, send)
            case FaultKind.HALF_SENT:
                await _send_half(held, receive, send)
            case FaultKind.TOKEN_EXPIRED | FaultKind.TOKEN_REVOKED:
                self._end(scope, everything=spec.kind is FaultKind.TOKEN_REVOKED)
                await self._app(scope, receive, send)  # the server itself says what a dead token gets
            case FaultKind.FORBIDDEN:
                await Response(status_code=403)(scope, receive, send)
            case FaultKind.BARE:
                await Response(status_code=held.start["status"])(scope, receive, send)
            case kind if kind in _ANSWERS:
                await _answer(spec)(scope, receive, send)
            case _:
                await (await _answer_oddly(spec.kind, Request(scope, receive)))(scope, receive, send)

    def _end(self, scope: Scope, *, everything: bool) -> None:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._end_token(token.strip(), everything)


async def _answer_oddly(kind: FaultKind, request: Request) -> Response:
    match kind:
        case FaultKind.LOGIN_PAGE:
            return HTMLResponse("<!doctype html><title>Sign in</title><p>Sign in to go on.")
        case FaultKind.REDIRECTED:
            return RedirectResponse(f"https://elsewhere.invalid{request.url.path}")
        case FaultKind.HUGE_OUTCOME:
            return _refuse("x" * _HUGE)
    sent = (await request.body()).decode(errors="replace")
    return _refuse(f"{request.headers.get('authorization', '')} sent {sent}")


def _refuse(text: str) -> Response:
    # The text stands wherever an OperationOutcome has room for one.
    issue = {
        "severity": "error",
        "code": "business-rule",
        "details": {"coding": [{"code": text}], "text": text},
        "diagnostics": text,
        "expression": [text],
    }
    resource = {"resourceType": "OperationOutcome", "issue": [issue]}
    return JSONResponse(resource, 422, media_type="application/fhir+json")


def _answer(spec: FaultSpec) -> Response:
    status, code, text = _ANSWERS[spec.kind]
    headers = {}
    if spec.kind is FaultKind.THROTTLED or spec.retry_after is not None:
        headers["Retry-After"] = str(_DEFAULT_RETRY if spec.retry_after is None else spec.retry_after)
    return JSONResponse(outcome(Issue(code, text)), status, headers, media_type="application/fhir+json")


async def _send_half(held: _Recorded, receive: Receive, send: Send) -> None:
    """Announce the whole answer, send half of it, and break off."""
    headers = [(name, value) for name, value in held.start["headers"] if name.lower() != b"content-length"]
    length = max(len(held.body), 2)  # an empty answer is announced as longer than it is
    await send({**held.start, "headers": [*headers, (b"content-length", str(length).encode())]})
    await send(
        {"type": "http.response.body", "body": bytes(held.body[: len(held.body) // 2]), "more_body": True}
    )
    await asyncio.sleep(0)  # let the first half leave
    await _break_connection(receive, send)


async def _break_connection(receive: Receive, send: Send) -> None:
    """Reset the TCP connection under the request; ConnectionBroken where there is none."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionBroken("The sandbox broke the connection, as a fault asked for.")
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            # A close without lingering is a reset (RST) rather than an orderly end.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass  # the server answers 500 if we return before it knows that the client has gone
