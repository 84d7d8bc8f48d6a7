"""Asking what a token is worth that somebody else brought."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from smart_launch import (
    AnswerUnusable,
    ClientSecret,
    Introspection,
    NotOffered,
    ServerUnavailable,
    Site,
    SmartError,
    TokenRefused,
    discover,
    introspect,
)
from tests.smart_launch.authorization_server import NOW, Server, make_site


async def ask(
    server: Server, http: httpx.AsyncClient, answer: httpx.Response, site: Site | None = None
) -> tuple[Introspection, respx.Route]:
    site = site or make_site()
    route = server.router.post("https://ehr.invalid/introspect").mock(return_value=answer)
    return await introspect(site, await discover(site, http), "at-s3cret", http=http, now=NOW), route


async def test_an_active_token_tells_its_context(server: Server, http: httpx.AsyncClient) -> None:
    answer = {
        "active": True,
        "scope": "patient/QuestionnaireResponse.c",
        "client_id": "tablet",
        "patient": "mia",
        "encounter": "visit-1",
        "fhirUser": "Practitioner/dr-1",
        "exp": 1_795_424_400,
        "iss": "https://ehr.invalid",
    }
    found, route = await ask(server, http, httpx.Response(200, json=answer))
    assert found == Introspection(
        active=True,
        scope="patient/QuestionnaireResponse.c",
        client_id="tablet",
        patient="mia",
        encounter="visit-1",
        fhir_user="Practitioner/dr-1",
        expires_at=datetime.fromtimestamp(1_795_424_400, UTC),
    )
    assert parse_qs(route.calls.last.request.content.decode())["token"] == ["at-s3cret"]


async def test_a_confidential_app_asks_as_itself(
    server: Server, http: httpx.AsyncClient, asymmetric_site: Site
) -> None:
    _, route = await ask(server, http, httpx.Response(200, json={"active": True}), asymmetric_site)
    assert "client_assertion" in parse_qs(route.calls.last.request.content.decode())
    secret = make_site(authentication=ClientSecret("s"))
    _, route = await ask(server, http, httpx.Response(200, json={"active": True}), secret)
    assert route.calls.last.request.headers["authorization"].startswith("Basic ")


async def test_a_token_that_is_not_active_tells_nothing(server: Server, http: httpx.AsyncClient) -> None:
    found, _ = await ask(server, http, httpx.Response(200, json={"active": False, "patient": "mia"}))
    assert found == Introspection(active=False)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"active": "true"},
        {"active": True, "patient": "mia/x"},
        {"active": True, "encounter": ""},
        {"active": True, "exp": "never"},
        {"active": True, "exp": -1},
        {"active": True, "exp": 10**30},
        [],
    ],
)
async def test_an_answer_that_breaks_the_standard_is_unusable(
    server: Server, http: httpx.AsyncClient, answer: Any
) -> None:
    with pytest.raises(AnswerUnusable):
        await ask(server, http, httpx.Response(200, json=answer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), TokenRefused),
        (httpx.Response(403), TokenRefused),
        (httpx.Response(502), ServerUnavailable),
    ],
)
async def test_each_refusal_has_its_error(
    server: Server, http: httpx.AsyncClient, answer: httpx.Response, error: type[SmartError]
) -> None:
    with pytest.raises(error):
        await ask(server, http, answer)


async def test_a_server_without_introspection_is_told_apart(server: Server, http: httpx.AsyncClient) -> None:
    del server.configuration["introspection_endpoint"]
    with pytest.raises(NotOffered):
        await introspect(make_site(), await discover(make_site(), http), "at", http=http)
