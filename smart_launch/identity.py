"""Who signed in: the id_token checked, and the FHIR resource that stands for the person.

OpenID Connect Core 3.1.3.7; https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.errors import ClaimError, JoseError

from smart_launch.claims import is_text
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import IdTokenInvalid
from smart_launch.issuer_keys import ALGORITHMS, same_issuer
from smart_launch.site import Site

_LEEWAY = 60  # seconds between the server's clock and ours
_USER = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+)/)?(?P<type>Patient|Practitioner|PractitionerRole|RelatedPerson|Person)"
    r"/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


@dataclass(frozen=True, slots=True)
class FhirUser:
    """The signed-in person. `reference` is relative (`Practitioner/1`) if the resource is on the launch's server.

    A person kept on another server has the absolute address as reference: `Practitioner/1` would be someone else here.
    """

    reference: str
    type: str
    id: str
    url: str

    @property
    def is_local(self) -> bool:
        """Whether the resource is on the launch's server, where the token may read it."""
        return self.reference != self.url


@dataclass(frozen=True, slots=True)
class Identity:
    """What a valid id_token says; `user` None if it names nobody, or (`user_unread`) in no way that is known."""

    issuer: str
    subject: str
    user: FhirUser | None
    user_unread: bool  # a user is named, in a way that is no reference to a person
    nonce_confirmed: bool  # some servers leave the nonce out (Inferno's reference server)
    authenticated: datetime | None = (
        None  # when the person proved who they are; None if the server does not say
    )


async def check_id_token(
    site: Site,
    configuration: SmartConfiguration,
    id_token: str,
    *,
    nonce: str | None,
    http: httpx.AsyncClient,
    now: datetime,
) -> Identity:
    """Check kind, signature, issuer, audience, times and nonce; IdTokenInvalid if any is wrong.

    DiscoveryFailed, AddressRefused or ServerUnavailable if the issuer's keys cannot be had.
    """
    alg, kid = _read_header(site, id_token)
    key = await configuration.keys.find(alg, kid, http)
    try:
        claims = jwt.decode(id_token, key, algorithms=[alg]).claims
    except (JoseError, ValueError, RecursionError):
        raise _invalid(site, "signature") from None
    _check_claims(site, claims, now)
    if not same_issuer(claims["iss"], configuration.keys.issuer):
        raise _invalid(site, "iss")
    _check_audience(site, claims)
    for name in ("sub", "nonce", "fhirUser"):
        if isinstance(value := claims.get(name), str) and not is_text(value):
            raise _invalid(site, name)
    given = claims.get("nonce")
    if given is not None and not (
        isinstance(given, str) and nonce and compare_digest(given.encode(), nonce.encode())
    ):
        raise _invalid(site, "nonce")
    user = read_fhir_user(site, claims.get("fhirUser"))
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        user=user,
        user_unread=user is None and claims.get("fhirUser") is not None,
        nonce_confirmed=given is not None,
        authenticated=_read_moment(claims.get("auth_time")),
    )


def read_fhir_user(site: Site, value: object) -> FhirUser | None:
    """Read a fhirUser claim, relative or absolute; None if there is none or it is no such reference."""
    found = _USER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    relative = f"{found['type']}/{found['id']}"
    base = found["base"] or site.base
    if base.startswith(f"{site.base}/"):
        return None  # Patient/1/Practitioner/2: below a resource stands no person
    absolute = f"{base}/{relative}"
    return FhirUser(
        reference=relative if base == site.base else absolute,
        type=found["type"],
        id=found["id"],
        url=absolute,
    )


def _read_moment(value: object) -> datetime | None:
    """Read seconds since 1970; None if it is none such."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read_header(site: Site, id_token: str) -> tuple[str, str | None]:
    try:
        header = jws.extract_compact(id_token.encode()).headers()
    except (JoseError, ValueError):
        raise _invalid(site, "form") from None
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ALGORITHMS:
        raise _invalid(site, "algorithm")
    if kid is not None and not isinstance(kid, str):
        raise _invalid(site, "form")
    if not _may_be_id_token(header.get("typ")):
        raise _invalid(site, "typ")
    return alg, kid


def _may_be_id_token(kind: object) -> bool:
    """Tell whether a header's `typ` names no other kind of JWT: `at+jwt`, `logout+jwt` (RFC 8725 section 3.11)."""
    if kind is None:
        return True
    name = kind.lower().removeprefix("application/") if isinstance(kind, str) else "+jwt"
    return name == "id_token+jwt" or not name.endswith("+jwt")


def _check_claims(site: Site, claims: dict[str, Any], now: datetime) -> None:
    required: dict[str, jwt.ClaimsOption] = {
        name: {"essential": True} for name in ("iss", "sub", "aud", "exp", "iat")
    }
    try:
        jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=_LEEWAY, **required).validate(claims)
    except ClaimError as error:
        raise _invalid(site, error.claim.partition(",")[0]) from None


def _check_audience(site: Site, claims: dict[str, Any]) -> None:
    """The token is for us, and for us alone or issued to us (azp)."""
    audience = claims["aud"]
    audiences = [audience] if isinstance(audience, str) else audience
    if site.client_id not in audiences:
        raise _invalid(site, "aud")
    issued_to = claims.get("azp")
    if issued_to not in (None, site.client_id) or (len(audiences) > 1 and issued_to is None):
        raise _invalid(site, "azp")


def _invalid(site: Site, what: str) -> IdTokenInvalid:
    return IdTokenInvalid(
        f"The statement of {site.name} about who signed in cannot be trusted ({what}).",
        "Open the app again; if it stays, tell the administrator.",
        reason=f"id-token-{what}",
    )
