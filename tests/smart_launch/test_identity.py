"""Who signed in: real signatures, and every way in which a statement can be false."""

from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from smart_launch import (
    USER_UNREAD,
    AddressRefused,
    DiscoveryFailed,
    FhirUser,
    IdTokenInvalid,
    ServerUnavailable,
    begin,
    discover,
    finish,
)
from tests.smart_launch.authorization_server import (
    BASE,
    CLIENT_ID,
    EC_KEY,
    NOW,
    OTHER_KEY,
    SERVER_KEY,
    Server,
    make_site,
)

SECONDS = int(NOW.timestamp())


async def test_a_valid_statement_names_the_user(server: Server, http: httpx.AsyncClient) -> None:
    context = await server.launch(http, sub="user-1")
    assert context.user == FhirUser(
        reference="Practitioner/dr-1", type="Practitioner", id="dr-1", url=f"{BASE}/Practitioner/dr-1"
    )
    assert "nonce-absent" not in context.notes


async def test_without_an_id_token_nobody_is_named(server: Server, http: httpx.AsyncClient) -> None:
    assert (await server.launch(http)).user is None
    assert not server.keys.called


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS256", SERVER_KEY),
        ("RS384", SERVER_KEY),
        ("ES384", EC_KEY),
        ("ES256", ECKey.generate_key("P-256", {"kid": "p256"})),
    ],
)
async def test_each_allowed_algorithm_is_accepted(
    server: Server, http: httpx.AsyncClient, alg: str, key: RSAKey | ECKey
) -> None:
    server.header, server.key, server.published = {"alg": alg, "kid": key.kid}, key, [SERVER_KEY, EC_KEY, key]
    server.published = list({each.kid: each for each in server.published}.values())
    assert (await server.launch(http, sub="user-1")).user is not None


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.invalid"}, "id-token-iss"),
        ({"iss": None}, "id-token-iss"),
        ({"iss": 7}, "id-token-iss"),
        ({"aud": "another-client"}, "id-token-aud"),
        ({"aud": []}, "id-token-aud"),
        ({"aud": None}, "id-token-aud"),
        ({"aud": ["another-client"], "azp": CLIENT_ID}, "id-token-aud"),
        ({"aud": [CLIENT_ID, "another-client"]}, "id-token-azp"),
        ({"aud": CLIENT_ID, "azp": "another-client"}, "id-token-azp"),
        ({"aud": CLIENT_ID, "azp": [CLIENT_ID]}, "id-token-azp"),
        ({"aud": CLIENT_ID, "azp": {}}, "id-token-azp"),
        ({"exp": SECONDS - 60}, "id-token-exp"),
        ({"exp": None}, "id-token-exp"),
        ({"exp": "tomorrow"}, "id-token-exp"),
        ({"iat": SECONDS + 61}, "id-token-iat"),
        ({"iat": None}, "id-token-iat"),
        ({"nbf": SECONDS + 61}, "id-token-nbf"),
        ({"sub": None}, "id-token-sub"),
        ({"nonce": "another"}, "id-token-nonce"),
        ({"nonce": 7}, "id-token-nonce"),
        ({"nonce": ""}, "id-token-nonce"),
        ({"nonce": "\ud800"}, "id-token-nonce"),
        ({"sub": "a\0"}, "id-token-sub"),
        ({"fhirUser": "https://x\ud800.invalid/Practitioner/1"}, "id-token-fhirUser"),
        ({"fhirUser": "https://x.invalid/a\0/Practitioner/1"}, "id-token-fhirUser"),
    ],
)
async def test_a_wrong_claim_is_refused_by_name(
    server: Server, http: httpx.AsyncClient, claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http, **claims)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": SECONDS - 59},
        {"iat": SECONDS + 60},
        {"iss": f"{BASE}/"},
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID},
    ],
)
async def test_what_is_only_unusual_is_accepted(
    server: Server, http: httpx.AsyncClient, claims: dict[str, Any]
) -> None:
    assert (await server.launch(http, **claims)).user is not None


async def test_a_missing_nonce_is_accepted_and_noted(server: Server, http: httpx.AsyncClient) -> None:
    context = await server.launch(http, nonce=None)
    assert context.user is not None
    assert "nonce-absent" in context.notes


async def test_a_nonce_that_was_never_sent_is_refused(server: Server, http: httpx.AsyncClient) -> None:
    with pytest.raises(IdTokenInvalid):
        await server.launch(http, make_site(scopes=("launch", "patient/*.rs")), nonce="invented")


