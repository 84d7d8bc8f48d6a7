"""Scoring for integrators who call us: a QuestionnaireResponse in, its Observations out. Nothing is kept but the trail.

`$extract` is the SDC operation (https://hl7.org/fhir/uv/sdc/STU4/OperationDefinition-QuestionnaireResponse-extract.html);
`$score` gives the same Observations to look at rather than to write.
"""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from plugin.audit import Actor, Kind
from plugin.errors import Forbidden, Invalid, NotFound, NotSignedIn
from plugin.routes.bearer import actor_of_token, bearer_of, look_up
from plugin.routes.fhir import FHIR_JSON
from plugin.routes.state import CurrentRapport, Rapport
from plugin.stateless import observations_bundle, score_response
from smart_launch import Scopes

router = APIRouter()


class _Parameter(msgspec.Struct):
    name: str
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Parameters(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 -- FHIR's element name
    parameter: tuple[_Parameter, ...] = ()


class Caller(msgspec.Struct, frozen=True):
    """Whose token it is, from which site, and the patient that the token is limited to, if any."""

    site: str
    actor: Actor
    patient: str | None


async def calling_app(
    request: Request,
    rapport: CurrentRapport,
    authorization: Annotated[str, Header()] = "",
    site: Annotated[str | None, Query()] = None,
) -> Caller:
    """Ask the site's EHR about the Bearer token; any token that may read or write responses may have them scored."""
    token = bearer_of(authorization)
    if token is None:  # before the site: who brings nothing is told nothing about that
        raise NotSignedIn("There is no access token.", "Send the EHR's token: Authorization: Bearer …")
    site_id = _site_id(rapport, site)
    found = await look_up(request, rapport, site_id, token)
    scopes = Scopes.parse(found.scope or "")
    if not any(scopes.allows("QuestionnaireResponse", each) for each in "rc"):
        raise Forbidden(
            "The token may neither read nor create a QuestionnaireResponse.",
            "Ask the EHR for QuestionnaireResponse.r or .c",
        )
    return Caller(
        site_id,
        actor_of_token(found, token),
        None if found.patient is None else f"Patient/{found.patient}",
    )


CallingApp = Annotated[Caller, Depends(calling_app)]


@router.post("/fhir/QuestionnaireResponse/$score")
async def score(request: Request, caller: CallingApp, rapport: CurrentRapport) -> Response:
    """Give the scores of a response as a collection Bundle of Observations."""
    return await _answer(rapport, caller, await request.body(), "collection")


@router.post("/fhir/QuestionnaireResponse/$extract")
async def extract(request: Request, caller: CallingApp, rapport: CurrentRapport) -> Response:
    """Give the scores of a response as the transaction Bundle that would write them."""
    return await _answer(rapport, caller, await request.body(), "transaction")


async def _answer(
    rapport: Rapport, caller: Caller, body: bytes, kind: Literal["collection", "transaction"]
) -> Response:
    intake = rapport.intake
    scored = score_response(
        _response_of(body),
        intake.catalogue,
        intake.keys,
        now=rapport.clock(),
        site=caller.site,
        patient=caller.patient,
        home=rapport.settings.sites[caller.site].fhir_base,
        organization=rapport.settings.policies[caller.site].organization,
    )
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.RESPONSE_SCORED,
            caller.actor,
            site=caller.site,
            patient=scored.response.subject_reference,
            about=(f"QuestionnaireResponse/{scored.response.id or scored.id}",),
        )
    )
    return Response(observations_bundle(scored, kind), media_type=FHIR_JSON)


def _response_of(body: bytes) -> bytes:
    """Take the response out of Parameters, or the body as it is; what is wrong with a response is found later."""
    try:
        found = msgspec.json.decode(body, type=_Parameters)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    if found.resourceType != "Parameters":
        return body
    given = [bytes(each.resource) for each in found.parameter if each.name == "questionnaire-response"]
    if len(given) != 1 or not given[0]:
        raise Invalid(
            f"Parameters has {len(given)} parameters named questionnaire-response with a resource.",
            "Send exactly one: Parameters.parameter.where(name = 'questionnaire-response').resource",
        )
    return given[0]


def _site_id(rapport: Rapport, asked: str | None) -> str:
    known = list(rapport.settings.sites)
    if asked is None and len(known) == 1:
        return known[0]
    if asked is None:
        raise Invalid("Several EHRs are connected here.", "Say whose token it is: ?site= and the site's id.")
    if asked not in known:
        raise NotFound("There is no such site.", "Ask Rapport's administrator for the id of your site.")
    return asked
