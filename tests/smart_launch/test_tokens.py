"""How the app proves who it is, and what becomes of the token endpoint's answers."""

import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt

from smart_launch import (
    AddressRefused,
    AnswerUnusable,
    ClientSecret,
    NotOffered,
    ServerUnavailable,
    SigningKey,
    Site,
    SmartError,
    TokenExpired,
    TokenRefused,
    TokenSet,
    discover,
    refresh,
    system_token,
)
from tests.smart_launch.authorization_server import CLIENT_ID, NOW, Server, make_site

HELD = TokenSet(
    access_token="old-at",
    expires_at=NOW,
    scope="patient/Observation.rs",
    refresh_token="old-rt",
    id_token="old-id",
)


async def renew(http: httpx.AsyncClient, tokens: TokenSet = HELD, site: Site | None = None) -> TokenSet:
    site = site or make_site()
    return await refresh(site, await discover(site, http), tokens, http=http, now=NOW)


async def test_a_public_client_names_itself_in_the_body(server: Server, http: httpx.AsyncClient) -> None:
    await server.launch(http)
    assert server.asked()["client_id"] == CLIENT_ID
    assert "authorization" not in server.token.calls.last.request.headers


async def test_a_secret_travels_by_basic_as_it_was_issued(server: Server, http: httpx.AsyncClient) -> None:
    await server.launch(http, make_site(authentication=ClientSecret("s:e/c+r=e%t")))
    sent = server.token.calls.last.request.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent) == f"{CLIENT_ID}:s:e/c+r=e%t".encode()
    assert "client_id" not in server.asked()


