"""The way out, connection by connection: whatever a name stood for when it was looked up, nothing is said to a private address.

It holds for every request of a serving process or worker. Where a proxy is set (HTTPS_PROXY), the proxy makes the connections.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import httpcore
import httpx
import structlog

from plugin.errors import SettingsInvalid
from plugin.settings import Settings
from plugin.tls import make_context
from smart_launch import Site
from smart_launch.site import LOOPBACK
from smart_launch.wire import are_public, is_public

_log = structlog.get_logger()
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# Apache, Node and uvicorn close a connection on which nothing was asked for 5 seconds: what is sent in that moment is lost.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
_MAY_BE_ASKED_AGAIN = frozenset(
    {"GET", "HEAD"}
)  # nothing changes by them, however often (RFC 9110 section 9.2.2)


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to no private address, unless the name may lead there: looked up before, and again once connected."""

    def __init__(self, private: frozenset[str]) -> None:
        self._private = private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; ConnectError if the other end turns out to be in a private network."""
        if host not in self._private and not await _leads_out(host, port, timeout):
            raise self._refuse(host)
        stream = await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        if host in self._private or is_public(str(stream.get_extra_info("server_addr")[0])):
            return stream
        await stream.aclose()
        raise self._refuse(host)

    def _refuse(self, host: str) -> httpcore.ConnectError:
        _log.warning("private address refused", host=host)
        return httpcore.ConnectError(f"{host} is in a private network")

    async def sleep(self, seconds: float) -> None:
        """Wait, between two tries."""
        await self._network.sleep(seconds)


async def _leads_out(host: str, port: int, patience: float | None) -> bool:
    """Tell whether everything that a name stands for is a public address; ConnectError if it stands for nothing."""
    try:
        async with asyncio.timeout(patience):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"{host} was not found in time") from None
    except (OSError, UnicodeError):
        raise httpcore.ConnectError(f"{host} is not known") from None
    return are_public(str(entry[4][0]) for entry in found)


class _Guarded(httpx.AsyncHTTPTransport):
    def __init__(self, private: frozenset[str], tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls)
        # httpx names no way to give its pool a network; the pool itself has one.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=PublicOnly(private),
        )


class _Outward(httpx.AsyncBaseTransport):
    """Goes by the proxy of the environment for whatever is not left out of it (NO_PROXY, and this machine), else by itself."""

    def __init__(self, private: frozenset[str]) -> None:
        tls = make_context()
        self._own = _Guarded(private, tls)
        set_up = getproxies_environment()
        addresses = {scheme: set_up.get(scheme) or set_up.get("all") for scheme in ("http", "https")}
        self._proxies = {scheme: _by_proxy(address, tls) for scheme, address in addresses.items() if address}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on its way; what only reads goes once more where the connection ends before the answer begins."""
        try:
            return await self._way(request.url).handle_async_request(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if request.method not in _MAY_BE_ASKED_AGAIN:
                raise
        return await self._way(request.url).handle_async_request(request)

    def _way(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        by_proxy = self._proxies.get(url.scheme)
        if by_proxy is None or url.host in LOOPBACK or proxy_bypass(url.netloc.decode()):
            return self._own
        return by_proxy

    async def aclose(self) -> None:
        """Close every connection."""
        for each in (self._own, *self._proxies.values()):
            await each.aclose()


def _by_proxy(address: str, tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """Go by a proxy; SettingsInvalid, without its address, which may hold a password, if that cannot be understood."""
    try:
        return httpx.AsyncHTTPTransport(
            proxy=address if "://" in address else f"http://{address}", verify=tls, limits=_LIMITS
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        raise SettingsInvalid(
            "The proxy that the environment names (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) cannot be used.",
            "Write it as http://host:port or http://user:password@host:port, signs such as / in the password as %2F.",
        ) from None


def open_client(settings: Settings) -> httpx.AsyncClient:
    """Make the client that reaches the EHRs."""
    private = frozenset(_private_hosts(settings))
    return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, transport=_Outward(private))


def _private_hosts(settings: Settings) -> Iterable[str]:
    """Give the names that may lead into a private network: those of sites that say so, and of servers of forms."""
    companions = [each.companion for each in settings.writing.values() if each.companion is not None]
    for site in (*(settings.sites[each] for each in settings.sites), *companions):
        yield from _hosts(site)
    yield from (httpx.URL(each.server).host for each in settings.own_forms.pinned)


def _hosts(site: Site) -> Iterable[str]:
    if site.allow_private_addresses:
        yield httpx.URL(site.fhir_base).host
        yield from (httpx.URL(f"https://{each}").host for each in site.extra_hosts)
    if site.allow_http_loopback:
        yield from LOOPBACK
