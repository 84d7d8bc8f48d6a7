"""What a token that somebody else brought is worth: the authorization server is asked (RFC 7662).

https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import AnswerUnusable, NotOffered, TokenRefused
from smart_launch.identity import read_fhir_user
from smart_launch.site import Site
from smart_launch.token_answer import is_fhir_id
from smart_launch.tokens import oauth_client
from smart_launch.wire import check_available

_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Introspection:
    """What the authorization server says of a token. All but `active` is None for one that is not active."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    patient: str | None = None  # FHIR id
    encounter: str | None = None  # FHIR id
    fhir_user: str | None = None  # reference: relative on this server, else absolute
    expires_at: datetime | None = None


class _Answer(msgspec.Struct):
    active: bool
    scope: str | None = None
    client_id: str | None = None
    patient: str | None = None
    encounter: str | None = None
    fhirUser: str | None = None  # noqa: N815 -- SMART's claim name
    exp: int | float | None = None


async def introspect(
    site: Site,
    configuration: SmartConfiguration,
    token: str,
    http: httpx.AsyncClient,
    *,
    now: datetime | None = None,
) -> Introspection:
    """Ask the site's authorization server about a token; `now` dates the assertion, the system's time if not given.

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
    return _read(site, response.content)


def _read(site: Site, content: bytes) -> Introspection:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unusable(site, "is not an introspection response") from None
    if not answer.active:
        return Introspection(active=False)
    for value in (answer.patient, answer.encounter):
        if value is not None and not is_fhir_id(value):
            raise _unusable(site, "names a context that is not a FHIR id")
    if answer.exp is not None and not (math.isfinite(answer.exp) and 0 < answer.exp < _LATEST):
        raise _unusable(site, "has an expiry that is no point in time")
    user = read_fhir_user(site, answer.fhirUser)
    return Introspection(
        active=True,
        scope=answer.scope,
        client_id=answer.client_id,
        patient=answer.patient,
        encounter=answer.encounter,
        fhir_user=user.reference if user else None,
        expires_at=None if answer.exp is None else datetime.fromtimestamp(answer.exp, UTC),
    )


def _unusable(site: Site, what: str) -> AnswerUnusable:
    return AnswerUnusable(
        f"The answer of {site.name} about a token {what}.", "Tell the EHR's vendor.", reason="introspection"
    )
