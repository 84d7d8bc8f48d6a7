"""Browsers that keep no cookies for us in the EHR's frame: our own script carries the session instead.

A sandboxed frame has an origin of its own that nobody shares, and an embedded or strict browser may refuse every cookie.
There the handle stands in the page that our script reads, and travels in the body of a form (`POST /carried`) or in a
header of a fetch: never in an address, never in the browser's storage. Nothing else gives such a request authority, so
another site's page cannot borrow it.
"""

from typing import Annotated
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugin.errors import Forbidden, Invalid
from plugin.pages import carry
from plugin.routes.state import COOKIE, CurrentRapport

router = APIRouter()

SESSION_HEADER = "x-rapport-session"
_AUTHORITIES = (SESSION_HEADER, "x-rapport-invitation")
_OPAQUE = "null"  # the Origin of a sandboxed frame
_FRAMES = frozenset({"iframe", "frame"})
_MOST_REDIRECTS = 5
_BORROWED = frozenset(
    {
        "cookie",
        "origin",
        "content-type",
        "content-length",
        "accept-encoding",  # the page is read here before it is sent
        "sec-fetch-site",
        "sec-fetch-mode",
        SESSION_HEADER,
    }
)


def is_framed(request: Request) -> bool:
    """Tell whether a page is loaded into a frame; a browser that does not say may be an embedded one."""
    return request.headers.get("sec-fetch-dest", "iframe") in _FRAMES


def is_carried(request: Request) -> bool:
    """Tell whether the session of this request was carried by our script."""
    return bool(request.scope.get("rapport.carried"))


@router.post("/carried")
async def carried(
    request: Request,
    rapport: CurrentRapport,
    session: Annotated[str, Form(max_length=100)],
    to: Annotated[str, Form(max_length=8000)],
    body: Annotated[str | None, Form()] = None,
) -> Response:
    """Open one of our own addresses with the session that the page's script carries; with a body, send it a form."""
    # Only where an EHR's page is around us (frame-ancestors): nobody else can begin such a session for somebody.
    if not is_framed(request) or request.headers.get("origin", _OPAQUE) not in {
        _OPAQUE,
        rapport.settings.base_url,
    }:
        raise Forbidden(
            "This page was not opened in the EHR's frame.", "Open Rapport from the patient's chart."
        )
    request.state.site = getattr(request.state, "site", None)
    for _ in range(_MOST_REDIRECTS):
        _check_own(to)
        scope = _inner_scope(request.scope, session, to, body)
        answer = await _ask(request.app.router, scope, (body or "").encode())
        request.scope["route"] = scope.get("route", request.scope["route"])  # what the log names
        session = _renewed(answer) or session
        location = answer.headers.get("location")
        if location is None or answer.status_code // 100 != 3:
            return _with_session(answer, session, to)
        if not location.startswith("/"):
            return RedirectResponse(location, status_code=303)
        to, body = location, None
    raise Invalid("This address leads in a circle.", "Open Rapport again from the patient's chart.")


class CarriedHeader:
    """Lets our scripts ask from a frame without an origin: the session, or an invitation, stands in a header.

    The answer may be read there (CORS, without credentials); cookies that came along count for nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its session where cookies would be."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        opaque = headers.get("origin") == _OPAQUE
        asked = headers.get("access-control-request-headers", "").lower()
        if opaque and scope["method"] == "OPTIONS" and any(each in asked for each in _AUTHORITIES):
            await _allow(send)
            return
        session = headers.get(SESSION_HEADER)
        if session is None and not (opaque and any(each in headers for each in _AUTHORITIES)):
            await self._app(scope, receive, send)
            return

        async def readable(message: Message) -> None:
            if opaque and message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["Access-Control-Allow-Origin"] = _OPAQUE
                answer.add_vary_header("Origin")
            await send(message)

        kept = {"content-type", "content-length"}
        await self._app({**scope, **_authority(scope, session, kept)}, receive, readable)


async def _allow(send: Send) -> None:
    headers = [
        (b"access-control-allow-origin", b"null"),
        (b"access-control-allow-methods", b"GET, POST, PUT"),
        (b"access-control-allow-headers", ", ".join((*_AUTHORITIES, "content-type")).encode()),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _authority(scope: Scope, session: str | None, keep: set[str]) -> dict[str, object]:
    """Replace what the browser lends a request by what our script gave it."""
    headers = [
        (name, value) for name, value in scope["headers"] if name.decode("latin-1") not in _BORROWED - keep
    ]
    if session is not None and session.isascii() and session.replace("-", "").replace("_", "").isalnum():
        headers.append((b"cookie", f"{COOKIE}={session}".encode()))
    return {"headers": headers, "rapport.carried": True}


def _inner_scope(scope: Scope, session: str, to: str, body: str | None) -> Scope:
    path, _, query = to.partition("#")[0].partition("?")
    inner = {
        **{name: value for name, value in scope.items() if name not in {"route", "endpoint", "path_params"}},
        **_authority(scope, session, set()),
        "method": "GET" if body is None else "POST",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
    }
    if body is not None:
        inner["headers"] += [
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body.encode())).encode()),
        ]
    return inner


async def _ask(app: ASGIApp, scope: Scope, body: bytes) -> Response:
    """Have one of our own routes answer; its answer as a whole."""
    status, headers, content = 500, [], bytearray()
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
        else:
            content.extend(message.get("body", b""))

    await app(scope, receive, send)
    answer = Response(bytes(content), status)
    answer.raw_headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return answer


def _check_own(to: str) -> None:
    """Invalid unless it is a path of ours that opens a page."""
    try:
        parts = urlsplit(to)
        leads_away = bool(parts.scheme or parts.netloc)
    except ValueError:
        leads_away = True
    if not to.startswith("/") or to.startswith(("//", "/\\", "/carried")) or leads_away:
        raise Invalid("This is no page of Rapport.", "Open Rapport again from the patient's chart.")


def _renewed(answer: Response) -> str | None:
    """Take a new session handle out of what would be a cookie."""
    for name, value in answer.raw_headers:
        if name.lower() == b"set-cookie":
            handle = cookie_parser(value.decode("latin-1")).get(COOKIE)
            if handle:
                return handle
    return None


def _with_session(answer: Response, session: str, address: str) -> Response:
    """Give the page what it needs to go on: the session for its script, and the address that it stands for.

    It is stored nowhere, whatever the page itself allows: the session is in it.
    """
    dropped = {b"set-cookie", b"cache-control"}
    kept = [(name, value) for name, value in answer.raw_headers if name.lower() not in dropped]
    kept.append((b"cache-control", b"no-store"))
    content = bytes(answer.body)
    if answer.headers.get("content-type", "").startswith("text/html"):
        content = carry(content.decode(), session, address).encode()
    whole = Response(content, answer.status_code)
    whole.raw_headers = [*kept, (b"content-length", str(len(content)).encode())]
    return whole
