"""Launches and the authorization endpoint: what is let through, and each thing that is not."""

import base64
import json
import re

import httpx
import pytest

from tests.sandbox_ehr.conftest import BASE, CALLBACK, FHIR, PATIENT, Ehr, returned


async def test_discovery_names_everything_smart_requires_for_any_origin(ehr: Ehr) -> None:
    answer = await ehr.http.get(
        "/r4/.well-known/smart-configuration", headers={"Origin": "https://else.invalid"}
    )
    found = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert found["issuer"] == FHIR
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "client_credentials"} <= set(found["grant_types_supported"])
    assert {"launch-ehr", "launch-standalone", "authorize-post", "permission-v2"} <= set(
        found["capabilities"]
    )
    names = ("authorization", "token", "introspection", "revocation")
    assert all(found[f"{name}_endpoint"].startswith(f"{BASE}/auth/") for name in names)


async def test_openid_configuration_of_the_issuer_agrees_with_smart(ehr: Ehr) -> None:
    smart = (await ehr.http.get("/r4/.well-known/smart-configuration")).json()
    openid = (await ehr.http.get("/r4/.well-known/openid-configuration")).json()
    assert openid["issuer"] == smart["issuer"]
    assert openid["jwks_uri"] == smart["jwks_uri"]
    assert openid["id_token_signing_alg_values_supported"] == ["RS256"]
    keys = (await ehr.http.get(openid["jwks_uri"])).json()["keys"]
    assert not {"d", "p", "q"} & set(keys[0])


async def test_an_ehr_launch_comes_back_at_once_without_any_cookie(ehr: Ehr) -> None:
    back = await ehr.authorize("launch patient/Observation.rs")
    assert set(back) == {"code", "state"}
    assert back["state"] == "a-state"
    assert not ehr.http.cookies


async def test_a_posted_authorization_request_is_as_good(ehr: Ehr) -> None:
    answer = await ehr.http.post("/auth/authorize", data=await ehr.request("launch patient/Observation.rs"))
    assert "code" in returned(answer)


@pytest.mark.parametrize(
    ("changes", "error", "about"),
    [
        ({"code_challenge": None}, "invalid_request", "code_challenge"),
        ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
        ({"code_challenge_method": None}, "invalid_request", "S256"),
        ({"code_challenge": "short"}, "invalid_request", "code_challenge"),
        ({"aud": f"{FHIR}/"}, "invalid_request", "aud"),
        ({"aud": None}, "invalid_request", "aud"),
        ({"aud": "https://else.invalid/r4"}, "invalid_request", "aud"),
        ({"state": None}, "invalid_request", "state"),
        ({"launch": None}, "invalid_request", "launch"),
        ({"launch": "made-up"}, "invalid_request", "unknown"),
        ({"response_type": "token"}, "unsupported_response_type", ""),
        ({"scope": "launch"}, None, ""),
        ({"scope": "nonsense patient/Observation.sr"}, "invalid_scope", ""),
        ({"scope": "patient/Observation.rs"}, "invalid_request", "launch"),
        ({"scope": "system/Observation.rs"}, "invalid_scope", ""),
    ],
)
async def test_a_refused_request_goes_back_to_the_app_with_the_reason(
    ehr: Ehr, changes: dict[str, str | None], error: str | None, about: str
) -> None:
    sent = {"launch": await ehr.launch(), **changes}
    back = await ehr.authorize("launch patient/Observation.rs", **sent)
    assert back.get("error") == error
    assert about in back.get("error_description", "")
    assert back.get("state") == (None if "state" in changes else "a-state")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.invalid/callback"},
        {"redirect_uri": f"{CALLBACK}/more"},
        {"redirect_uri": None},
        {"redirect_uri": 'https://app.invalid/"><script>'},
        {"response_type": 'a"b', "redirect_uri": "https://evil.invalid/ü"},
    ],
)
async def test_an_unknown_client_or_address_is_shown_a_page_and_never_redirected(
    ehr: Ehr, changes: dict[str, str | None]
) -> None:
    answer = await ehr.http.get("/auth/authorize", params=await ehr.request("launch", **changes))
    assert answer.status_code == 400
    assert "cannot be opened" in answer.text
    assert "<script>" not in answer.text


async def test_a_launch_serves_once(ehr: Ehr) -> None:
    launch = await ehr.launch()
    assert "code" in await ehr.authorize("launch patient/*.rs", launch=launch)
    assert (await ehr.authorize("launch patient/*.rs", launch=launch))["error"] == "invalid_request"


async def test_a_launch_lasts_five_minutes(ehr: Ehr) -> None:
    launch = await ehr.launch()
    ehr.now.advance(minutes=5)
    assert (await ehr.authorize("launch patient/*.rs", launch=launch))["error"] == "invalid_request"


