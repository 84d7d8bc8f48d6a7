"""The token endpoint, id_tokens, refresh, introspection, revocation, and the three kinds of client."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.sandbox_ehr.conftest import BASE, CALLBACK, EC, FHIR, JWT_BEARER, PATIENT, RSA, STRANGER, Ehr

SCOPE = "launch openid fhirUser patient/Observation.rs"


@pytest.mark.parametrize("client_id", ["public", "symmetric", "asymmetric", "by-address"])
async def test_every_kind_of_client_gets_a_token_with_its_launch_context(ehr: Ehr, client_id: str) -> None:
    launch = await ehr.launch(client_id, encounter="1001-20261123", intent="check-in")
    granted = await ehr.grant(SCOPE, client_id, launch=launch)
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] == 3600
    assert granted["scope"] == SCOPE
    assert (granted["patient"], granted["encounter"]) == (PATIENT, "1001-20261123")
    assert granted["need_patient_banner"] is False
    assert granted["intent"] == "check-in"
    style = await ehr.http.get(granted["smart_style_url"])
    assert style.json()["color_text"].startswith("#")


async def test_fhir_context_of_the_launch_is_handed_on(ehr: Ehr) -> None:
    context = [{"canonical": "https://forms.invalid/Questionnaire/a|1", "type": "Questionnaire"}]
    launch = await ehr.launch(fhirContext=context)
    assert (await ehr.grant(SCOPE, launch=launch))["fhirContext"] == context


async def test_the_registration_caps_the_scopes(ehr: Ehr) -> None:
    granted = await ehr.grant("launch openid fhirUser patient/*.cruds user/Observation.rs", "narrow")
    assert granted["scope"] == "launch openid patient/Observation.rs patient/Patient.r"


async def test_the_id_token_is_signed_for_the_client_and_names_the_user(ehr: Ehr) -> None:
    granted = await ehr.grant(SCOPE, nonce="n-1")
    keys = KeySet.import_key_set((await ehr.http.get("/auth/jwks")).json())
    token = jwt.decode(granted["id_token"], keys, algorithms=["RS256"])
    now = int(ehr.now().timestamp())
    assert token.claims["iss"] == FHIR
    assert token.claims["aud"] == "public"
    assert token.claims["nonce"] == "n-1"
    assert token.claims["fhirUser"] == f"{FHIR}/Practitioner/202"
    assert token.claims["sub"] == "202"
    assert (token.claims["iat"], token.claims["exp"]) == (now, now + 3600)


async def test_there_is_no_id_token_without_openid(ehr: Ehr) -> None:
    assert "id_token" not in await ehr.grant("launch patient/Observation.rs")


async def test_a_code_serves_once_and_its_second_use_revokes_what_it_gave(ehr: Ehr) -> None:
    code = (await ehr.authorize("launch patient/Patient.r"))["code"]
    granted = (await ehr.exchange(code)).json()
    async with ehr.with_token(granted["access_token"]) as fhir:
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 200
        assert (await ehr.exchange(code)).json()["error"] == "invalid_grant"
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 401


async def test_a_code_lasts_a_minute(ehr: Ehr) -> None:
    code = (await ehr.authorize(SCOPE))["code"]
    ehr.now.advance(seconds=60)
    assert (await ehr.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_of_another_client_is_refused_and_stays_good(ehr: Ehr) -> None:
    code = (await ehr.authorize(SCOPE))["code"]
    assert (await ehr.exchange(code, "narrow")).json()["error"] == "invalid_grant"
    assert (await ehr.exchange(code)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "another-verifier-that-is-long-enough-for-rfc-7636-00"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://app.invalid/other"}, "invalid_grant"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": 'a"b'}, "invalid_request"),
    ],
)
async def test_a_wrong_token_request_is_refused(ehr: Ehr, changes: dict[str, str], error: str) -> None:
    code = (await ehr.authorize(SCOPE))["code"]
    answer = await ehr.exchange(code, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("user", "password"), [("symmetric", "wrong"), ("nobody", "x"), ("asymmetric", "x")])
async def test_a_wrong_secret_is_invalid_client(ehr: Ehr, user: str, password: str) -> None:
    code = (await ehr.authorize(SCOPE, "symmetric"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = await ehr.http.post("/auth/token", data=form, auth=(user, password))
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("client_id", ["symmetric", "asymmetric"])
async def test_a_confidential_client_cannot_pass_for_a_public_one(ehr: Ehr, client_id: str) -> None:
    code = (await ehr.authorize(SCOPE, client_id))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": client_id,
    }
    answer = await ehr.http.post("/auth/token", data=form)
    assert answer.json()["error"] == "invalid_client"


async def backend(ehr: Ehr, assertion: str, scope: str = "system/Observation.rs") -> dict[str, Any]:
    form = {"grant_type": "client_credentials", "scope": scope}
    signed = {"client_assertion_type": JWT_BEARER, "client_assertion": assertion}
    answer = await ehr.http.post("/auth/token", data={**form, **signed})
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS384", "ES384"])
async def test_an_assertion_signed_with_either_algorithm_is_taken(ehr: Ehr, key: Any) -> None:
    assert "access_token" in await backend(ehr, ehr.assertion("asymmetric", key=key))


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"aud": f"{BASE}/auth/authorize"}, "invalid_claim"),
        ({"aud": None}, "missing_claim"),
        ({"iss": "public"}, "iss and sub"),
        ({"sub": "nobody"}, "does not exist"),
        ({"jti": None}, "jti"),
        ({"jti": "x" * 152}, "jti"),
        ({"exp": None}, "missing_claim"),
        ({"header": {"typ": None}}, "JWT"),
        ({"header": {"typ": "at+jwt"}}, "JWT"),
        ({"header": {"kid": None}}, "kid"),
        ({"header": {"kid": "other"}}, "kid"),
        ({"header": {"alg": "RS256"}}, "RS384"),
        ({"key": STRANGER}, "signature"),
    ],
)
async def test_an_assertion_with_one_thing_wrong_is_invalid_client(
    ehr: Ehr, changes: dict[str, Any], about: str
) -> None:
    if changes.get("header", {}).get("typ", "") is None:
        changes = {"header": {"typ": "none"}}  # the library always writes a typ
    answer = await backend(ehr, ehr.assertion("asymmetric", **changes))
    assert answer["error"] == "invalid_client"
    assert about in answer["error_description"]


async def test_an_assertion_may_live_five_minutes_and_no_longer(ehr: Ehr) -> None:
    now = int(ehr.now().timestamp())
    assert (
        "five minutes"
        in (await backend(ehr, ehr.assertion("asymmetric", exp=now + 301)))["error_description"]
    )
    assert (await backend(ehr, ehr.assertion("asymmetric", exp=now - 1)))["error"] == "invalid_client"
    assert "access_token" in await backend(ehr, ehr.assertion("asymmetric", exp=now + 300))


async def test_an_assertion_is_taken_once(ehr: Ehr) -> None:
    assertion = ehr.assertion("asymmetric")
    assert "access_token" in await backend(ehr, assertion)
    assert "jti" in (await backend(ehr, assertion))["error_description"]


@pytest.mark.parametrize("assertion", ["", "a.b.c", "not-a-jwt", "e30.e30.e30"])
async def test_a_broken_assertion_is_refused(ehr: Ehr, assertion: str) -> None:
    assert (await backend(ehr, assertion))["error"] == "invalid_client"


async def test_keys_at_an_address_are_fetched_once_and_again_after_five_minutes(ehr: Ehr) -> None:
    for _ in range(2):
        assert "access_token" in await backend(ehr, ehr.assertion("by-address"))
    assert ehr.fetched == ["https://app.invalid/jwks.json"]
    ehr.now.advance(minutes=5)
    assert "access_token" in await backend(ehr, ehr.assertion("by-address"))
    assert len(ehr.fetched) == 2


async def test_a_backend_service_gets_system_scopes_for_five_minutes_and_no_refresh_token(ehr: Ehr) -> None:
    granted = await backend(
        ehr, ehr.assertion("asymmetric"), "system/Observation.rs patient/Patient.r openid"
    )
    assert granted["scope"] == "system/Observation.rs"
    assert granted["expires_in"] == 300
    assert "refresh_token" not in granted


async def test_a_backend_service_without_a_system_scope_is_refused(ehr: Ehr) -> None:
    assert (await backend(ehr, ehr.assertion("asymmetric"), "user/Observation.rs"))[
        "error"
    ] == "invalid_scope"


async def test_a_public_client_has_no_client_credentials(ehr: Ehr) -> None:
    answer = await ehr.token({"grant_type": "client_credentials", "scope": "system/*.rs"}, "public")
    assert answer.json()["error"] == "invalid_client"


async def refresh(ehr: Ehr, token: str, **more: str) -> dict[str, Any]:
    answer = await ehr.token({"grant_type": "refresh_token", "refresh_token": token, **more})
    found: dict[str, Any] = answer.json()
    return found


async def test_there_is_no_refresh_token_without_its_scope(ehr: Ehr) -> None:
    assert "refresh_token" not in await ehr.grant(SCOPE)


async def test_a_refresh_token_is_rotated_and_its_second_use_ends_everything(ehr: Ehr) -> None:
    first = await ehr.grant("launch online_access patient/Patient.r")
    second = await refresh(ehr, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert second["patient"] == PATIENT
    assert (await refresh(ehr, first["refresh_token"]))["error"] == "invalid_grant"
    assert (await refresh(ehr, second["refresh_token"]))["error"] == "invalid_grant"
    async with ehr.with_token(second["access_token"]) as fhir:
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 401


@pytest.mark.parametrize(
    ("scope", "hours", "lives"), [("online_access", 9, False), ("offline_access", 9, True)]
)
async def test_online_access_ends_with_the_day_and_offline_access_does_not(
    ehr: Ehr, scope: str, hours: int, lives: bool
) -> None:
    granted = await ehr.grant(f"launch {scope} patient/Patient.r")
    ehr.now.advance(hours=hours)
    assert ("access_token" in await refresh(ehr, granted["refresh_token"])) is lives


async def test_a_refresh_can_narrow_the_scope_and_never_widen_it(ehr: Ehr) -> None:
    granted = await ehr.grant("launch offline_access patient/Patient.r patient/Observation.rs")
    wider = await refresh(ehr, granted["refresh_token"], scope="patient/Patient.cruds")
    assert wider["error"] == "invalid_scope"
    narrow = await refresh(ehr, granted["refresh_token"], scope="patient/Patient.r")
    assert narrow["scope"] == "patient/Patient.r"
    again = await refresh(ehr, narrow["refresh_token"])
    assert "patient/Observation.rs" in again["scope"]


async def test_a_refresh_token_of_another_client_is_refused(ehr: Ehr) -> None:
    granted = await ehr.grant("launch offline_access patient/Patient.r")
    answer = await ehr.token(
        {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}, "symmetric"
    )
    assert answer.json()["error"] == "invalid_grant"


async def test_introspection_tells_an_authenticated_client_all_about_a_token(ehr: Ehr) -> None:
    launch = await ehr.launch(encounter="1001-20261123")
    granted = await ehr.grant(SCOPE, launch=launch)
    found = (await ehr.post("/auth/introspect", {"token": granted["access_token"]}, "symmetric")).json()
    assert found["active"] is True
    assert found["scope"] == SCOPE
    assert found["client_id"] == "public"
    assert found["iss"] == FHIR
    assert found["sub"] == "202"
    assert found["fhirUser"] == f"{FHIR}/Practitioner/202"
    assert (found["patient"], found["encounter"]) == (PATIENT, "1001-20261123")
    assert found["exp"] == int(ehr.now().timestamp()) + 3600


async def test_introspection_of_a_dead_token_says_only_that(ehr: Ehr) -> None:
    granted = await ehr.grant(SCOPE)
    ehr.now.advance(hours=1)
    for token in (granted["access_token"], "made-up"):
        answer = await ehr.post("/auth/introspect", {"token": token}, "asymmetric")
        assert answer.json() == {"active": False}


async def test_introspection_needs_a_client_that_authenticates(ehr: Ehr) -> None:
    granted = await ehr.grant(SCOPE)
    answer = await ehr.post("/auth/introspect", {"token": granted["access_token"]}, "public")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


async def test_a_revoked_access_token_no_longer_opens_anything(ehr: Ehr) -> None:
    granted = await ehr.grant("launch patient/Patient.r")
    async with ehr.with_token(granted["access_token"]) as fhir:
        assert (
            await ehr.post("/auth/revoke", {"token": granted["access_token"]}, "public")
        ).status_code == 200
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 401


async def test_revoking_a_refresh_token_takes_the_access_token_with_it(ehr: Ehr) -> None:
    granted = await ehr.grant("launch offline_access patient/Patient.r")
    await ehr.post("/auth/revoke", {"token": granted["refresh_token"]}, "public")
    assert (await refresh(ehr, granted["refresh_token"]))["error"] == "invalid_grant"
    async with ehr.with_token(granted["access_token"]) as fhir:
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 401


async def test_nobody_can_revoke_the_token_of_another_client(ehr: Ehr) -> None:
    granted = await ehr.grant("launch patient/Patient.r")
    await ehr.post("/auth/revoke", {"token": granted["access_token"]}, "symmetric")
    async with ehr.with_token(granted["access_token"]) as fhir:
        assert (await fhir.get(f"/Patient/{PATIENT}")).status_code == 200
