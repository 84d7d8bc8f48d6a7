"""Giving tokens back (RFC 7009)."""

from dataclasses import replace
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from smart_launch import (
    NotOffered,
    ServerUnavailable,
    Site,
    SmartError,
    TokenRefused,
    TokenSet,
    discover,
    revoke,
)
from tests.smart_launch.authorization_server import NOW, Server, make_site

TOKENS = TokenSet("at-s3cret", NOW, "launch", "rt-s3cret")


async def give_back(
    server: Server,
    http: httpx.AsyncClient,
    status: int = 200,
    site: Site | None = None,
    tokens: TokenSet = TOKENS,
) -> respx.Route:
    site = site or make_site()
    server.configuration["revocation_endpoint"] = "https://ehr.invalid/revoke"
    route = server.router.post("https://ehr.invalid/revoke").respond(status)
    await revoke(site, await discover(site, http), tokens, http=http, now=NOW)
    return route


async def test_the_refresh_token_goes_first(server: Server, http: httpx.AsyncClient) -> None:
    route = await give_back(server, http)
    asked = [parse_qs(call.request.content.decode()) for call in route.calls]
    assert [(each["token_type_hint"], each["token"]) for each in asked] == [
        (["refresh_token"], ["rt-s3cret"]),
        (["access_token"], ["at-s3cret"]),
    ]


async def test_without_a_refresh_token_the_access_token_alone_goes(
    server: Server, http: httpx.AsyncClient
) -> None:
    route = await give_back(server, http, tokens=replace(TOKENS, refresh_token=None))
    assert route.call_count == 1


async def test_each_request_has_an_assertion_of_its_own(
    server: Server, http: httpx.AsyncClient, asymmetric_site: Site
) -> None:
    route = await give_back(server, http, site=asymmetric_site)
    sent = {parse_qs(call.request.content.decode())["client_assertion"][0] for call in route.calls}
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("status", "expected"), [(401, TokenRefused), (400, TokenRefused), (503, ServerUnavailable)]
)
async def test_a_refusal_has_its_error(
    server: Server, http: httpx.AsyncClient, status: int, expected: type[SmartError]
) -> None:
    with pytest.raises(expected):
        await give_back(server, http, status)


async def test_a_server_without_the_address_is_not_asked(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    with pytest.raises(NotOffered):
        await revoke(site, await discover(site, http), TOKENS, http=http, now=NOW)


async def test_tokens_go_to_no_host_that_the_site_does_not_pin(
    server: Server, http: httpx.AsyncClient
) -> None:
    server.configuration["revocation_endpoint"] = "https://elsewhere.invalid/revoke"
    assert (await discover(make_site(), http)).revocation_endpoint is None