async def test_a_launch_is_of_one_app_only(ehr: Ehr) -> None:
    launch = await ehr.launch("symmetric")
    back = await ehr.authorize("launch patient/*.rs", "public", launch=launch)
    assert back["error"] == "invalid_request"


async def test_the_sandbox_refuses_a_launch_for_an_encounter_of_somebody_else(ehr: Ehr) -> None:
    asked = {"client_id": "public", "practitioner": "202", "patient": PATIENT, "encounter": "1002-1"}
    answer = await ehr.http.post("/sandbox/launch", json=asked)
    assert answer.status_code == 422
    assert "Encounter/1002-1" in answer.json()["error"]


async def sign_in(ehr: Ehr, scope: str, *choices: dict[str, str]) -> httpx.Response:
    """Walk through the sign-in pages, pressing one button on each."""
    page = await ehr.http.get("/auth/authorize", params=await ehr.request(scope))
    for choice in choices:
        key = re.search(r'name="key" value="([^"]+)"', page.text)
        assert key is not None, page.text
        page = await ehr.http.post("/auth/sign-in", data={"key": key[1], **choice})
    return page


async def test_a_standalone_launch_asks_who_and_whose_chart_and_for_consent(ehr: Ehr) -> None:
    scope = "launch/patient launch/encounter openid fhirUser patient/Observation.rs"
    first = await sign_in(ehr, scope)
    second = await sign_in(ehr, scope, {"practitioner": "203"})
    third = await sign_in(ehr, scope, {"practitioner": "203"}, {"patient": PATIENT})
    last = await sign_in(ehr, scope, {"practitioner": "203"}, {"patient": PATIENT}, {"decision": "allow"})
    assert "Hannah Lindgren" in first.text
    assert "Amara Okafor" in second.text
    assert "patient/Observation.rs" in third.text
    assert "form-action 'self' https://app.invalid" in third.headers["content-security-policy"]
    granted = (await ehr.exchange(returned(last)["code"])).json()
    assert granted["patient"] == PATIENT
    assert granted["encounter"] == f"{PATIENT}-20261123"
    assert granted["need_patient_banner"] is True


async def test_consent_that_is_not_given_is_access_denied(ehr: Ehr) -> None:
    last = await sign_in(ehr, "user/Observation.rs", {"practitioner": "203"}, {"decision": "deny"})
    assert returned(last)["error"] == "access_denied"


async def test_consent_cannot_be_given_before_signing_in(ehr: Ehr) -> None:
    page = await sign_in(ehr, "launch/patient patient/*.rs", {"decision": "allow"}, {"patient": PATIENT})
    assert "Hannah Lindgren" in page.text
    page = await sign_in(ehr, "launch/patient patient/*.rs", {"practitioner": "203"}, {"decision": "allow"})
    assert "Choose a patient" in page.text


async def test_a_sign_in_page_is_over_after_ten_minutes(ehr: Ehr) -> None:
    page = await ehr.http.get("/auth/authorize", params=await ehr.request("user/Observation.rs"))
    key = re.findall(r'name="key" value="([^"]+)"', page.text)[0]
    ehr.now.advance(minutes=10)
    answer = await ehr.http.post("/auth/sign-in", data={"key": key, "practitioner": "203"})
    assert answer.status_code == 400
    assert "Start again from the app" in answer.text


async def test_without_a_user_prompt_none_is_answered_login_required(ehr: Ehr) -> None:
    back = await ehr.authorize("openid user/Observation.rs", prompt="none")
    assert back["error"] == "login_required"


async def signed_in(ehr: Ehr, code: str) -> int:
    """Exchange a code; gives when its user signed in, as the id_token says."""
    tokens = await ehr.exchange(code)
    claims = tokens.json()["id_token"].split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(claims + "=="))["auth_time"])


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}])
async def test_a_fresh_sign_in_is_a_step_that_is_seen(ehr: Ehr, asked: dict[str, str]) -> None:
    answer = await ehr.http.get("/auth/authorize", params={**await ehr.request("launch openid"), **asked})
    assert answer.status_code == 200
    assert "Sign in again" in answer.text


async def test_a_token_says_when_its_user_signed_in(ehr: Ehr) -> None:
    began = int(ehr.now().timestamp())
    ehr.now.advance(minutes=20)
    silent = await ehr.authorize("launch openid fhirUser")
    assert await signed_in(ehr, silent["code"]) == began


async def test_after_a_fresh_sign_in_the_token_says_so(ehr: Ehr) -> None:
    ehr.now.advance(minutes=20)
    request = {**await ehr.request("launch openid fhirUser"), "prompt": "login", "max_age": "0"}
    page = await ehr.http.get("/auth/authorize", params=request)
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key
    back = returned(await ehr.http.post("/auth/sign-in", data={"key": key[1], "again": "yes"}))
    assert await signed_in(ehr, back["code"]) == int(ehr.now().timestamp())