async def test_a_signed_assertion_is_as_smart_wants_it(
    server: Server, http: httpx.AsyncClient, asymmetric_site: Site, signing_key: SigningKey
) -> None:
    await server.launch(http, asymmetric_site)
    asked = server.asked()
    assert asked["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_id" not in asked
    token = jwt.decode(asked["client_assertion"], signing_key.private_key(), algorithms=[signing_key.alg])
    assert token.header == {"alg": signing_key.alg, "kid": signing_key.kid, "typ": "JWT"}
    now = int(NOW.timestamp())
    assert {name: token.claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": "https://ehr.invalid/token",
    }
    assert now - 60 <= token.claims["iat"] < now
    assert now + 60 < token.claims["exp"] <= now + 270  # five minutes, less what the clocks may differ
    assert 16 <= len(token.claims["jti"]) <= 151  # Epic takes at most 151 characters


async def test_every_assertion_has_an_id_of_its_own(
    server: Server, http: httpx.AsyncClient, asymmetric_site: Site, signing_key: SigningKey
) -> None:
    ids = set()
    configuration = await discover(asymmetric_site, http)
    for _ in range(3):
        await system_token(asymmetric_site, configuration, http=http, now=NOW)
        sent = server.asked()["client_assertion"]
        ids.add(jwt.decode(sent, signing_key.private_key(), algorithms=[signing_key.alg]).claims["jti"])
    assert len(ids) == 3


async def test_a_refresh_asks_with_the_refresh_token_alone(server: Server, http: httpx.AsyncClient) -> None:
    await renew(http)
    assert server.asked() == {
        "grant_type": "refresh_token",
        "refresh_token": "old-rt",
        "client_id": CLIENT_ID,
    }


async def test_a_rotated_refresh_token_replaces_the_old_one(server: Server, http: httpx.AsyncClient) -> None:
    fresh = await renew(http)
    assert (fresh.access_token, fresh.refresh_token) == ("at-s3cret", "rt-s3cret")
    assert fresh.expires_at == NOW + timedelta(hours=1)


async def test_what_a_refresh_leaves_out_stays(server: Server, http: httpx.AsyncClient) -> None:
    server.answer = {"access_token": "new-at", "token_type": "Bearer"}
    fresh = await renew(http)
    assert (fresh.refresh_token, fresh.id_token, fresh.scope) == ("old-rt", "old-id", HELD.scope)


async def test_without_a_refresh_token_the_sign_in_is_over(server: Server, http: httpx.AsyncClient) -> None:
    with pytest.raises(TokenExpired):
        await renew(http, TokenSet(access_token="at", expires_at=NOW, scope=""))
    assert not server.token.called


async def test_a_refresh_token_that_is_spent_ends_the_sign_in(
    server: Server, http: httpx.AsyncClient
) -> None:
    server.token.mock(return_value=httpx.Response(400, json={"error": "invalid_grant"}))
    with pytest.raises(TokenExpired):
        await renew(http)


async def test_another_refusal_does_not_pretend_that_it_is_over(
    server: Server, http: httpx.AsyncClient
) -> None:
    server.token.mock(return_value=httpx.Response(401, json={"error": "invalid_client"}))
    with pytest.raises(TokenRefused):
        await renew(http)


async def test_a_system_token_is_asked_for_by_the_app_itself(
    server: Server, http: httpx.AsyncClient, asymmetric_site: Site
) -> None:
    server.answer = {"access_token": "sys", "token_type": "bearer", "expires_in": 300, "scope": "system/*.rs"}
    tokens = await system_token(asymmetric_site, await discover(asymmetric_site, http), http=http, now=NOW)
    asked = server.asked()
    assert (asked["grant_type"], asked["scope"]) == ("client_credentials", "system/Observation.crs")
    assert (tokens.access_token, tokens.scope, tokens.refresh_token) == ("sys", "system/*.rs", None)


@pytest.mark.parametrize(
    "site",
    [make_site(backend_scopes=("system/*.rs",)), make_site(authentication=ClientSecret("s3cret"))],
    ids=["public", "no backend scopes"],
)
async def test_a_site_without_backend_services_is_told_apart(
    server: Server, http: httpx.AsyncClient, site: Site
) -> None:
    with pytest.raises(NotOffered):
        await system_token(site, await discover(site, http), http=http, now=NOW)
    assert not server.token.called


@pytest.mark.parametrize("spelling", ["Bearer", "bearer", "BEARER"])
async def test_bearer_may_be_written_in_any_case(
    server: Server, http: httpx.AsyncClient, spelling: str
) -> None:
    server.answer["token_type"] = spelling
    assert (await server.launch(http)).tokens.access_token == "at-s3cret"


@pytest.mark.parametrize(
    ("expires_in", "life"), [(60, 60), ("60", 60), (60.5, 60.5), (10**7, 86_400), (None, 300)]
)
async def test_the_life_of_a_token_is_read_or_assumed_short(
    server: Server, http: httpx.AsyncClient, expires_in: object, life: float
) -> None:
    server.answer["expires_in"] = expires_in
    tokens = (await server.launch(http)).tokens
    assert tokens.expires_at == NOW + timedelta(seconds=life)
    assert ("life-assumed" in tokens.notes) is (expires_in is None)


async def test_a_scope_that_is_left_out_is_the_requested_one(server: Server, http: httpx.AsyncClient) -> None:
    del server.answer["scope"]
    context = await server.launch(http)
    assert context.granted.allows("Observation", "crs")
    assert "scope-assumed" in context.notes


async def test_an_empty_scope_grants_nothing(server: Server, http: httpx.AsyncClient) -> None:
    server.answer["scope"] = ""
    context = await server.launch(http)
    assert not context.granted.allows("Observation", "r")
    assert "scope-assumed" not in context.notes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token_type": "mac"}, "token-type"),
        ({"token_type": None}, "token-answer-malformed"),
        ({"access_token": None}, "token-answer-malformed"),
        ({"access_token": ""}, "token-syntax"),
        ({"access_token": "a b"}, "token-syntax"),
        ({"access_token": "a\r\nX: y"}, "token-syntax"),
        ({"refresh_token": "a\x00"}, "token-syntax"),
        ({"expires_in": 0}, "expires-in"),
        ({"expires_in": -1}, "expires-in"),
        ({"expires_in": "soon"}, "expires-in"),
        ({"expires_in": "nan"}, "expires-in"),
        ({"expires_in": 10**400}, "expires-in"),
        ({"expires_in": True}, "token-answer-malformed"),
        ({"patient": "mia/../leo"}, "patient-id"),
        ({"patient": "Patient/mia"}, "patient-id"),
        ({"patient": ""}, "patient-id"),
        ({"patient": "m" * 65}, "patient-id"),
        ({"patient": "mia\n"}, "patient-id"),
        ({"patient": 17}, "token-answer-malformed"),
        ({"encounter": "a b"}, "encounter-id"),
        ({"scope": ["a"]}, "token-answer-malformed"),
    ],
)
async def test_a_token_answer_that_breaks_the_standard_is_unusable(
    server: Server, http: httpx.AsyncClient, changes: dict[str, Any], reason: str
) -> None:
    server.answer |= changes
    with pytest.raises(AnswerUnusable) as caught:
        await server.launch(http)
    assert caught.value.reason == reason
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), TokenRefused, "invalid_grant"),
        (httpx.Response(401, json={"error": "invalid_client"}), TokenRefused, "invalid_client"),
        (httpx.Response(401), TokenRefused, "invalid_client"),
        (httpx.Response(400, content=b"<html>"), TokenRefused, "token-refused"),
        (httpx.Response(400, json={"error": "<b>"}), TokenRefused, "token-refused"),
        (httpx.Response(400, json={"error": ["x"]}), TokenRefused, "token-refused"),
        (httpx.Response(200, json={"error": "invalid_scope"}), TokenRefused, "invalid_scope"),
        (httpx.Response(200, content=b"hello"), AnswerUnusable, "token-answer-malformed"),
        (httpx.Response(200, json=[]), AnswerUnusable, "token-answer-malformed"),
        (httpx.Response(204), TokenRefused, "token-refused"),
        (httpx.Response(503, headers={"Retry-After": "3"}), ServerUnavailable, "http-503"),
        (httpx.Response(500, json={"error": "server_error"}), ServerUnavailable, "http-500"),
        (httpx.Response(429), ServerUnavailable, "http-429"),
        (httpx.Response(307, headers={"Location": "https://evil.invalid"}), AddressRefused, "redirect"),
    ],
)
async def test_each_refusal_of_the_token_endpoint_has_its_error(
    server: Server,
    http: httpx.AsyncClient,
    answer: httpx.Response,
    error: type[SmartError],
    reason: str,
) -> None:
    server.token.mock(return_value=answer)
    with pytest.raises(error) as caught:
        await server.launch(http)
    assert caught.value.reason == reason


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError])
async def test_a_token_endpoint_that_does_not_answer_is_unavailable(
    server: Server, http: httpx.AsyncClient, fault: type[httpx.TransportError]
) -> None:
    server.token.mock(side_effect=fault)
    with pytest.raises(ServerUnavailable):
        await server.launch(http)


async def test_the_reason_given_by_the_server_is_kept_without_secrets(
    server: Server, http: httpx.AsyncClient
) -> None:
    said = {"error": "invalid_grant", "error_description": "code c0de-s3cret-0123456789 was used"}
    server.token.mock(return_value=httpx.Response(400, json=said))
    with pytest.raises(TokenRefused) as caught:
        await server.launch(http)
    assert caught.value.server_said == "code ... was used"
