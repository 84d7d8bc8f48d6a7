"""What a server says of itself, and what of it is believed."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from smart_launch import AddressRefused, DiscoveryFailed, ServerUnavailable, SmartDirectory, discover
from tests.smart_launch.authorization_server import BASE, NOW, Server, make_site


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_a_configuration_is_read(server: Server, http: httpx.AsyncClient) -> None:
    found = await discover(make_site(), http)
    assert (found.token_endpoint, found.authorization_endpoint) == (
        "https://ehr.invalid/token",
        "https://ehr.invalid/authorize",
    )
    assert found.issuer == BASE
    assert found.authorize_by_post
    assert server.discovery.calls.last.request.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("token", f"{BASE}/token"),
        ("/oauth/token", "https://ehr.invalid/oauth/token"),
        ("../token", "https://ehr.invalid/fhir/token"),
        ("https://EHR.invalid:443/token", "https://EHR.invalid:443/token"),
    ],
)
async def test_a_relative_endpoint_starts_at_the_fhir_base(
    server: Server, http: httpx.AsyncClient, named: str, meant: str
) -> None:
    server.configuration["token_endpoint"] = named
    assert (await discover(make_site(), http)).token_endpoint == meant


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "introspection_endpoint", "jwks_uri"]
)
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://evil.invalid/x", "host-not-pinned"),
        ("//evil.invalid/x", "host-not-pinned"),
        ("https://ehr.invalid:8443/x", "host-not-pinned"),
        ("https://ehr.invalid.evil.invalid/x", "host-not-pinned"),
        ("http://ehr.invalid/x", "address-not-https"),
        ("https://ehr.invalid@evil.invalid/x", "address-not-https"),
        ("https://ehr.invalid/x#y", "address-not-https"),
        ("javascript:alert(1)", "address-not-https"),
        ("https://ehr.invalid:x/", "address-not-https"),
    ],
)
async def test_an_endpoint_outside_the_sites_hosts_is_refused(
    server: Server, http: httpx.AsyncClient, name: str, address: str, reason: str
) -> None:
    server.configuration[name] = address
    with pytest.raises(AddressRefused) as caught:
        await discover(make_site(), http)
    assert caught.value.reason == reason


async def test_an_extra_host_may_be_named(server: Server, http: httpx.AsyncClient) -> None:
    server.configuration["token_endpoint"] = "https://login.invalid/token"
    server.configuration["jwks_uri"] = "https://keys.invalid:8443/keys"
    found = await discover(make_site(extra_hosts=("login.invalid", "keys.invalid:8443")), http)
    assert found.token_endpoint == "https://login.invalid/token"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "no-s256"),
        ({"code_challenge_methods_supported": None}, "smart-configuration-malformed"),
        ({"token_endpoint": None}, "no-token-endpoint"),
        ({"token_endpoint": 7}, "smart-configuration-malformed"),
        ({"capabilities": "launch-ehr"}, "smart-configuration-malformed"),
    ],
)
async def test_a_configuration_that_cannot_be_used_fails(
    server: Server, http: httpx.AsyncClient, changes: dict[str, Any], reason: str
) -> None:
    server.configuration |= changes
    with pytest.raises(DiscoveryFailed) as caught:
        await discover(make_site(), http)
    assert caught.value.reason == reason


async def test_a_server_without_s256_at_all_fails(server: Server, http: httpx.AsyncClient) -> None:
    del server.configuration["code_challenge_methods_supported"]
    with pytest.raises(DiscoveryFailed, match="S256"):
        await discover(make_site(), http)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (httpx.Response(404), DiscoveryFailed, "no-smart-configuration"),
        (httpx.Response(200, content=b"<html>"), DiscoveryFailed, "smart-configuration-malformed"),
        (httpx.Response(200, content=b"\xff"), DiscoveryFailed, "smart-configuration-malformed"),
        (httpx.Response(200, content=b"[]"), DiscoveryFailed, "smart-configuration-malformed"),
        (httpx.Response(500), ServerUnavailable, "http-500"),
        (httpx.Response(429, headers={"Retry-After": "7"}), ServerUnavailable, "http-429"),
        (httpx.Response(302, headers={"Location": "https://evil.invalid"}), AddressRefused, "redirect"),
    ],
)
async def test_each_bad_answer_has_its_error(
    server: Server, http: httpx.AsyncClient, answer: httpx.Response, error: type[Exception], reason: str
) -> None:
    server.discovery.mock(return_value=answer)
    with pytest.raises(error) as caught:
        await discover(make_site(), http)
    assert getattr(caught.value, "reason", None) == reason


async def test_how_long_to_wait_is_passed_on(server: Server, http: httpx.AsyncClient) -> None:
    server.discovery.mock(return_value=httpx.Response(503, headers={"Retry-After": "7"}))
    with pytest.raises(ServerUnavailable) as caught:
        await discover(make_site(), http)
    assert caught.value.retry_after == 7


async def test_a_directory_asks_once_in_an_hour(server: Server, http: httpx.AsyncClient) -> None:
    async def slowly(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(200, json=server.configuration)

    server.discovery.mock(side_effect=slowly)
    clock = Clock()
    directory = SmartDirectory(clock=clock)
    first, second = await asyncio.gather(*(directory.discover(make_site(), http) for _ in range(2)))
    assert first is second
    clock.now += timedelta(minutes=59)
    await directory.discover(make_site(), http)
    assert server.discovery.call_count == 1
    clock.now += timedelta(minutes=1)
    await directory.discover(make_site(), http)
    assert server.discovery.call_count == 2


async def test_a_failure_is_not_remembered(server: Server, http: httpx.AsyncClient) -> None:
    directory = SmartDirectory(clock=Clock())
    server.discovery.mock(side_effect=[httpx.Response(503), httpx.Response(200, json=server.configuration)])
    with pytest.raises(ServerUnavailable):
        await directory.discover(make_site(), http)
    assert (await directory.discover(make_site(), http)).issuer == BASE


async def test_all_who_wait_learn_of_a_failure_at_once(server: Server, http: httpx.AsyncClient) -> None:
    async def slowly(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(503)

    server.discovery.mock(side_effect=slowly)
    directory = SmartDirectory(clock=Clock())
    waiting = (directory.discover(make_site(), http) for _ in range(3))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in results] == [ServerUnavailable] * 3
    assert server.discovery.call_count == 1


async def test_a_launch_that_gives_up_does_not_take_the_answer_from_others(
    server: Server, http: httpx.AsyncClient
) -> None:
    released = asyncio.Event()

    async def slowly(_: httpx.Request) -> httpx.Response:
        await released.wait()
        return httpx.Response(200, json=server.configuration)

    server.discovery.mock(side_effect=slowly)
    directory = SmartDirectory(clock=Clock())
    first, second = (asyncio.create_task(directory.discover(make_site(), http)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    released.set()
    assert (await second).issuer == BASE


async def test_an_old_configuration_serves_for_a_day_while_the_server_is_away(
    server: Server, http: httpx.AsyncClient
) -> None:
    clock = Clock()
    directory = SmartDirectory(clock=clock)
    found = await directory.discover(make_site(), http)
    server.discovery.mock(return_value=httpx.Response(503))
    clock.now += timedelta(hours=23)
    assert await directory.discover(make_site(), http) is found
    clock.now += timedelta(hours=1)
    with pytest.raises(ServerUnavailable):
        await directory.discover(make_site(), http)


async def test_an_old_configuration_does_not_serve_once_the_server_says_otherwise(
    server: Server, http: httpx.AsyncClient
) -> None:
    clock = Clock()
    directory = SmartDirectory(clock=clock)
    await directory.discover(make_site(), http)
    server.configuration["code_challenge_methods_supported"] = []
    clock.now += timedelta(hours=2)
    with pytest.raises(DiscoveryFailed):
        await directory.discover(make_site(), http)


async def test_what_is_forgotten_is_asked_for_again(server: Server, http: httpx.AsyncClient) -> None:
    directory = SmartDirectory(clock=Clock())
    await directory.discover(make_site(), http)
    directory.forget("clinic")
    await directory.discover(make_site(), http)
    assert server.discovery.call_count == 2
