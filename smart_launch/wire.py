"""The one way out: every request of a launch passes the site's address rules, size limit and time limit here."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urljoin

import httpx

from smart_launch.errors import AddressRefused, AnswerUnusable, ServerUnavailable
from smart_launch.site import LOOPBACK, Site

_LARGEST_ANSWER = 512 * 1024  # bytes: a configuration has about 3 KB, a large key set 50 KB
_LONGEST_EXCHANGE = 20.0  # seconds in all, however slowly the server drips
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(  # though not all registries that Python was built from say so
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the host's agent, as seen from a virtual machine (Azure)
            "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
            "192.88.99.0/24",  # relays of 6to4, given up (RFC 7526)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
_UNICAST = ipaddress.ip_network("2000::/3")  # all that is routed between networks (IANA)
_DEFAULT_PORTS = {"https": 443, "http": 80}


def resolve(site: Site, address: str, what: str) -> str:
    """Make an address that discovery named absolute and check it; `what` names it in AddressRefused.

    An absolute one stays as it is written: servers compare the audience of an assertion with their own spelling.
    """
    base = f"{site.base}/"
    absolute = urljoin(base, address) if read_address(address, base).host else ""
    return check_address(site, absolute, what)


def read_address(address: str, base: str = "") -> httpx.URL:
    """Read an address that comes from outside, relative to `base`; an empty one if it is none."""
    try:
        url = httpx.URL(urljoin(base, address))
        _ = url.host  # a host name that IDNA does not know shows here only
    except (httpx.InvalidURL, ValueError):
        return httpx.URL("")
    return url


def check_address(site: Site, address: str, what: str) -> str:
    """Give the address back if it is https (http on allowed loopback) on a host that the site pins."""
    url = read_address(address)
    secure = url.scheme == "https" or (url.scheme == "http" and _is_allowed_loopback(site, url))
    if not secure or url.userinfo or url.fragment or not url.host:
        raise AddressRefused(
            f"The {what} of {site.name} is not an https address.",
            "Ask the EHR's vendor to correct its SMART configuration.",
            reason="address-not-https",
        )
    if _place(url) not in _pinned(site):
        raise AddressRefused(
            f"The {what} of {site.name} is on {url.netloc.decode()}, which is not among the hosts set for this site.",
            "If that host belongs to the EHR, add it to the site's extra_hosts.",
            reason="host-not-pinned",
        )
    return address


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends through another client, within the site's rules: no redirects, no private addresses, no flood.

    The other client's cookies and default headers stay out: requests of two launches share nothing.
    """

    def __init__(self, site: Site, http: httpx.AsyncClient, what: str) -> None:
        self._site = site
        self._http = http
        self._what = what

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; AddressRefused, ServerUnavailable or AnswerUnusable instead of an httpx error."""
        check_address(self._site, str(request.url), self._what)
        try:
            async with asyncio.timeout(_LONGEST_EXCHANGE):
                await _check_resolves_publicly(self._site, request.url)
                return await self._exchange(request)
        except (httpx.TransportError, TimeoutError):
            raise unavailable(self._site, "connection") from None

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        response = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            if response.is_redirect:
                raise AddressRefused(
                    f"The {self._what} of {self._site.name} redirects elsewhere, which is not followed.",
                    "Ask the EHR's vendor for the final address.",
                    reason="redirect",
                )
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _LARGEST_ANSWER:
                    raise AnswerUnusable(
                        f"The {self._what} of {self._site.name} answered with more than {_LARGEST_ANSWER // 1024} KB.",
                        "Ask the EHR's vendor.",
                        reason="answer-too-large",
                    )
        except httpx.DecodingError:
            raise AnswerUnusable(
                f"The {self._what} of {self._site.name} answered with a broken encoding.",
                "Ask the EHR's vendor.",
                reason="answer-encoding",
            ) from None
        finally:
            await response.aclose()
        kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        return httpx.Response(response.status_code, headers=kept, content=bytes(content))


_IN_A_MOMENT = "Try again in a moment."
_KEPT_HEADERS = frozenset({"content-type", "retry-after", "www-authenticate"})


async def fetch(site: Site, http: httpx.AsyncClient, address: str, what: str) -> httpx.Response:
    """GET a JSON document within the site's rules. ServerUnavailable for 429 and 5xx."""
    request = httpx.Request(
        "GET",
        check_address(site, address, what),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        extensions={"timeout": http.timeout.as_dict()},
    )
    response = await GuardedTransport(site, http, what).handle_async_request(request)
    check_available(site, response)
    return response


def check_available(site: Site, response: httpx.Response) -> None:
    """Raise ServerUnavailable for 429 and 5xx."""
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        seconds = response.headers.get("retry-after", "")
        retry_after = min(float(seconds), 86_400.0) if seconds.isdecimal() else None
        status = response.status_code
        raise ServerUnavailable(
            f"The sign-in server of {site.name} is too busy, or failed (HTTP {status}).",
            _IN_A_MOMENT,
            reason=f"http-{status}",
            retry_after=retry_after,
        )


def unavailable(site: Site, reason: str) -> ServerUnavailable:
    """Make the error of a server that does not answer now."""
    return ServerUnavailable(
        f"The sign-in server of {site.name} does not answer.", _IN_A_MOMENT, reason=reason
    )


def are_public(addresses: Iterable[str]) -> bool:
    """Tell whether every address that a name stands for is a public one."""
    return all(is_public(address) for address in addresses)


def is_public(address: str) -> bool:
    """Tell whether an IP address is a public one, also where IPv6 only wraps an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False  # more forms that wrap an IPv4 address, and what nobody has assigned
    return ip.is_global and not ip.is_multicast and not any(ip in each for each in _NOT_PUBLIC)


async def _check_resolves_publicly(site: Site, url: httpx.URL) -> None:
    if site.allow_private_addresses or _is_allowed_loopback(site, url):
        return
    port = url.port or _DEFAULT_PORTS[url.scheme]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise unavailable(site, "host-not-found") from None
    if not are_public(str(entry[4][0]) for entry in found):
        raise AddressRefused(
            f"{url.host}, named for {site.name}, is in a private network.",
            "If the EHR really stands there, set allow_private_addresses for this site.",
            reason="private-address",
        )


def _is_allowed_loopback(site: Site, url: httpx.URL) -> bool:
    return site.allow_http_loopback and url.host in LOOPBACK


def _place(url: httpx.URL) -> tuple[str, int]:
    return url.host.lower(), url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _pinned(site: Site) -> set[tuple[str, int]]:
    extra = (httpx.URL(f"https://{host}") for host in site.extra_hosts)
    return {_place(httpx.URL(site.fhir_base)), *map(_place, extra)}
