"""What a server says of itself: the SMART configuration, read with suspicion and remembered for a while.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import msgspec

from smart_launch.errors import AddressRefused, DiscoveryFailed, ServerUnavailable
from smart_launch.issuer_keys import IssuerKeys
from smart_launch.site import Site
from smart_launch.wire import fetch, resolve

Clock = Callable[[], datetime]

CONFIGURATION_LIFE = timedelta(hours=1)
STALE_LIFE = timedelta(days=1)
_ASK_VENDOR = "Tell the EHR's vendor or administrator; the app needs SMART App Launch 2."


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """A checked SMART configuration: absolute addresses, each on a host that the site pins."""

    token_endpoint: str
    authorization_endpoint: str | None
    introspection_endpoint: str | None
    revocation_endpoint: str | None
    issuer: str | None
    jwks_uri: str | None
    capabilities: frozenset[str]
    names_itself_on_callback: bool  # RFC 9207: `iss` must come back
    assertion_algorithms: frozenset[str]  # which signatures of ours it checks; empty: it does not say
    keys: IssuerKeys = field(repr=False, compare=False)  # the issuer's keys, fetched when first needed

    @property
    def authorize_by_post(self) -> bool:
        """Whether the authorization request may be an HTML form post (better for long scopes)."""
        return "authorize-post" in self.capabilities


class _Document(msgspec.Struct):
    token_endpoint: str | None = None
    authorization_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    issuer: str | None = None
    jwks_uri: str | None = None
    capabilities: frozenset[str] = frozenset()
    code_challenge_methods_supported: frozenset[str] = frozenset()
    authorization_response_iss_parameter_supported: bool = False
    token_endpoint_auth_signing_alg_values_supported: frozenset[str] = frozenset()


async def discover(site: Site, http: httpx.AsyncClient) -> SmartConfiguration:
    """Fetch and check a site's SMART configuration.

    DiscoveryFailed if it is missing, malformed or without PKCE S256; AddressRefused if it names an address outside
    the site's hosts; ServerUnavailable if nobody answers.
    """
    what = "SMART configuration"
    response = await fetch(site, http, f"{site.base}/.well-known/smart-configuration", what)
    if response.status_code != httpx.codes.OK:
        raise DiscoveryFailed(
            f"{site.name} has no SMART configuration (HTTP {response.status_code}).",
            _ASK_VENDOR,
            reason="no-smart-configuration",
        )
    try:
        document = msgspec.json.decode(response.content, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DiscoveryFailed(
            f"The SMART configuration of {site.name} is not valid JSON of the expected form.",
            _ASK_VENDOR,
            reason="smart-configuration-malformed",
        ) from None
    return _check(site, document)


def _check(site: Site, document: _Document) -> SmartConfiguration:
    if "S256" not in document.code_challenge_methods_supported:
        raise DiscoveryFailed(
            f"{site.name} does not offer PKCE with S256, without which a launch is not safe.",
            _ASK_VENDOR,
            reason="no-s256",
        )
    if document.token_endpoint is None:
        raise DiscoveryFailed(
            f"The SMART configuration of {site.name} names no token endpoint.",
            _ASK_VENDOR,
            reason="no-token-endpoint",
        )

    def absolute(address: str | None, what: str) -> str | None:
        return None if address is None else resolve(site, address, what)

    try:
        revocation = absolute(document.revocation_endpoint, "revocation endpoint")
    except AddressRefused:
        revocation = None  # no launch fails because of what is asked after its end
    issuer = site.id_token_issuer or document.issuer
    jwks_uri = absolute(document.jwks_uri, "key address")
    return SmartConfiguration(
        token_endpoint=resolve(site, document.token_endpoint, "token endpoint"),
        authorization_endpoint=absolute(document.authorization_endpoint, "authorization endpoint"),
        introspection_endpoint=absolute(document.introspection_endpoint, "introspection endpoint"),
        revocation_endpoint=revocation,
        issuer=issuer,
        jwks_uri=jwks_uri,
        capabilities=document.capabilities,
        names_itself_on_callback=document.authorization_response_iss_parameter_supported,
        assertion_algorithms=document.token_endpoint_auth_signing_alg_values_supported,
        # Servers without an issuer in their configuration sign as their FHIR base (Inferno's reference server).
        keys=IssuerKeys(site, issuer=issuer or site.base, jwks_uri=jwks_uri),
    )


class SmartDirectory:
    """Remembers configurations for an hour, and asks once however many launches wait for the answer.

    Where the server is not available then, what it said within the last day still serves.
    """

    def __init__(self, *, clock: Clock, life: timedelta = CONFIGURATION_LIFE) -> None:
        self._clock = clock
        self._life = life
        self._known: dict[str, tuple[datetime, SmartConfiguration]] = {}  # when it was read, and what
        self._asking: dict[str, asyncio.Task[SmartConfiguration]] = {}

    async def discover(self, site: Site, http: httpx.AsyncClient) -> SmartConfiguration:
        """Give a site's configuration, fetched if it is not known or too old; errors as `discover`."""
        known = self._remember(site.id, self._life)
        if known is not None:
            return known
        asking = self._asking.get(site.id)
        if asking is None:
            asking = asyncio.create_task(self._ask(site, http))
            self._asking[site.id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(site.id, None))
        # One launch that gives up must not take the answer from the others that wait for it.
        return await asyncio.shield(asking)

    def forget(self, site_id: str) -> None:
        """Drop what is known of a site, after a sign that it has changed."""
        self._known.pop(site_id, None)

    def _remember(self, site_id: str, life: timedelta) -> SmartConfiguration | None:
        known = self._known.get(site_id)
        return known[1] if known is not None and self._clock() < known[0] + life else None

    async def _ask(self, site: Site, http: httpx.AsyncClient) -> SmartConfiguration:
        try:
            found = await discover(site, http)
        except ServerUnavailable:
            known = self._remember(site.id, STALE_LIFE)
            if known is None:
                raise
            return known
        self._known[site.id] = (self._clock(), found)
        return found
