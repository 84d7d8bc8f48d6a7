"""What may be contacted, and how much is read from it."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from smart_launch import AddressRefused, AnswerUnusable, ServerUnavailable, begin, discover, finish
from smart_launch.wire import are_public, is_public
from tests.smart_launch.authorization_server import BASE, NOW, Server, make_site


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),
        ("::ffff:93.184.215.14", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("ff02::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("5f00::1", False),
        ("3fff::1", False),
        ("168.63.129.16", False),
        ("192.0.0.8", False),
        ("192.88.99.1", False),
        ("::ffff:168.63.129.16", False),
    ],
)
def test_private_addresses_are_known_in_every_disguise(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    assert are_public(["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    assert not are_public(["93.184.215.14", "10.0.0.1"])


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_not_contacted(server: Server, http: httpx.AsyncClient, host: str) -> None:
    site = make_site(fhir_base=f"https://{host}/fhir", allow_private_addresses=False)
    with pytest.raises(AddressRefused) as caught:
        await discover(site, http)
    assert caught.value.reason == "private-address"
    assert not server.router.calls


async def test_a_private_address_is_contacted_if_the_site_allows_it(
    server: Server, http: httpx.AsyncClient
) -> None:
    route = server.router.get("https://10.0.0.1/fhir/.well-known/smart-configuration").mock(
        return_value=httpx.Response(200, json={**server.configuration, **_at("https://10.0.0.1")})
    )
    await discover(make_site(fhir_base="https://10.0.0.1/fhir"), http)
    assert route.called


async def test_plain_http_reaches_loopback_only_where_allowed(
    server: Server, http: httpx.AsyncClient
) -> None:
    base = "http://localhost:8700/r4"
    server.router.get(f"{base}/.well-known/smart-configuration").mock(
        return_value=httpx.Response(200, json={**server.configuration, **_at("http://localhost:8700")})
    )
    site = make_site(fhir_base=base, allow_http_loopback=True, allow_private_addresses=False)
    assert (await discover(site, http)).token_endpoint == "http://localhost:8700/token"


async def test_a_name_that_does_not_resolve_is_not_contacted(server: Server, http: httpx.AsyncClient) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        await discover(make_site(allow_private_addresses=False), http)
    assert caught.value.reason == "host-not-found"
    assert not server.router.calls


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.RemoteProtocolError]
)
async def test_a_server_that_does_not_answer_is_unavailable(
    server: Server, http: httpx.AsyncClient, fault: type[httpx.TransportError]
) -> None:
    server.discovery.mock(side_effect=fault)
    with pytest.raises(ServerUnavailable):
        await discover(make_site(), http)


async def test_an_address_is_checked_again_when_it_is_used(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    configuration = replace(await discover(site, http), token_endpoint="https://evil.invalid/token")
    begun = begin(site, configuration, launch="xyz", now=NOW)
    with pytest.raises(AddressRefused):
        await finish(site, configuration, begun.pending, code="c", state=begun.state, http=http, now=NOW)
    assert server.router.calls.call_count == 1


async def test_compression_is_not_invited(server: Server, http: httpx.AsyncClient) -> None:
    await server.launch(http)
    assert {call.request.headers["accept-encoding"] for call in server.router.calls} == {"identity"}


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_flood_is_cut_off(server: Server, http: httpx.AsyncClient, compressed: bool) -> None:
    flood = b" " * (600 * 1024)
    headers = {"Content-Encoding": "gzip"} if compressed else {}
    content = gzip.compress(flood) if compressed else flood
    server.discovery.mock(return_value=httpx.Response(200, headers=headers, content=content))
    with pytest.raises(AnswerUnusable) as caught:
        await discover(make_site(), http)
    assert caught.value.reason == "answer-too-large"


async def test_an_answer_in_a_broken_encoding_is_unusable(server: Server, http: httpx.AsyncClient) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"not gzip at all"

    server.discovery.mock(
        side_effect=lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=broken())
    )
    with pytest.raises(AnswerUnusable) as caught:
        await discover(make_site(), http)
    assert caught.value.reason == "answer-encoding"


async def test_cookies_of_one_launch_do_not_reach_another(server: Server) -> None:
    server.discovery.mock(
        side_effect=lambda _: httpx.Response(
            200, json=server.configuration, headers={"Set-Cookie": "balancer=someone; Path=/"}
        )
    )
    async with httpx.AsyncClient() as http:
        await discover(make_site(), http)
        await server.launch(http)
    assert all("cookie" not in call.request.headers for call in server.router.calls)


def _at(origin: str) -> dict[str, str]:
    names = ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "jwks_uri")
    return {name: f"{origin}/{name.removesuffix('_endpoint')}" for name in names} | {"issuer": BASE}
