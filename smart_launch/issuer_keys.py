"""The public keys of an id_token issuer: found, fetched, remembered, fetched again when an unknown one signs."""

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from smart_launch.errors import DiscoveryFailed, IdTokenInvalid
from smart_launch.site import Site, without_slash
from smart_launch.wire import fetch, resolve

_TRY_LATER = "Try again later; if it stays, tell the EHR's vendor."
_FIT: dict[str, tuple[type[RSAKey] | type[ECKey], str | None]] = {
    "RS256": (RSAKey, None),
    "RS384": (RSAKey, None),
    "ES256": (ECKey, "P-256"),
    "ES384": (ECKey, "P-384"),
}
ALGORITHMS = tuple(_FIT)  # never "none", never HMAC: a shared secret signs nothing here


class _OpenIdConfiguration(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


class IssuerKeys:
    """One issuer's signing keys. Shared by all launches that share a SmartConfiguration."""

    def __init__(self, site: Site, *, issuer: str, jwks_uri: str | None) -> None:
        self._site = site
        self.issuer = issuer
        self._jwks_uri = jwks_uri
        self._known: tuple[RSAKey | ECKey, ...] = ()

    async def find(self, alg: str, kid: str | None, http: httpx.AsyncClient) -> RSAKey | ECKey:
        """Find the key that signs with `alg` under `kid`; keys are fetched anew once if it is not known.

        Without `kid` the issuer must have just one key for the algorithm (OpenID Connect Core 10.1).
        IdTokenInvalid if there is none; DiscoveryFailed if the keys cannot be had.
        """
        fitting = self._fitting(alg, kid)
        if len(fitting) != 1:
            self._known = await self._fetch(http)
            fitting = self._fitting(alg, kid)
        if len(fitting) != 1:
            raise IdTokenInvalid(
                f"{self._site.name} signed its statement of who you are with a key that it does not publish.",
                _TRY_LATER,
                reason="id-token-key-unknown",
            )
        return fitting[0]

    def knows(self, alg: str, kid: str) -> bool:
        """Tell whether a key can be found without asking the issuer."""
        return len(self._fitting(alg, kid)) == 1

    def _fitting(self, alg: str, kid: str | None) -> tuple[RSAKey | ECKey, ...]:
        kind, curve = _FIT[alg]
        return tuple(
            key
            for key in self._known
            if isinstance(key, kind)
            and (curve is None or key.get("crv") == curve)
            and key.get("use", "sig") == "sig"
            and key.get("alg", alg) == alg
            and (kid is None or key.get("kid") == kid)
        )

    async def _fetch(self, http: httpx.AsyncClient) -> tuple[RSAKey | ECKey, ...]:
        address = self._jwks_uri or await self._discover_jwks_uri(http)
        content = await self._get(http, address, "key address")
        try:
            published = msgspec.json.decode(content, type=_KeySet).keys
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._unusable("keys") from None
        found = (_import(jwk) for jwk in published)
        return tuple(key for key in found if key is not None)

    async def _discover_jwks_uri(self, http: httpx.AsyncClient) -> str:
        """Ask the issuer itself, on a pinned host (OpenID Connect Discovery 4)."""
        address = resolve(
            self._site, f"{without_slash(self.issuer)}/.well-known/openid-configuration", "id_token issuer"
        )
        content = await self._get(http, address, "OpenID configuration")
        try:
            document = msgspec.json.decode(content, type=_OpenIdConfiguration)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._unusable("OpenID configuration") from None
        if not same_issuer(document.issuer, self.issuer):
            raise DiscoveryFailed(
                f"The OpenID configuration of {self._site.name} speaks for another issuer.",
                "Set id_token_issuer for this site if that issuer is right.",
                reason="issuer-mismatch",
            )
        return document.jwks_uri

    async def _get(self, http: httpx.AsyncClient, address: str, what: str) -> bytes:
        response = await fetch(self._site, http, address, what)
        if response.status_code != httpx.codes.OK:
            raise self._unusable(what)
        return response.content

    def _unusable(self, what: str) -> DiscoveryFailed:
        return DiscoveryFailed(
            f"The {what} of {self._site.name} cannot be read.", _TRY_LATER, reason="issuer-keys"
        )


def same_issuer(one: str, other: str) -> bool:
    """Compare issuers exactly, one trailing slash aside (MEDITECH writes it with, its tokens may not)."""
    return without_slash(one) == without_slash(other)


def _import(jwk: dict[str, object]) -> RSAKey | ECKey | None:
    """Read one key; None for kinds that cannot sign an id_token here (RFC 7517 section 5: ignore those)."""
    try:
        key = JWKRegistry.import_key(jwk)  # type: ignore[arg-type]  # it checks the values itself
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None
