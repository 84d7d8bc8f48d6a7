"""The authorization server over HTTP: authorize, sign-in, token, introspect, revoke, keys, style, discovery."""

import base64
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox_ehr.oauth.authorize import (
    AuthorizationEndpoint,
    ChoosePatient,
    ChoosePractitioner,
    Consent,
    Failure,
    Redirect,
    SignInAgain,
    Step,
)
from sandbox_ehr.oauth.clients import ClientKeys
from sandbox_ehr.oauth.discovery import STYLE, openid_configuration, smart_configuration
from sandbox_ehr.oauth.requests import Pairs, SmartRequest
from sandbox_ehr.oauth.server import Reply, SmartAuthorizationServer
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.settings import SandboxSettings

_LARGEST_FORM = 64 * 1024  # bytes
_TEMPLATES: dict[type[Step], str] = {
    ChoosePractitioner: "sign_in/practitioner.html",
    ChoosePatient: "sign_in/patient.html",
    SignInAgain: "sign_in/again.html",
    Consent: "sign_in/consent.html",
}


def discovery_routes(settings: SandboxSettings) -> tuple[Route, ...]:
    """Make the routes of the two discovery documents, below the FHIR base."""

    async def smart(_: Request) -> Response:
        return JSONResponse(smart_configuration(settings))

    async def openid(_: Request) -> Response:
        return JSONResponse(openid_configuration(settings))

    return (
        Route("/r4/.well-known/smart-configuration", smart),
        Route("/r4/.well-known/openid-configuration", openid),
    )


def create_auth_app(
    server: SmartAuthorizationServer, endpoint: AuthorizationEndpoint, keys: ClientKeys, pages: Pages
) -> Starlette:
    """Make the ASGI application of the authorization server."""

    async def authorize(request: Request) -> Response:
        pairs = await _read_pairs(request)
        return _show(endpoint.begin(request.method, str(request.url), pairs), pages)

    async def sign_in(request: Request) -> Response:
        return _show(endpoint.go_on(dict(await _read_form(request))), pages)

    async def token(request: Request) -> Response:
        asked = await _read_request(request, keys)
        return _to_response(server.answer_token(asked))

    async def introspect(request: Request) -> Response:
        return _to_response(server.answer_endpoint("introspection", await _read_request(request, keys)))

    async def revoke(request: Request) -> Response:
        return _to_response(server.answer_endpoint("revocation", await _read_request(request, keys)))

    async def jwks(_: Request) -> Response:
        key = server.records.signing_key().as_dict(private=False)
        return JSONResponse({"keys": [key]}, headers={"Cache-Control": "public, max-age=300"})

    async def style(_: Request) -> Response:
        return JSONResponse(STYLE, headers={"Cache-Control": "public, max-age=3600"})

    routes = [
        Route("/auth/authorize", authorize, methods=["GET", "POST"]),
        Route("/auth/sign-in", sign_in, methods=["POST"]),
        Route("/auth/token", token, methods=["POST"]),
        Route("/auth/introspect", introspect, methods=["POST"]),
        Route("/auth/revoke", revoke, methods=["POST"]),
        Route("/auth/jwks", jwks),
        Route("/auth/style-1.json", style),
    ]
    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"])
    return Starlette(routes=routes, middleware=[cors])


def _show(step: Step, pages: Pages) -> Response:
    """Go back to the app, or show the next page."""
    if isinstance(step, Redirect):
        return RedirectResponse(
            step.address, 302, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        )
    if isinstance(step, Failure):
        return pages.render("sign_in/failure.html", status=400, failure=step)
    # Browsers also hold the redirect that follows a form to form-action.
    parts = urlsplit(step.redirect_uri)
    return pages.render(_TEMPLATES[type(step)], form_action=(f"{parts.scheme}://{parts.netloc}",), step=step)


async def _read_pairs(request: Request) -> Pairs:
    return request.query_params.multi_items() if request.method == "GET" else await _read_form(request)


async def _read_form(request: Request) -> Pairs:
    """Read a form; one that is too large counts as empty, so that what is missing gets named."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return []
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


async def _read_request(request: Request, keys: ClientKeys) -> SmartRequest:
    """Read a request of a client, fetching the keys its assertion needs."""
    pairs = await _read_form(request)
    headers = {"Authorization": value} if (value := request.headers.get("authorization")) else {}
    assertion = dict(pairs).get("client_assertion")
    if assertion:
        await keys.prepare(*_peek(assertion))
    return SmartRequest(request.method, str(request.url), pairs, headers)


def _peek(assertion: str) -> tuple[str, str]:
    """Read client_id and key id of an assertion before anything of it is verified."""
    try:
        header, claims, _ = assertion.split(".")
        key_id = msgspec.json.decode(_decode_part(header), type=dict[str, object]).get("kid")
        client_id = msgspec.json.decode(_decode_part(claims), type=dict[str, object]).get("sub")
    except (ValueError, msgspec.DecodeError):
        return "", ""
    return str(client_id), str(key_id)


def _decode_part(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _to_response(reply: Reply) -> Response:
    status, body, headers = reply
    own = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return JSONResponse(body, status, {**{k: v for k, v in headers if k.lower() != "content-type"}, **own})
