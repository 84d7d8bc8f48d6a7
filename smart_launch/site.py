"""Sites: which EHR servers exist for us, and how we are registered there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from smart_launch.errors import UnknownIssuer
from smart_launch.keys import SigningKey

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class PublicClient:
    """No secret: the client id in the body, PKCE protects the code."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A shared secret, sent by HTTP Basic as it was issued (client-confidential-symmetric)."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.secret or not (self.secret.isascii() and self.secret.isprintable()):
            raise ValueError("The client secret is empty or has characters that HTTP Basic cannot carry.")


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """Signed assertions (client-confidential-asymmetric): the first that may signs, all are published."""

    keys: tuple[SigningKey, ...]

    def __post_init__(self) -> None:
        if not any(key.signs for key in self.keys):
            raise ValueError("private_key_jwt needs at least one signing key.")

    def signing_key(self, algorithms: frozenset[str]) -> SigningKey:
        """Choose the first key that the server says it can check; the first of all where it names none of ours."""
        signing = [key for key in self.keys if key.signs]
        return next((key for key in signing if key.alg in algorithms), signing[0])


@dataclass(frozen=True, slots=True)
class Site:
    """One registration at one EHR. ValueError when made with an address that may never be used.

    `fhir_base` exactly as the EHR writes it in `iss`. `extra_hosts` (`host` or `host:port`) are the hosts, besides
    fhir_base's own, that its discovery may name for authorization, tokens and keys. `allow_http_loopback` allows
    plain http to this machine. `id_token_issuer` replaces what discovery says. `backend_scopes` empty: no
    Backend Services.
    """

    id: str
    name: str
    fhir_base: str
    client_id: str
    authentication: PublicClient | ClientSecret | PrivateKeyJwt
    redirect_uri: str
    scopes: tuple[str, ...]
    launch_url: str = ""
    extra_hosts: tuple[str, ...] = ()
    allow_http_loopback: bool = False
    allow_private_addresses: bool = False
    id_token_issuer: str | None = None
    backend_scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            base = httpx.URL(self.fhir_base)
            extra = [httpx.URL(f"https://{host}") for host in self.extra_hosts]
        except httpx.InvalidURL:
            raise ValueError(f"fhir_base or extra_hosts of site {self.id} is not an address.") from None
        if any(url.raw_path != b"/" or not url.host or url.userinfo for url in extra):
            raise ValueError(
                f"extra_hosts of site {self.id} are `host` or `host:port`, without scheme or path."
            )
        if not base.host or base.query or base.fragment or base.userinfo:
            raise ValueError(f"fhir_base of site {self.id} must be scheme, host and path only.")
        secure = base.scheme == "https"
        local = base.scheme == "http" and self.allow_http_loopback and base.host in LOOPBACK
        if not (secure or local):
            raise ValueError(
                f"fhir_base of site {self.id} must be https; plain http is possible on loopback alone."
            )

    @property
    def base(self) -> str:
        """The FHIR base without a trailing slash."""
        return without_slash(self.fhir_base)


class Sites(Mapping[str, Site]):
    """The configured sites by id. ValueError if an id or a FHIR base stands there twice."""

    def __init__(self, sites: Iterable[Site]) -> None:
        listed = tuple(sites)
        self._by_id = {site.id: site for site in listed}
        self._by_base = {site.base: site for site in listed}
        for what, values in (
            ("id", [each.id for each in listed]),
            ("fhir_base", [each.base for each in listed]),
        ):
            twice = next((each for each in values if values.count(each) > 1), None)
            if twice is not None:
                names = " and ".join(
                    site.id for site, each in zip(listed, values, strict=True) if each == twice
                )
                raise ValueError(f"Two sites ({names}) have the same {what}, {twice}.")

    def find(self, iss: str) -> Site:
        """Find the site of a launch's `iss`: the same characters, one trailing slash aside; else UnknownIssuer."""
        site = self._by_base.get(without_slash(iss))
        if site is None:
            raise UnknownIssuer(
                "The EHR that asked for this launch is not set up here.",
                "Open the app from an EHR that is, or ask the administrator to add this one.",
            )
        return site

    def __getitem__(self, site_id: str) -> Site:
        return self._by_id[site_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)


def without_slash(address: str) -> str:
    """Take one trailing slash off."""
    return address.removesuffix("/")