async def test_a_statement_of_brackets_without_end_is_refused(
    server: Server, http: httpx.AsyncClient
) -> None:
    nested = '{"more":' + "[" * 20_000 + "]" * 20_000 + "}"
    server.answer["id_token"] = jws.serialize_compact(
        server.header, nested, server.key, algorithms=[server.header["alg"]]
    )
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http)
    assert caught.value.reason == "id-token-signature"


async def test_another_key_under_the_same_name_is_refused(server: Server, http: httpx.AsyncClient) -> None:
    server.key = OTHER_KEY
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http, sub="user-1")
    assert caught.value.reason == "id-token-signature"


async def test_a_changed_statement_is_refused(server: Server, http: httpx.AsyncClient) -> None:
    header, _, signature = server.sign().split(".")
    _, payload, _ = server.sign(fhirUser="Practitioner/somebody-else").split(".")
    server.answer["id_token"] = f"{header}.{payload}.{signature}"
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http)
    assert caught.value.reason == "id-token-signature"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "PS256"])
async def test_other_algorithms_are_refused_unread(server: Server, http: httpx.AsyncClient, alg: str) -> None:
    key: Any = OctKey.generate_key(256) if alg in {"none", "HS256"} else SERVER_KEY
    header = {"alg": alg, "kid": "server-1"}
    server.answer["id_token"] = jwt.encode(header, server.claims, key, algorithms=[alg])
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http)
    assert caught.value.reason == "id-token-algorithm"
    assert not server.keys.called


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "....", "e30.e30.", "\u00fc.b.c"])
async def test_what_is_no_token_is_refused(server: Server, http: httpx.AsyncClient, text: str) -> None:
    server.answer["id_token"] = text
    with pytest.raises(IdTokenInvalid):
        await server.launch(http)


async def test_keys_are_fetched_once_for_many_launches(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    configuration = await discover(site, http)
    for _ in range(3):
        begun = begin(site, configuration, launch="xyz", now=NOW)
        server.answer["id_token"] = server.sign()
        await finish(site, configuration, begun.pending, code="c", state=begun.state, http=http, now=NOW)
    assert server.keys.call_count == 1


async def test_a_new_key_is_found_by_fetching_again(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    configuration = await discover(site, http)
    for header, key in (
        ({"alg": "RS256", "kid": "server-1"}, SERVER_KEY),
        ({"alg": "ES384", "kid": "server-ec"}, EC_KEY),
    ):
        server.header, server.key, server.published = header, key, [key]
        server.answer["id_token"] = server.sign()
        begun = begin(site, configuration, launch="xyz", now=NOW)
        await finish(site, configuration, begun.pending, code="c", state=begun.state, http=http, now=NOW)
    assert server.keys.call_count == 2


async def test_a_key_that_nobody_publishes_is_looked_for_once(
    server: Server, http: httpx.AsyncClient
) -> None:
    server.header["kid"] = "unheard-of"
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http, sub="user-1")
    assert caught.value.reason == "id-token-key-unknown"
    assert server.keys.call_count == 1


async def test_a_token_without_key_id_is_fine_where_one_key_fits(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.header["kid"]
    server.published = [SERVER_KEY, EC_KEY]
    assert (await server.launch(http, sub="user-1")).user is not None


async def test_a_token_without_key_id_is_refused_where_two_fit(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.header["kid"]
    server.published = [SERVER_KEY, OTHER_KEY]
    with pytest.raises(IdTokenInvalid):
        await server.launch(http, sub="user-1")


async def test_an_encryption_key_does_not_sign(server: Server, http: httpx.AsyncClient) -> None:
    jwk = {**SERVER_KEY.as_dict(private=False), "use": "enc"}
    server.keys.mock(return_value=httpx.Response(200, json={"keys": [jwk]}))
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http, sub="user-1")
    assert caught.value.reason == "id-token-key-unknown"


async def test_keys_of_unknown_kinds_are_passed_over(server: Server, http: httpx.AsyncClient) -> None:
    keys = [{"kty": "AKP", "kid": "x"}, {"kty": "RSA"}, {"nonsense": 1}, SERVER_KEY.as_dict(private=False)]
    server.keys.mock(return_value=httpx.Response(200, json={"keys": keys}))
    assert (await server.launch(http, sub="user-1")).user is not None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404), DiscoveryFailed),
        (httpx.Response(200, content=b"<html>"), DiscoveryFailed),
        (httpx.Response(200, json={"keys": "none"}), DiscoveryFailed),
        (httpx.Response(503), ServerUnavailable),
        (httpx.Response(302, headers={"Location": "https://evil.invalid"}), AddressRefused),
    ],
)
async def test_keys_that_cannot_be_had_have_their_error(
    server: Server, http: httpx.AsyncClient, answer: httpx.Response, error: type[Exception]
) -> None:
    server.keys.mock(return_value=answer)
    with pytest.raises(error):
        await server.launch(http, sub="user-1")


