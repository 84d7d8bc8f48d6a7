"""What real servers do differently, and what follows from a server's own words: a launch goes on all the same."""

import base64
import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from smart_launch import (
    PrivateKeyJwt,
    SigningKey,
    TokenRefused,
    begin,
    discover,
    refresh,
    system_token,
)
from smart_launch.issuer_keys import same_issuer
from tests.smart_launch.authorization_server import BASE, NOW, Server, make_site

EPIC_LONGEST_ID = 151  # characters of jti


def header_and_claims(server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
    body = parse_qs(server.router.calls.last.request.content.decode())
    header, claims, _ = body["client_assertion"][0].split(".")
    read = [json.loads(base64.urlsafe_b64decode(each + "=" * (-len(each) % 4))) for each in (header, claims)]
    return read[0], read[1]


async def sign_in(server: Server, http: httpx.AsyncClient, keys: tuple[SigningKey, ...]) -> None:
    site = make_site(authentication=PrivateKeyJwt(keys), backend_scopes=("system/Observation.rs",))
    await system_token(site, await discover(site, http), http=http, now=NOW)


async def test_state_has_at_least_122_bits(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    configuration = await discover(site, http)
    states = {begin(site, configuration, launch="xyz", now=NOW).state for _ in range(50)}
    assert len(states) == 50
    assert all(len(base64.urlsafe_b64decode(each + "=")) * 8 >= 122 for each in states)


@pytest.mark.parametrize("echoed", ["patient/Observation.rs", "patient/Observation.rs offline_access"])
async def test_a_refresh_token_counts_whether_or_not_its_scope_is_echoed(
    server: Server, http: httpx.AsyncClient, echoed: str
) -> None:
    server.answer["scope"] = echoed
    context = await server.launch(http)
    assert context.tokens.refresh_token == "rt-s3cret"
    site = make_site()
    fresh = await refresh(site, await discover(site, http), context.tokens, http=http, now=NOW)
    assert fresh.access_token


async def test_a_finer_scope_is_asked_for_as_it_is_set(server: Server, http: httpx.AsyncClient) -> None:
    category = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    scope = f"patient/Observation.rs?category={category}"
    site = make_site(scopes=("launch", scope))
    begun = begin(site, await discover(site, http), launch="xyz", now=NOW)
    assert dict(begun.form)["scope"] == f"launch {scope}"
    assert httpx.URL(begun.url).params["scope"] == f"launch {scope}"


async def test_hints_of_context_go_with_an_ehr_launch(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site(scopes=("launch", "launch/encounter", "patient/Observation.rs"))
    begun = begin(site, await discover(site, http), launch="xyz", now=NOW)
    assert "launch/encounter" in dict(begun.form)["scope"].split()


@pytest.mark.parametrize(
    "oddity",
    [
        {"scopes_supported": []},
        {"scopes_supported": ["launch", "patient/*.read"]},
        {"scopes_supported": ["user/Observation.rs?category=http://terminology.hl7.org//CodeSystem-x|y"]},
        {"response_types_supported": ["code", "token", "id_token token"]},
        {"token_endpoint_auth_methods": ["private_key_jwt"]},
        {"token_endpoint_auth_methods_supported": []},
        {"grant_types_supported": ["urn:ietf:params:oauth:grant-type:jwt-bearer"]},
    ],
)
async def test_what_the_configuration_says_of_scopes_decides_nothing(
    server: Server, http: httpx.AsyncClient, oddity: dict[str, object]
) -> None:
    server.configuration |= oddity
    assert (await server.launch(http)).patient == "mia"


def test_a_slash_at_the_issuers_end_makes_no_other_issuer() -> None:
    assert same_issuer(f"{BASE}/", BASE)
    assert same_issuer(BASE, f"{BASE}/")
    assert not same_issuer(f"{BASE}//", BASE)


async def test_an_assertions_id_is_short(
    server: Server, http: httpx.AsyncClient, signing_key: SigningKey
) -> None:
    await sign_in(server, http, (signing_key,))
    _, claims = header_and_claims(server)
    assert 16 <= len(claims["jti"]) <= EPIC_LONGEST_ID
    assert datetime.fromtimestamp(claims["exp"], NOW.tzinfo) > NOW


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["RS384"], "RS384"),
        (["ES384"], "ES384"),
        (["RS384", "ES384"], "ES384"),
        ([], "ES384"),
        (["RS256"], "ES384"),
    ],
)
async def test_the_key_is_one_whose_algorithm_the_server_checks(
    server: Server,
    http: httpx.AsyncClient,
    signing_keys: dict[str, SigningKey],
    listed: list[str],
    expected: str,
) -> None:
    server.configuration["token_endpoint_auth_signing_alg_values_supported"] = listed
    await sign_in(server, http, (signing_keys["ES384"], signing_keys["RS384"]))
    header, _ = header_and_claims(server)
    assert header["alg"] == expected


async def test_a_key_that_is_only_published_signs_nothing(
    server: Server, http: httpx.AsyncClient, signing_keys: dict[str, SigningKey]
) -> None:
    coming = replace(signing_keys["ES384"], signs=False)
    await sign_in(server, http, (coming, signing_keys["RS384"]))
    header, _ = header_and_claims(server)
    assert header["kid"] == signing_keys["RS384"].kid


async def test_a_refusal_with_status_200_is_a_refusal(server: Server, http: httpx.AsyncClient) -> None:
    server.answer = {"error": "invalid_grant", "error_description": "spent"}
    with pytest.raises(TokenRefused):
        await server.launch(http)
