"""Access tokens that other apps bring: the site's EHR is asked what they are worth."""

import structlog
from fastapi import Request

from plugin.access.throttle import check_tries, count_try
from plugin.audit import Actor, end_of_token
from plugin.errors import Forbidden, NotFound, NotSignedIn, TokenInvalid
from plugin.routes.state import Rapport, place_of
from smart_launch import Introspection, Scopes, TokenRefused, introspect

log = structlog.get_logger()

RESPONDENTS = frozenset({"Patient", "RelatedPerson"})
LONGEST_TOKEN = 8192
"""Characters; servers and proxies in between seldom take a header that is longer."""
_MOST_WRONG_TOKENS = 60  # from one address within ten minutes: each is a question to the EHR
_NOT_HERE = {
    "exp": ("The access token is over.", "Launch the app again to get a new one."),
    "iss": (
        "The access token was issued by another server than this site's.",
        "Launch the app from this site's EHR; if it was, ask the administrator to set id_token_issuer.",
    ),
    "aud": (
        "The access token is for another FHIR server than this site's.",
        "Launch the app with this site's FHIR server as aud.",
    ),
}
_SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"


def bearer_of(authorization: str) -> str | None:
    """Take the token out of an Authorization header; None if there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" and token.isascii() else None


async def ask_about(
    request: Request, rapport: Rapport, site_id: str, token: str | None, kind: str, interaction: str
) -> Introspection:
    """Ask the site's EHR about a token; NotSignedIn or Forbidden unless it is for one patient and this interaction."""
    check_site(rapport, site_id)
    found = await look_up(request, rapport, site_id, token)
    if found.user_unread:
        raise Forbidden(
            "The EHR names somebody as this token's user in a way that is no reference to a person.",
            "fhirUser is the address of a Practitioner, PractitionerRole, Patient, RelatedPerson or Person: tell the "
            "EHR's vendor.",
        )
    if found.patient is None:
        raise Forbidden(
            "The token is not about one patient.",
            "Launch the app for a patient (scope launch or launch/patient).",
        )
    having = {"category": _SURVEY} if kind == "Observation" else {}
    if not Scopes.parse(found.scope or "").allows(kind, interaction, **having):
        raise Forbidden(f"The token lacks the scope patient/{kind}.{interaction}.", "Ask for it at launch.")
    return found


async def look_up(request: Request, rapport: Rapport, site_id: str, token: str | None) -> Introspection:
    """Ask the site's EHR whose token this is; NotSignedIn if it does not say, TooManyAttempts after many wrong ones."""
    if token is None:
        raise NotSignedIn("There is no access token.", "Send the EHR's token: Authorization: Bearer …")
    if len(token) > LONGEST_TOKEN:
        raise TokenInvalid(
            f"The access token is longer than {LONGEST_TOKEN} characters.", "Send the EHR's token as it is."
        )
    vault, known, now = rapport.ledger.vault, rapport.known_tokens, rapport.clock()
    source = place_of(request)

    async def count_wrong() -> None:
        known.remove(vault, token)
        await rapport.ledger.bookkeep(
            lambda connection: count_try(connection, vault, "token", source, now, _MOST_WRONG_TOKENS)
        )

    if not known.has(vault, token):
        await rapport.ledger.read(
            lambda connection: check_tries(connection, vault, "token", source, now, _MOST_WRONG_TOKENS)
        )
    site = rapport.settings.sites[site_id]
    beside = [each.base for each in rapport.settings.sites.values() if each.id != site_id]
    configuration = await rapport.directory.discover(site, rapport.http)
    try:
        found = await introspect(site, configuration, token, http=rapport.http, now=now, beside=beside)
    except TokenRefused:
        await count_wrong()
        raise
    if not found.active:
        await count_wrong()
        if found.not_here is not None:
            log.warning("token not for this site", site=site_id, claim=found.not_here)
            raise TokenInvalid(*_NOT_HERE[found.not_here])
        raise TokenInvalid(
            "The EHR does not accept this access token.", "Launch the app again to get a new one."
        )
    known.add(vault, token)
    request.state.token_of = actor_of_token(found, token)
    return found


def check_site(rapport: Rapport, site_id: str) -> None:
    """NotFound unless the site is configured."""
    if site_id not in rapport.settings.sites:
        raise NotFound("There is no such site.", "Ask Rapport's administrator for the address of your site.")


def kind_of_user(user: str | None) -> str:
    """Give the type of a fhirUser, which may be absolute; empty if the EHR names nobody."""
    return (user or "").rpartition("/")[0].rpartition("/")[2]


def actor_of_token(found: Introspection, token: str | None) -> Actor:
    """Name whose token it is for the trail, with the token's end."""
    display = None if found.fhir_user else f"client {found.client_id}"
    return Actor(found.fhir_user, display, end_of_token(token or ""))