async def test_a_server_that_names_no_keys_is_asked_as_issuer(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.configuration["jwks_uri"], server.configuration["issuer"]
    server.router.get(f"{BASE}/.well-known/openid-configuration").mock(
        return_value=httpx.Response(200, json={"issuer": BASE, "jwks_uri": "https://ehr.invalid/keys"})
    )
    assert (await server.launch(http, sub="user-1")).user is not None


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"issuer": "https://evil.invalid", "jwks_uri": "https://ehr.invalid/keys"}, DiscoveryFailed),
        ({"issuer": BASE, "jwks_uri": "https://evil.invalid/keys"}, AddressRefused),
        ({"issuer": BASE}, DiscoveryFailed),
    ],
)
async def test_an_openid_configuration_is_not_believed_blindly(
    server: Server, http: httpx.AsyncClient, document: dict[str, str], error: type[Exception]
) -> None:
    del server.configuration["jwks_uri"]
    server.router.get(f"{BASE}/.well-known/openid-configuration").mock(
        return_value=httpx.Response(200, json=document)
    )
    with pytest.raises(error):
        await server.launch(http, sub="user-1")


async def test_an_issuer_on_a_host_that_is_not_pinned_is_not_contacted(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.configuration["jwks_uri"]
    server.configuration["issuer"] = "https://okta.invalid/as"
    with pytest.raises(AddressRefused):
        await server.launch(http, iss="https://okta.invalid/as")


async def test_the_site_may_say_which_issuer_signs(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site(id_token_issuer="https://okta.invalid/as")
    assert (await server.launch(http, site, iss="https://okta.invalid/as")).user is not None
    with pytest.raises(IdTokenInvalid):
        await server.launch(http, site, iss=BASE)


@pytest.mark.parametrize(
    ("claim", "reference", "local"),
    [
        ("Practitioner/dr-1", "Practitioner/dr-1", True),
        (f"{BASE}/Practitioner/dr-1", "Practitioner/dr-1", True),
        (f"{BASE}/Practitioner/dr-1/_history/2", "Practitioner/dr-1", True),
        (
            "https://staff.invalid/fhir/Practitioner/dr-1",
            "https://staff.invalid/fhir/Practitioner/dr-1",
            False,
        ),
        (f"{BASE}.evil.invalid/Practitioner/dr-1", f"{BASE}.evil.invalid/Practitioner/dr-1", False),
    ],
)
async def test_a_user_elsewhere_is_never_taken_for_one_here(
    server: Server, http: httpx.AsyncClient, claim: str, reference: str, local: bool
) -> None:
    user = (await server.launch(http, fhirUser=claim)).user
    assert user is not None
    assert (user.reference, user.is_local, user.type, user.id) == (reference, local, "Practitioner", "dr-1")


async def test_a_user_who_is_not_named_is_nobody(server: Server, http: httpx.AsyncClient) -> None:
    context = await server.launch(http, fhirUser=None)
    assert context.user is None
    assert USER_UNREAD not in context.notes


@pytest.mark.parametrize(
    "claim",
    [
        "",
        7,
        ["Practitioner/1"],
        "Device/1",
        "Practitioner/",
        "Practitioner/a b",
        "Practitioner/1?x",
        "patient/1",
        f"RelatedPerson/{'1' * 65}",
        f"{BASE}/Patient/1/Practitioner/2",
        f"{BASE}/Patient/1?/Practitioner/2",
        f"{BASE}/Patient/1#/Practitioner/2",
    ],
)
async def test_a_user_who_is_named_and_unread_is_noted(
    server: Server, http: httpx.AsyncClient, claim: object
) -> None:
    context = await server.launch(http, fhirUser=claim)
    assert context.user is None
    assert USER_UNREAD in context.notes


@pytest.mark.parametrize("kind", ["logout+jwt", "AT+JWT", "application/at+jwt"])
async def test_another_kind_of_token_tells_nobody(server: Server, http: httpx.AsyncClient, kind: str) -> None:
    server.header["typ"] = kind
    with pytest.raises(IdTokenInvalid) as caught:
        await server.launch(http, sub="user-1")
    assert caught.value.reason == "id-token-typ"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "id_token+jwt", "ID_token+JWT"])
async def test_an_id_token_may_say_what_it_is(server: Server, http: httpx.AsyncClient, kind: str) -> None:
    server.header["typ"] = kind
    assert (await server.launch(http, sub="user-1")).user is not None
