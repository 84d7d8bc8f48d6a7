"""Rapport's own FHIR doors: the catalogue for anyone, and a way in for responses that another app collected."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from plugin import __version__
from plugin.audit import Actor, Kind
from plugin.delivery.keep import read_kept
from plugin.errors import Forbidden, NotFound, NotSignedIn, WrongMediaType
from plugin.flow import Arrival, submit
from plugin.routes.state import CurrentRapport, Rapport
from smart_launch import Introspection, Scopes, introspect

router = APIRouter()

FHIR_JSON = "application/fhir+json"
_MEDIA_TYPES = {"application/fhir+json", "application/json"}


@router.get("/fhir/metadata")
async def metadata(rapport: CurrentRapport) -> Response:
    """Say what this FHIR interface offers."""
    return fhir_answer(_capability_statement(rapport.settings.base_url))


@router.get("/fhir/Questionnaire")
async def search_questionnaires(
    rapport: CurrentRapport,
    url: Annotated[str | None, Query()] = None,
    version: Annotated[str | None, Query()] = None,
    identifier: Annotated[str | None, Query(alias="_id")] = None,
) -> Response:
    """Search the catalogue by canonical url, version or id."""
    found = [
        each
        for each in rapport.intake.catalogue.all()
        if url in (None, each.url, each.canonical)
        and version in (None, each.version)
        and identifier in (None, each.id)
    ]
    base = f"{rapport.settings.base_url}/fhir/Questionnaire"
    entries = [
        {"fullUrl": f"{base}/{each.id}", "resource": msgspec.Raw(each.resource), "search": {"mode": "match"}}
        for each in found
    ]
    bundle: dict[str, object] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return fhir_answer(
        bundle | {"link": [{"relation": "self", "url": base}]} | ({"entry": entries} if entries else {})
    )


@router.get("/fhir/Questionnaire/{instrument}")
async def read_questionnaire(instrument: str, rapport: CurrentRapport) -> Response:
    """Give one instrument as it is published."""
    found = next((each for each in rapport.intake.catalogue.all() if each.id == instrument), None)
    if found is None:
        raise NotFound("There is no such Questionnaire.", "GET /fhir/Questionnaire lists the catalogue.")
    headers = {"ETag": f'W/"{found.version}"'}
    return Response(found.resource, media_type=FHIR_JSON, headers=headers)


@router.post("/sites/{site_id}/fhir/QuestionnaireResponse")
async def take_response(
    request: Request,
    site_id: str,
    rapport: CurrentRapport,
    authorization: Annotated[str, Header()] = "",
    content_type: Annotated[str, Header()] = "",
) -> Response:
    """Take a response that another app collected, with the EHR's access token of that app."""
    if content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES:
        raise WrongMediaType("The body is not JSON.", f"Send it with Content-Type: {FHIR_JSON}.")
    patient, actor = await _identify_sender(rapport, site_id, authorization, "c")
    arrival = Arrival(
        body=await request.body(),
        site=site_id,
        organization=rapport.settings.policies[site_id].organization,
        patient=patient,
        actor=actor,
    )
    saved = await submit(rapport.intake, arrival)
    rapport.worker.wake()
    status = 200 if saved.replayed else 201
    location = f"{rapport.settings.base_url}/sites/{site_id}/fhir/QuestionnaireResponse/{saved.id}"
    return Response(arrival.body, status, media_type=FHIR_JSON, headers={"Location": location})


@router.get("/sites/{site_id}/fhir/QuestionnaireResponse/{response_id}")
async def give_response(
    site_id: str, response_id: str, rapport: CurrentRapport, authorization: Annotated[str, Header()] = ""
) -> Response:
    """Give a kept response back, byte for byte, to the holder of a token for the same patient."""
    patient, actor = await _identify_sender(rapport, site_id, authorization, "r")
    vault = rapport.ledger.vault
    record = await rapport.ledger.read(lambda connection: read_kept(connection, vault, response_id))
    if (record.site, record.patient) != (site_id, patient):
        raise NotFound(f"There is no response {response_id}.", "Check the address.")
    about = (f"QuestionnaireResponse/{record.id}",)
    await rapport.ledger.record(
        rapport.trail.entry(Kind.RESPONSE_VIEWED, actor, site=site_id, patient=patient, about=about)
    )
    return Response(record.body, media_type=FHIR_JSON)


def fhir_answer(resource: dict[str, object], status: int = 200) -> Response:
    """Answer with a resource."""
    return Response(msgspec.json.encode(resource), status, media_type=FHIR_JSON)


async def _identify_sender(
    rapport: Rapport, site_id: str, authorization: str, interaction: str
) -> tuple[str, Actor]:
    if site_id not in rapport.settings.sites:
        raise NotFound("There is no such site.", "Ask Rapport's administrator for the address of your site.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("There is no access token.", "Send the EHR's token: Authorization: Bearer …")
    site = rapport.settings.sites[site_id]
    configuration = await rapport.directory.discover(site, rapport.http)
    found = await introspect(site, configuration, token.strip(), http=rapport.http, now=rapport.clock())
    _check_token(found, interaction)
    return f"Patient/{found.patient}", Actor(
        found.fhir_user, None if found.fhir_user else f"client {found.client_id}"
    )


def _check_token(found: Introspection, interaction: str) -> None:
    if not found.active:
        raise NotSignedIn(
            "The EHR does not accept this access token.", "Launch the app again to get a new one."
        )
    if found.patient is None:
        raise Forbidden(
            "The token is not about one patient.",
            "Launch the app for a patient (scope launch or launch/patient).",
        )
    if not Scopes.parse(found.scope or "").allows("QuestionnaireResponse", interaction):
        scope = f"patient/QuestionnaireResponse.{interaction}"
        raise Forbidden(f"The token lacks the scope {scope}.", "Ask for it at launch.")


def _capability_statement(base_url: str) -> dict[str, object]:
    searches = [
        {"name": "url", "type": "uri"},
        {"name": "version", "type": "token"},
        {"name": "_id", "type": "token"},
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-23",
        "kind": "instance",
        "software": {"name": "Rapport", "version": __version__},
        "implementation": {
            "description": "Alliance instruments of this Rapport installation",
            "url": f"{base_url}/fhir",
        },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "The catalogue is public. Responses are taken at /sites/{site}/fhir with the EHR's token.",
                "resource": [
                    {
                        "type": "QuestionnaireResponse",
                        "operation": [
                            {
                                "name": "score",
                                "definition": "https://w3id.org/rapport-fhir/OperationDefinition/score",
                            },
                            {
                                "name": "extract",
                                "definition": "http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract",
                            },
                        ],
                    },
                    {
                        "type": "Questionnaire",
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": searches,
                    },
                ],
            }
        ],
    }
