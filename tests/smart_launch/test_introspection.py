"""Asking what a token is worth that somebody else brought."""

from collections.abc import Collection
from datetime import timedelta
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
from tests.smart_launch.authorization_server import BASE, NOW, Server, make_site

LATER = NOW + timedelta(hours=1)
NEIGHBOUR = "https://ehr.invalid/fhir/r4-of-another"


async def ask(
    server: Server,
    http: httpx.AsyncClient,
    answer: httpx.Response,
    site: Site | None = None,
    beside: Collection[str] = (),
) -> tuple[Introspection, respx.Route]:
    site = site or make_site()
    route = server.router.post("https://ehr.invalid/introspect").mock(return_value=answer)
    configuration = await discover(site, http)
    return await introspect(site, configuration, "at-s3cret", http=http, now=NOW, beside=beside), route


async def test_an_active_token_tells_its_context(server: Server, http: httpx.AsyncClient) -> None:
    answer = {
        "active": True,
        "scope": "patient/QuestionnaireResponse.c",
        "client_id": "tablet",
        "patient": "mia",
        "encounter": "visit-1",
        "fhirUser": "Practitioner/dr-1",
        "exp": int(LATER.timestamp()),
        "iss": f"{BASE}/",
        "aud": BASE,
    }
    found, route = await ask(server, http, httpx.Response(200, json=answer))
    assert found == Introspection(
        active=True,
        scope="patient/QuestionnaireResponse.c",
        client_id="tablet",
        patient="mia",
        encounter="visit-1",
        fhir_user="Practitioner/dr-1",
        expires_at=LATER,
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
    ("said", "not_here"),
    [
        ({"exp": NOW.timestamp() - 61}, "exp"),
        ({"exp": NOW.timestamp() - 59}, None),
        ({"iss": "https://ehr.invalid"}, "iss"),
        ({"iss": BASE}, None),
        ({"aud": NEIGHBOUR}, "aud"),
        ({"aud": f"{BASE}/Patient"}, "aud"),
        ({"aud": "http://ehr.invalid/fhir/r4"}, "aud"),
        ({"aud": "https://ehr.invalid:8443/fhir/r4"}, "aud"),
        ({"aud": "https://ehr.invalid/fh"}, "aud"),
        ({"aud": ["rapport-test", "https://other.invalid/fhir"]}, "aud"),
        ({"aud": "https://"}, "aud"),
        ({"aud": f"{BASE}?tenant=2"}, "aud"),
        ({"aud": "HTTPS://EHR.invalid:443/fhir/r4/"}, None),
        ({"aud": ["https://other.invalid/fhir", BASE]}, None),
        ({"aud": "https://ehr.invalid"}, None),  # the whole of the server's host
        ({"aud": "rapport-test"}, None),  # no server is named
        ({"aud": []}, None),
    ],
)
async def test_a_token_counts_where_and_while_its_server_says(
    server: Server, http: httpx.AsyncClient, said: dict[str, Any], not_here: str | None
) -> None:
    found, _ = await ask(server, http, httpx.Response(200, json={"active": True, **said}))
    assert (found.active, found.not_here) == (not_here is None, not_here)


@pytest.mark.parametrize(
    ("audience", "not_here"),
    [("https://ehr.invalid", "aud"), ("https://ehr.invalid/fhir", "aud"), (NEIGHBOUR, "aud"), (BASE, None)],
)
async def test_an_audience_that_two_sites_share_tells_them_not_apart(
    server: Server, http: httpx.AsyncClient, audience: str, not_here: str | None
) -> None:
    answer = httpx.Response(200, json={"active": True, "aud": audience})
    found, _ = await ask(server, http, answer, beside=[NEIGHBOUR])
    assert found.not_here == not_here


@pytest.mark.parametrize("user", ["Patient/ab_c", "Device/1", ""])
async def test_a_user_who_is_named_and_unread_is_told_from_none(
    server: Server, http: httpx.AsyncClient, user: str
) -> None:
    found, _ = await ask(server, http, httpx.Response(200, json={"active": True, "fhirUser": user}))
    assert (found.fhir_user, found.user_unread) == (None, True)
    found, _ = await ask(server, http, httpx.Response(200, json={"active": True}))
    assert (found.fhir_user, found.user_unread) == (None, False)


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
        {"active": True, "aud": 7},
        {"active": True, "aud": [7]},
        {"active": True, "iss": []},
        {"active": True, "fhirUser": "https://ehr.invalid/fhir\0/Practitioner/1"},
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
