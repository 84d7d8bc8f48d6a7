"""What a token that somebody else brought is worth: the authorization server is asked (RFC 7662).

https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import httpx
import msgspec

from smart_launch.claims import is_above, is_server, is_text, names_server
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import AnswerUnusable, NotOffered, TokenRefused
from smart_launch.identity import read_fhir_user
from smart_launch.issuer_keys import same_issuer
from smart_launch.site import Site
from smart_launch.token_answer import is_fhir_id
from smart_launch.tokens import oauth_client
from smart_launch.wire import check_available

_LEEWAY = 60  # seconds between the server's clock and ours
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Introspection:
    """What the authorization server says of a token. The rest is None for one that is not active.

    `not_here` says what keeps a token that the server calls active from counting at this site: its end (`exp`), its
    issuer (`iss`) or the server that it is for (`aud`). `active` is False then.
    """

    active: bool
    not_here: Literal["exp", "iss", "aud"] | None = None
    scope: str | None = None
    client_id: str | None = None
    patient: str | None = None  # FHIR id
    encounter: str | None = None  # FHIR id
    fhir_user: str | None = None  # reference: relative on this server, else absolute
    user_unread: bool = False  # a user is named, in a way that is no reference to a person
    expires_at: datetime | None = None


class _Answer(msgspec.Struct):
    active: bool
    scope: str | None = None
    client_id: str | None = None
    patient: str | None = None
    encounter: str | None = None
    fhirUser: str | None = None  # noqa: N815 -- SMART's claim name
    exp: int | float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None


async def introspect(
    site: Site,
    configuration: SmartConfiguration,
    token: str,
    http: httpx.AsyncClient,
    *,
    now: datetime | None = None,
    beside: Collection[str] = (),
) -> Introspection:
    """Ask the site's authorization server about a token; `now` is the system's time if not given.

    It may be that of several FHIR servers: a token counts if it is for the site's own, as far as the answer says.
    `beside` are the bases of other sites: an audience that stands above one of them, too, tells the two not apart.

    NotOffered if it has no such endpoint; TokenRefused if it does not let us ask; AnswerUnusable if its answer
    breaks the standard; ServerUnavailable, AddressRefused.
    """
    endpoint = configuration.introspection_endpoint
    if endpoint is None:
        raise NotOffered(
            f"{site.name} has no token introspection.",
            "Launch the app from the EHR instead, or ask the vendor for it.",
            reason="no-introspection",
        )
    asked_at = now or datetime.now(UTC)
    async with oauth_client(site, configuration, http, "introspection endpoint", asked_at) as client:
        response = await client.introspect_token(
            endpoint,
            token=token,
            token_type_hint="access_token",  # noqa: S106 -- a kind of token, not one
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
    check_available(site, response)
    if response.status_code != httpx.codes.OK:
        raise TokenRefused(
            f"{site.name} does not let the app ask about tokens (HTTP {response.status_code}).",
            "Ask the administrator to allow introspection for the app's registration.",
            reason="introspection-refused",
        )
    answer = _decode(site, response.content)
    if not answer.active:
        return Introspection(active=False)
    if answer.exp is not None and answer.exp + _LEEWAY <= asked_at.timestamp():
        return Introspection(active=False, not_here="exp")
    if answer.iss is not None and not same_issuer(answer.iss, configuration.keys.issuer):
        return Introspection(active=False, not_here="iss")
    if not _is_for(site, answer.aud, beside):
        return Introspection(active=False, not_here="aud")
    return _read(site, answer)


def _is_for(site: Site, audience: str | list[str] | None, beside: Collection[str]) -> bool:
    """Tell whether a token is for the site's FHIR server; one that names no server (a client's id, say) may be."""
    named = [audience] if isinstance(audience, str) else audience or []
    servers = [each for each in named if names_server(each)]
    return not servers or any(
        is_server(each, site.base)
        or (is_above(each, site.base) and not any(is_above(each, other) for other in beside))
        for each in servers
    )


def _decode(site: Site, content: bytes) -> _Answer:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unusable(site, "is not an introspection response") from None
    if not answer.active:
        return answer
    for value in (answer.patient, answer.encounter):
        if value is not None and not is_fhir_id(value):
            raise _unusable(site, "names a context that is not a FHIR id")
    if answer.exp is not None and not (math.isfinite(answer.exp) and 0 < answer.exp < _LATEST):
        raise _unusable(site, "has an expiry that is no point in time")
    if answer.fhirUser is not None and not is_text(answer.fhirUser):
        raise _unusable(site, "is not an introspection response")
    return answer


def _read(site: Site, answer: _Answer) -> Introspection:
    user = read_fhir_user(site, answer.fhirUser)
    return Introspection(
        active=True,
        scope=answer.scope,
        client_id=answer.client_id,
        patient=answer.patient,
        encounter=answer.encounter,
        fhir_user=user.reference if user else None,
        user_unread=user is None and answer.fhirUser is not None,
        expires_at=None if answer.exp is None else datetime.fromtimestamp(answer.exp, UTC),
    )


def _unusable(site: Site, what: str) -> AnswerUnusable:
    return AnswerUnusable(
        f"The answer of {site.name} about a token {what}.", "Tell the EHR's vendor.", reason="introspection"
    )
