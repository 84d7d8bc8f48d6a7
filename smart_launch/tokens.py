"""Tokens: exchanged for a code, refreshed, or asked for by the app itself; and how the app proves who it is.

Authlib's client makes the requests. What is not its own here: assertions of five minutes with a fresh id each time,
no other way out than `wire`, and a strict reading of the answer.
"""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import NotOffered, TokenExpired, TokenRefused
from smart_launch.keys import SigningKey
from smart_launch.site import ClientSecret, PrivateKeyJwt, PublicClient, Site
from smart_launch.token_answer import TokenAnswer, read_token_answer
from smart_launch.wire import GuardedTransport

with warnings.catch_warnings():
    # Authlib asks for httpx2, which respx cannot see (docs/adr/0004-dependencies.md).
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client

ASSERTION_LIFE = 240  # seconds from now; SMART allows at most 300 (client-confidential-asymmetric)
BACKDATED = 30  # seconds: a server whose clock is behind ours must not see an assertion from the future
DEFAULT_LIFE = timedelta(minutes=5)  # where the server does not say: SMART's advice for backend tokens
LONGEST_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TokenSet:
    """Tokens of one authorization. Its repr and its errors show none of them; stored, it must be encrypted."""

    access_token: str = field(repr=False)
    expires_at: datetime
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()  # what the server left out and was assumed: scope-assumed, life-assumed


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]  # authlib has no types
    """private_key_jwt as SMART wants it.

    Authlib's own lives an hour, and repeats the id if claims are given.
    """

    def __init__(self, key: SigningKey, token_endpoint: str, now: datetime) -> None:
        super().__init__(token_endpoint=token_endpoint)
        self._key = key
        self._now = now

    def sign(self, auth: Any, token_endpoint: str) -> str:
        assertion: str = sign_jwt_bearer_assertion(
            self._key.private_key(),
            issuer=auth.client_id,
            subject=auth.client_id,
            audience=token_endpoint,
            header={"alg": self._key.alg, "kid": self._key.kid, "typ": "JWT"},
            issued_at=int(self._now.timestamp()) - BACKDATED,
            expires_in=BACKDATED + ASSERTION_LIFE,
        )
        return assertion


async def exchange(
    site: Site,
    configuration: SmartConfiguration,
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
    http: httpx.AsyncClient,
    now: datetime,
) -> TokenAnswer:
    """Exchange an authorization code; TokenRefused, AnswerUnusable, AddressRefused or ServerUnavailable."""
    return await _ask(
        site,
        configuration,
        http,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
        now,
    )


async def refresh(
    site: Site,
    configuration: SmartConfiguration,
    tokens: TokenSet,
    *,
    http: httpx.AsyncClient,
    now: datetime,
) -> TokenSet:
    """Renew an access token. The answer replaces `tokens` whole: an EHR may have rotated the refresh token.

    TokenExpired if the authorization cannot be renewed any more; otherwise the errors of `exchange`. Never run two
    at once for one authorization.
    """
    if tokens.refresh_token is None:
        raise _over(site)
    asked = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    try:
        answer = await _ask(site, configuration, http, asked, now)
    except TokenRefused as refusal:
        if refusal.reason == "invalid_grant":
            raise _over(site) from None
        raise
    fresh = token_set(answer, requested=tokens.scope, now=now)
    return replace(
        fresh,
        refresh_token=fresh.refresh_token or tokens.refresh_token,
        id_token=fresh.id_token or tokens.id_token,
    )


async def system_token(
    site: Site, configuration: SmartConfiguration, *, http: httpx.AsyncClient, now: datetime
) -> TokenSet:
    """Get a token of the app's own (SMART Backend Services). NotOffered if the site is not set up for it."""
    if not site.backend_scopes or isinstance(site.authentication, PublicClient):
        raise NotOffered(
            f"The app has no access of its own at {site.name}.",
            "Set backend_scopes for this site, with private_key_jwt, once the EHR has registered it.",
            reason="no-backend-services",
        )
    scope = " ".join(site.backend_scopes)
    asked = {"grant_type": "client_credentials", "scope": scope}
    answer = await _ask(site, configuration, http, asked, now)
    return token_set(answer, requested=scope, now=now)


def token_set(answer: TokenAnswer, *, requested: str, now: datetime) -> TokenSet:
    """Turn an answer into tokens; what it leaves out is assumed conservatively and noted."""
    notes = []
    if answer.scope is None:
        notes.append("scope-assumed")  # RFC 6749 section 5.1: omitted means as requested
    life = DEFAULT_LIFE
    if answer.life is None:
        notes.append("life-assumed")
    else:
        life = min(answer.life, LONGEST_LIFE)
    return TokenSet(
        access_token=answer.access_token,
        expires_at=now + life,
        scope=requested if answer.scope is None else answer.scope,
        refresh_token=answer.refresh_token,
        id_token=answer.id_token,
        notes=tuple(notes),
    )


@asynccontextmanager
async def oauth_client(
    site: Site, configuration: SmartConfiguration, http: httpx.AsyncClient, what: str, now: datetime
) -> AsyncIterator[Any]:
    """Open Authlib's client for one exchange: it authenticates as the site says and leaves through `wire`."""
    method, secret = "none", None
    assertion: _Assertion | None = None
    match site.authentication:
        case ClientSecret(secret=value):
            method, secret = "client_secret_basic", value
        case PrivateKeyJwt() as authentication:
            key = authentication.signing_key(configuration.assertion_algorithms)
            assertion = _Assertion(key, configuration.token_endpoint, now)
            method = assertion.name
        case PublicClient():
            pass
    async with AsyncOAuth2Client(
        client_id=site.client_id,
        client_secret=secret,
        token_endpoint_auth_method=method,
        transport=GuardedTransport(site, http, what),
        timeout=http.timeout,
        trust_env=False,
    ) as client:
        if assertion is not None:
            client.register_client_auth_method(assertion)
        yield client


async def _ask(
    site: Site,
    configuration: SmartConfiguration,
    http: httpx.AsyncClient,
    asked: dict[str, str],
    now: datetime,
) -> TokenAnswer:
    answers: list[TokenAnswer] = []

    def read(response: httpx.Response) -> httpx.Response:
        answers.append(read_token_answer(site, response))
        # Authlib reads the answer once more for a token of its own: give it what has been checked, no more.
        checked = {"access_token": answers[0].access_token, "token_type": "Bearer"}
        return httpx.Response(httpx.codes.OK, content=msgspec.json.encode(checked))

    async with oauth_client(site, configuration, http, "token endpoint", now) as client:
        client.register_compliance_hook("access_token_response", read)
        await client.fetch_token(
            configuration.token_endpoint,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            **asked,
        )
    return answers[0]


def _over(site: Site) -> TokenExpired:
    return TokenExpired(
        f"The sign-in to {site.name} has ended.", "Open the app again from the EHR to sign in anew."
    )
