"""Rapport's own FHIR doors: the catalogue for anyone, and a way in for responses that another app collected."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from plugin import __version__
from plugin.errors import NotFound, WrongMediaType
from plugin.flow import Arrival, submit
from plugin.routes.bearer import RESPONDENTS, actor_of_token, ask_about, bearer_of, kind_of_user
from plugin.routes.observing import tell_kept
from plugin.routes.state import CurrentRapport
from plugin.routes.vouched import vouching_of
from questionnaires import Catalogue, Instrument

router = APIRouter()

FHIR_JSON = "application/fhir+json"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9.-]")
_LONGEST_ID = 64
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
    """Search the catalogue by canonical url, version or id; earlier versions are found where one is asked for."""
    published = _published(rapport.intake.catalogue)
    named = version is not None or "|" in (url or "")
    found = [
        (own_id, each)
        for own_id, each in published.items()
        if url in (None, each.url, each.canonical)
        and version in (None, each.version)
        and (identifier == own_id if identifier else named or own_id == each.id)
    ]
    base = f"{rapport.settings.base_url}/fhir/Questionnaire"
    entries = [
        {
            "fullUrl": f"{base}/{own_id}",
            "resource": msgspec.Raw(_resource(own_id, each)),
            "search": {"mode": "match"},
        }
        for own_id, each in found
    ]
    bundle: dict[str, object] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return fhir_answer(
        bundle | {"link": [{"relation": "self", "url": base}]} | ({"entry": entries} if entries else {})
    )


@router.get("/fhir/Questionnaire/{instrument}")
async def read_questionnaire(instrument: str, rapport: CurrentRapport) -> Response:
    """Give one instrument as it is published: today's version by its id, an earlier one by that with the version after it."""
    found = _published(rapport.intake.catalogue).get(instrument)
    if found is None:
        raise NotFound("There is no such Questionnaire.", "GET /fhir/Questionnaire lists the catalogue.")
    headers = {"ETag": f'W/"{found.version}"'}
    return Response(_resource(instrument, found), media_type=FHIR_JSON, headers=headers)


def _published(catalogue: Catalogue) -> Mapping[str, Instrument]:
    """Give every version of every instrument by an id of its own: the instrument's, and of an earlier one with its version."""
    today = {each.id: each for each in catalogue.all()}
    earlier = (each for each in catalogue.versions() if today.get(each.id) is not each)
    return {**{_id_of(each): each for each in earlier}, **today}


def _id_of(earlier: Instrument) -> str:
    version = _NOT_IN_IDS.sub("-", earlier.version)
    return f"{earlier.id[: max(1, _LONGEST_ID - len(version) - 1)]}-{version}"[:_LONGEST_ID]


def _resource(own_id: str, instrument: Instrument) -> bytes:
    """Give the resource as it was installed, with the id by which it is published: a file may have none, or one that others have."""
    resource = msgspec.json.decode(instrument.resource)
    if resource.get("id") == own_id:
        return instrument.resource
    return msgspec.json.encode({**resource, "id": own_id})


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
    token = bearer_of(authorization)
    found = await ask_about(request, rapport, site_id, token, "QuestionnaireResponse", "c")
    arrival = Arrival(
        body=await request.body(),
        site=site_id,
        organization=rapport.settings.policies[site_id].organization,
        patient=f"Patient/{found.patient}",
        actor=actor_of_token(found, token),
        respondent=found.fhir_user if kind_of_user(found.fhir_user) in RESPONDENTS else None,
        vouching=vouching_of(rapport, site_id, found, token),
    )
    saved = await submit(rapport.intake, arrival)
    tell_kept(saved)
    rapport.worker.wake()
    status = 200 if saved.replayed else 201
    location = f"{rapport.settings.base_url}/sites/{site_id}/fhir/QuestionnaireResponse/{saved.id}"
    return Response(arrival.body, status, media_type=FHIR_JSON, headers={"Location": location})


def fhir_answer(resource: dict[str, object], status: int = 200) -> Response:
    """Answer with a resource."""
    return Response(msgspec.json.encode(resource), status, media_type=FHIR_JSON)


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
