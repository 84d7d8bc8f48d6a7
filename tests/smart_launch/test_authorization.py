"""The authorization request, and what may come back."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from smart_launch import (
    Authorization,
    LaunchContext,
    LaunchExpired,
    LaunchRefused,
    NotOffered,
    Site,
    SmartError,
    StateMismatch,
    begin,
    discover,
    finish,
)
from tests.smart_launch.authorization_server import BASE, CLIENT_ID, NOW, Server, make_site, query


async def start(
    http: httpx.AsyncClient, site: Site | None = None, launch: str | None = "xyz"
) -> Authorization:
    site = site or make_site()
    return begin(site, await discover(site, http), launch=launch, now=NOW)


async def come_back(http: httpx.AsyncClient, begun: Authorization, **changes: Any) -> LaunchContext:
    values: dict[str, Any] = {"site": make_site(), "code": "c0de-s3cret", "state": begun.state, "now": NOW}
    values |= changes
    site = values.pop("site")
    return await finish(site, await discover(site, http), begun.pending, http=http, **values)


async def test_an_ehr_launch_asks_for_what_smart_requires(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    asked = query(begun)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.pending.verifier.encode()).digest())
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "https://app.invalid/callback",
        "scope": "launch openid fhirUser patient/Observation.crs",
        "state": begun.state,
        "aud": BASE,
        "code_challenge": challenge.decode().rstrip("="),
        "code_challenge_method": "S256",
        "launch": "xyz",
        "nonce": begun.pending.nonce,
    }


async def test_the_same_request_can_be_posted(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    assert (dict(begun.form), begun.endpoint, begun.by_post) == (
        query(begun),
        "https://ehr.invalid/authorize",
        True,
    )


async def test_an_endpoint_with_a_query_keeps_it(server: Server, http: httpx.AsyncClient) -> None:
    server.configuration["authorization_endpoint"] = "https://ehr.invalid/authorize?tenant=7"
    assert query(await start(http))["tenant"] == "7"


async def test_a_standalone_launch_asks_for_a_patient_instead(
    server: Server, http: httpx.AsyncClient
) -> None:
    asked = query(await start(http, launch=None))
    assert asked["scope"] == "launch/patient openid fhirUser patient/Observation.crs"
    assert "launch" not in asked


async def test_a_standalone_launch_keeps_the_context_it_is_set_up_for(
    server: Server, http: httpx.AsyncClient
) -> None:
    site = make_site(scopes=("launch", "launch/encounter", "patient/*.rs"))
    assert query(await start(http, site, launch=None))["scope"] == "launch/encounter patient/*.rs"


async def test_an_ehr_launch_always_asks_for_its_context(server: Server, http: httpx.AsyncClient) -> None:
    asked = query(await start(http, make_site(scopes=("patient/*.rs",))))
    assert asked["scope"] == "launch patient/*.rs"
    assert "nonce" not in asked


async def test_every_launch_has_secrets_of_its_own(server: Server, http: httpx.AsyncClient) -> None:
    one, other = (await start(http)).pending, (await start(http)).pending
    assert len({one.state, one.verifier, one.nonce, other.state, other.verifier, other.nonce}) == 6
    assert len(base64.urlsafe_b64decode(f"{one.state}=")) >= 16  # SMART: at least 122 bits


async def test_a_server_without_sign_in_for_apps_is_told_apart(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.configuration["authorization_endpoint"]
    with pytest.raises(NotOffered):
        await start(http)


async def test_the_way_back_exchanges_the_code(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    await come_back(http, begun)
    assert server.asked() == {
        "grant_type": "authorization_code",
        "code": "c0de-s3cret",
        "redirect_uri": "https://app.invalid/callback",
        "code_verifier": begun.pending.verifier,
        "client_id": CLIENT_ID,
    }


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"state": "forged"}, StateMismatch, "state-mismatch"),
        ({"state": ""}, StateMismatch, "state-mismatch"),
        ({"state": "ünicode"}, StateMismatch, "state-mismatch"),
        ({"site": make_site(id="other")}, StateMismatch, "state-mismatch"),
        ({"iss": "https://evil.invalid"}, StateMismatch, "callback-issuer-mismatch"),
        ({"now": NOW + timedelta(minutes=10)}, LaunchExpired, "launch-expired"),
        ({"code": None}, LaunchRefused, "no-code"),
        ({"code": ""}, LaunchRefused, "no-code"),
        ({"error": "access_denied", "code": None}, LaunchRefused, "access_denied"),
        ({"error": "invalid_scope"}, LaunchRefused, "invalid_scope"),
        ({"error": "login_required"}, LaunchRefused, "login_required"),
        ({"error": "<script>"}, LaunchRefused, "launch-refused"),
        ({"error": ""}, LaunchRefused, "launch-refused"),
    ],
)
async def test_a_wrong_way_back_ends_before_the_code_is_spent(
    server: Server,
    http: httpx.AsyncClient,
    changes: dict[str, Any],
    error: type[SmartError],
    reason: str,
) -> None:
    begun = await start(http)
    with pytest.raises(error) as caught:
        await come_back(http, begun, **changes)
    assert caught.value.reason == reason
    assert "script" not in str(caught.value)
    assert not server.token.called


async def test_a_forged_state_hides_an_error(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    with pytest.raises(StateMismatch):
        await come_back(http, begun, state="forged", error="access_denied")


async def test_the_last_moment_is_not_too_late(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    late = NOW + timedelta(minutes=9, seconds=59)
    assert (await come_back(http, begun, now=late)).patient == "mia"


@pytest.mark.parametrize("iss", [BASE, f"{BASE}/"])
async def test_the_servers_own_issuer_on_the_way_back_is_fine(
    server: Server, http: httpx.AsyncClient, iss: str
) -> None:
    assert (await come_back(http, await start(http), iss=iss)).patient == "mia"


async def test_an_issuer_on_the_way_back_is_ignored_where_discovery_names_none(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.configuration["issuer"]
    begun = await start(http)
    assert (await come_back(http, begun, iss="https://realm.invalid")).patient == "mia"


async def test_an_issuer_that_was_promised_must_come_back(server: Server, http: httpx.AsyncClient) -> None:
    server.configuration["authorization_response_iss_parameter_supported"] = True
    begun = await start(http)
    with pytest.raises(StateMismatch):
        await come_back(http, begun)


async def test_the_servers_words_are_kept_apart_and_cleaned(server: Server, http: httpx.AsyncClient) -> None:
    begun = await start(http)
    with pytest.raises(LaunchRefused) as caught:
        await come_back(
            http,
            begun,
            error="invalid_request",
            error_description=f"Wrong\nredirect for {begun.pending.verifier}",
        )
    assert caught.value.server_said == "Wrong redirect for ..."
    assert "redirect for" not in str(caught.value)
