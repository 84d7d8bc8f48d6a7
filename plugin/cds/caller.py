"""Who calls a CDS service: the EHR's JWT, checked (https://cds-hooks.org/specification/2.0/#trusting-cds-clients).

Every failure is told as the same one, without a reason: whoever forges need not learn what was wrong.
"""

from datetime import datetime, timedelta

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError

from plugin.cds.settings import CdsClient
from plugin.errors import NotSignedIn
from smart_launch import IssuerKeys, Site, SmartError, is_text

_LEEWAY = 30  # seconds between the EHR's clock and ours
_ASK_AGAIN = timedelta(seconds=10)  # for a key that is not known: anybody may name one
_LONGEST = 300  # seconds; CDS Hooks asks for no more than five minutes


class NotTrusted(NotSignedIn):
    """The call carries no token that this site's EHR could have made."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The call cannot be shown to come from the EHR.",
            "Sign it as CDS Hooks says, and register issuer and keys in [site.cds].",
        )
        self.reason = reason  # for the log, never for the caller


class CdsCallers:
    """Checks the calls of one site's EHR; keeps its public keys."""

    def __init__(self, site: Site, client: CdsClient) -> None:
        self._client = client
        self._keys = IssuerKeys(site, issuer=client.issuer, jwks_uri=client.jwks_url)
        self._asked: datetime | None = None

    async def check(self, authorization: str, service: str, http: httpx.AsyncClient, now: datetime) -> str:
        """Check a call of the service at an address; gives the token's `jti`, which must not have been used before.

        NotTrusted for anything but a token of this EHR, for exactly this address, that is valid now.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip().isascii() or not token.strip():
            raise NotTrusted("none")
        token = token.strip()
        header = _header(token)
        alg, kid = header.get("alg"), header.get("kid")
        if alg not in self._client.algorithms or not isinstance(kid, str) or not kid:
            raise NotTrusted("header")
        if not self._keys.knows(str(alg), kid):
            if self._asked is not None and now - self._asked < _ASK_AGAIN:
                raise NotTrusted("key")
            self._asked = now
        try:
            key = await self._keys.find(str(alg), kid, http)
            claims = jwt.decode(token, key, algorithms=[str(alg)]).claims
        except SmartError as error:
            raise NotTrusted(error.reason) from None
        except (JoseError, ValueError, RecursionError):
            raise NotTrusted("signature") from None
        return self._check_claims(claims, service, now)

    def _check_claims(self, claims: dict[str, object], service: str, now: datetime) -> str:
        seconds = now.timestamp()
        expires, issued, jti = claims.get("exp"), claims.get("iat"), claims.get("jti")
        begins = claims.get("nbf", issued)
        audience = claims.get("aud")
        if claims.get("iss") != self._client.issuer:
            raise NotTrusted("iss")
        if service not in (audience if isinstance(audience, list) else [audience]):
            raise NotTrusted("aud")
        if not _is_time(expires) or not _is_time(issued) or not _is_time(begins):
            raise NotTrusted("times")
        if not (issued - _LEEWAY <= seconds < expires + _LEEWAY) or expires - issued > _LONGEST:  # type: ignore[operator] # numbers, see above
            raise NotTrusted("times")
        if begins - _LEEWAY > seconds:  # type: ignore[operator] # a number, see above
            raise NotTrusted("times")
        if not isinstance(jti, str) or not jti or len(jti) > 200 or not is_text(jti):
            raise NotTrusted("jti")
        return jti


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _header(token: str) -> dict[str, object]:
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError):
        raise NotTrusted("form") from None
