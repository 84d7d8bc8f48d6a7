"""The FHIR API over HTTP: reads requests, asks who is calling, and writes answers."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox_ehr.errors import FhirRefused, Issue, refuse
from sandbox_ehr.fhir.access import Access
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest, answer_refusal
from sandbox_ehr.fhir.export import Exports, is_export
from sandbox_ehr.fhir.methods import allowed_methods
from sandbox_ehr.fhir.server import FhirServer
from sandbox_ehr.fhir.subscriptions import SUBSCRIPTION, Subscriptions

LARGEST_BODY = 5 * 1024 * 1024  # bytes
_FHIR_JSON = "application/fhir+json"
_JSON = {_FHIR_JSON, "application/json", "application/json+fhir", "text/json"}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Authenticate = Callable[[str], Access | None]
"""Turns an access token into what it may do; None if it is unknown, expired or revoked."""
OnRequest = Callable[[str, str, str, str, int], None]
"""Told of every request: client, user, method, path with query, status."""


def create_fhir_app(
    server: FhirServer,
    exports: Exports,
    subscriptions: Subscriptions,
    authenticate: Authenticate,
    on_request: OnRequest,
    *routes: Route,
) -> Starlette:
    """Make the ASGI application of the FHIR API; `routes` (discovery documents) come first and need no token."""

    async def metadata(_: Request) -> Response:
        return _to_response(server.capability())

    async def interact(request: Request) -> Response:
        try:
            access = _read_access(request, authenticate)
        except FhirRefused as refused:
            return _to_response(answer_refusal(refused), _challenge(request))
        try:
            answered = _answer(server, exports, subscriptions, await _read_request(request, access))
        except FhirRefused as refused:
            answered = answer_refusal(refused)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        on_request(access.client_id, access.user or "", request.method, path, answered.status)
        missing = answered.status == HTTPStatus.METHOD_NOT_ALLOWED
        return _to_response(answered, _allow(request) if missing else None)

    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=_METHODS,
        allow_headers=["*"],
        expose_headers=["ETag", "Location", "Last-Modified", "Allow", "Content-Location"],
    )
    own = [
        Route("/r4/metadata", metadata),
        Route("/r4", interact, methods=_METHODS),
        Route("/r4/{path:path}", interact, methods=_METHODS),
    ]
    failures = {HTTPException: _refuse_method, Exception: _own_up}
    return Starlette(routes=[*routes, *own], middleware=[cors], exception_handlers=failures)


def _answer(
    server: FhirServer, exports: Exports, subscriptions: Subscriptions, asked: FhirRequest
) -> FhirAnswer:
    """Have a request carried out by the part of the server that it concerns."""
    parts = asked.path.split("/")
    if parts[0] == SUBSCRIPTION:
        return subscriptions.answer(asked)
    if is_export(asked.path) and asked.method == "GET":
        return exports.begin(asked)
    if parts[0] == "$export-status" and len(parts) == 2 and asked.method in {"GET", "DELETE"}:
        ask = exports.status if asked.method == "GET" else exports.cancel
        return ask(parts[1], asked.access)
    if parts[0] == "$export-file" and len(parts) == 3 and asked.method == "GET":
        return exports.file(parts[1], parts[2], asked.access)
    return server.answer(asked)


async def _refuse_method(request: Request, error: Exception) -> Response:
    """Answer what no route takes: all addresses below the base have one, so it is the method."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.METHOD_NOT_ALLOWED
    text = f"{request.method} is not an interaction of this address."
    refused = FhirRefused(status, Issue("not-supported", text))
    return _to_response(answer_refusal(refused), _allow(request))


async def _own_up(_: Request, __: Exception) -> Response:
    """Answer a defect of the sandbox itself; what it was stands in the log of the process."""
    text = "The sandbox failed at this request: this is a defect of it, please report."
    return _to_response(answer_refusal(FhirRefused(500, Issue("exception", text))))


def _allow(request: Request) -> dict[str, str]:
    return {"Allow": ", ".join(allowed_methods(request.url.path.removeprefix("/r4")))}


def _read_access(request: Request, authenticate: Authenticate) -> Access:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise refuse(401, "login", "The request has no bearer token: authorize first.")
    access = authenticate(token.strip())
    if access is None:
        raise refuse(401, "expired", "The access token is unknown, expired or revoked: get another one.")
    return access


def _challenge(request: Request) -> dict[str, str]:
    given = request.headers.get("authorization", "").lower().startswith("bearer ")
    error = ', error="invalid_token"' if given else ""
    return {"WWW-Authenticate": f'Bearer realm="Sandbox EHR"{error}'}


async def _read_request(request: Request, access: Access) -> FhirRequest:
    wanted = request.query_params.get("_format") or request.headers.get("accept", "*/*")
    if "json" not in wanted and "*" not in wanted:
        raise refuse(406, "not-supported", f"This server answers only in {_FHIR_JSON}.")
    body = await _read_body(request)
    path = str(request.path_params.get("path", "")).strip("/")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = path.endswith("_search") and request.method == "POST"
    if body and kind not in ({"application/x-www-form-urlencoded"} if is_form else _JSON):
        raise refuse(415, "not-supported", f"Content-Type is {kind!r}, expected {_FHIR_JSON}.")
    return FhirRequest(
        method=request.method,
        path=path,
        access=access,
        parameters=tuple(request.query_params.multi_items()),
        headers=dict(request.headers),
        body=body,
    )


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise refuse(413, "too-long", f"The body is larger than {LARGEST_BODY // 1024 // 1024} MB.")
    return bytes(body)


def _to_response(answer: FhirAnswer, extra: dict[str, str] | None = None) -> Response:
    headers = {**answer.headers, **(extra or {}), "Cache-Control": "no-store"}
    kind = headers.pop("Content-Type", _FHIR_JSON)
    return Response(answer.body, answer.status, headers, media_type=kind if answer.body else None)
