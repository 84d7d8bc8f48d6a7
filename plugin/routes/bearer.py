"""Access tokens that other apps bring: the site's EHR is asked what they are worth."""

from fastapi import Request

from plugin.access.throttle import check_tries, count_try
from plugin.audit import Actor, end_of_token
from plugin.errors import Forbidden, NotFound, NotSignedIn
from plugin.routes.state import Rapport, place_of
from smart_launch import Introspection, Scopes, TokenRefused, introspect

RESPONDENTS = frozenset({"Patient", "RelatedPerson"})
LONGEST_TOKEN = 8192
"""Characters; servers and proxies in between seldom take a header that is longer."""
_MOST_WRONG_TOKENS = 60  # from one address within ten minutes: each is a question to the EHR
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
        raise NotSignedIn(
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
    configuration = await rapport.directory.discover(site, rapport.http)
    try:
        found = await introspect(site, configuration, token, http=rapport.http, now=now)
    except TokenRefused:
        await count_wrong()
        raise
    if not found.active:
        await count_wrong()
        raise NotSignedIn(
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
