"""What SMART App Launch asks of an app, at Rapport's front door."""

import asyncio
import re
import ssl
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from plugin.delivery.outbox import DeliveryState
from plugin.errors import SettingsInvalid
from plugin.initial import write_keys
from plugin.outward import open_client
from plugin.routes.guard import SecurityHeaders
from plugin.routes.smart import LONGEST_ADDRESS
from plugin.settings import DEFAULT_SCOPES, read_settings
from smart_launch import Scopes
from tests.product.test_personalities import Watch, fault, send_form, settled
from tests.product.world import EHR, RAPPORT, SIGNING_KEY, World, rapport_settings, run_world


def files_of(folder: Path) -> bytes:
    """Everything that the database has put on the disk."""
    return b"".join(each.read_bytes() for each in folder.glob("rapport.sqlite3*"))


async def issued_tokens(world: World) -> list[str]:
    """Launch, and read the tokens where Rapport holds them."""
    from plugin.access.launches import launches_with_token

    people = await world.people()
    await world.launch("amara")
    rapport = world.rapport.state.rapport
    held = await rapport.ledger.read(
        lambda connection: launches_with_token(
            connection, rapport.ledger.vault, "sandbox", f"Patient/{people['amara']}", None
        )
    )
    tokens = held[0].context.tokens
    return [each for each in (tokens.access_token, tokens.refresh_token, tokens.id_token) if each]


async def test_tokens_rest_sealed(world: World, tmp_path: Path) -> None:
    tokens = await issued_tokens(world)
    assert len(tokens) == 3
    stored = files_of(tmp_path)
    assert [each for each in tokens if each.encode() in stored] == []


async def test_no_token_reaches_the_browser(world: World) -> None:
    tokens = await issued_tokens(world)
    page = await world.launch("amara")
    seen = page.text + str(page.headers) + str(dict(world.browser.cookies))
    assert [each for each in tokens if each in seen] == []
    assert set(world.browser.cookies) - {"sandbox_clinician"} == {"__Host-rapport"}


async def test_the_cookie_is_of_this_host_alone_and_of_one_frame(world: World) -> None:
    answer = await world.browser.get(await world.new_launch("amara"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-rapport=")
    assert [each.strip() for each in cookie.split(";")[1:]] == [
        "Path=/",
        "Secure",
        "HttpOnly",
        "SameSite=None",
        "Partitioned",
    ]


async def test_the_public_keys_are_there_for_anybody_and_may_be_kept_a_while(world: World) -> None:
    async with world.new_browser() as anybody:
        answer = await anybody.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert [key["kid"] for key in answer.json()["keys"]] == [SIGNING_KEY.kid]
    parts = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}
    for key in answer.json()["keys"]:
        assert {"kty", "kid", *parts[key["kty"]]} <= key.keys()
        assert not {"d", "p", "q", "x5c"} & key.keys()


async def test_the_way_back_leads_nowhere_but_to_rapport(world: World) -> None:
    for name in ("state", "code", "iss", "error", "error_description", "redirect", "next"):
        answer = await world.browser.get("/callback", params={name: "https://attacker.invalid/"})
        assert "location" not in answer.headers
        assert "attacker.invalid" not in answer.text
    page = await world.launch("amara")
    assert str(page.url).startswith(f"{RAPPORT}/launches/")


async def test_a_launch_without_its_value_is_refused(world: World) -> None:
    answer = await world.browser.get("/launch", params={"iss": f"{EHR}/r4"})
    assert answer.status_code == 403
    assert "which launch this is" in answer.text


async def test_standing_alone_the_ehr_asks_for_the_patient(world: World) -> None:
    page = await world.follow(await world.browser.get("/standalone/sandbox"))
    assert str(page.url).startswith(f"{EHR}/auth/authorize")
    asked = parse_qs(urlsplit(str(page.url)).query)
    assert "launch" not in asked
    assert "launch/patient" in asked["scope"][0].split()
    people = await world.people()
    for choice in (
        {"practitioner": people["practitioner"]},
        {"patient": people["amara"]},
        {"decision": "allow"},
    ):
        key = page.text.split('name="key" value="')[1].split('"')[0]
        page = await world.browser.post(f"{EHR}/auth/sign-in", data={"key": key, **choice})
    page = await world.follow(page)
    assert "Start a form" in page.text
    # The EHR shows nobody around us now: we say whose chart it is.
    assert "<h1>Amara" in page.text


async def test_a_long_request_is_posted_where_the_ehr_takes_that(tmp_path: Path) -> None:
    many = tuple(f"user/Practitioner.r?identifier={number:090d}" for number in range(20))
    async with run_world(tmp_path, more_scopes=many) as world:
        page = await world.follow(await world.browser.get(await world.new_launch("amara")))
        assert 'method="post"' in page.text
        fields = dict(
            part.split('" value="')
            for part in (each.split('">')[0] for each in page.text.split('<input type="hidden" name="')[1:])
        )
        assert len(fields["scope"]) > LONGEST_ADDRESS
        back = await world.browser.post(f"{EHR}/auth/authorize", data=fields)
        assert "Start a form" in (await world.follow(back)).text


async def test_what_the_ehr_grants_decides_and_not_what_was_asked_for(tmp_path: Path) -> None:
    granted = ("launch", "openid", "fhirUser", "patient/Patient.r")
    async with run_world(tmp_path, granted_scopes=granted) as world:
        site = world.rapport.state.rapport.settings.sites["sandbox"]
        assert {"patient/Observation.crs", "patient/RelatedPerson.rs"} <= {*site.scopes}  # asked for
        assert (await world.launch("amara")).status_code == 200
        read = {
            each.url.path
            for each in world.hosts.seen
            if each.headers.get("user-agent") == "rapport" and each.url.path.startswith("/r4/")
        }
        assert [each for each in read if "Observation" in each or "RelatedPerson" in each] == []
        assert [each for each in read if "/Patient/" in each]


def asked_by_rapport(world: World) -> set[str]:
    """What Rapport asked the EHR's FHIR server for, but for what everybody may have."""
    return {
        each.url.path.removeprefix("/r4/")
        for each in world.hosts.seen
        if each.headers.get("user-agent") == "rapport" and each.url.path.startswith("/r4/")
    } - {"metadata"}


async def test_where_no_resource_is_granted_none_is_asked_for(tmp_path: Path) -> None:
    async with run_world(tmp_path, granted_scopes=("launch", "openid", "fhirUser")) as world:
        page = await world.launch("amara")
        assert page.status_code == 200
        assert asked_by_rapport(world) == set()


READING = ("patient/Patient.r", "patient/RelatedPerson.rs", "patient/Encounter.rs", "patient/Observation.rs")


async def test_where_only_reading_is_granted_the_page_says_so_before_anybody_answers(tmp_path: Path) -> None:
    async with run_world(tmp_path, granted_scopes=("launch", "openid", "fhirUser", *READING)) as world:
        page = await world.launch("amara")
    assert "(missing: QuestionnaireResponse.c, Observation.c)" in page.text
    assert "What is answered is kept in Rapport, and does not go into the record." in page.text


OWN = ("system/QuestionnaireResponse.crus", "system/Observation.crus")


async def test_where_the_ehr_takes_nothing_the_page_says_so_whatever_is_configured(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", backend_scopes=OWN) as world:
        await world.launch("amara")  # beside which the statement is read
        page = await world.launch("amara")
    assert "takes nothing of what Rapport would write there (QuestionnaireResponse, Observation)" in page.text
    assert "What is answered is kept in Rapport, and does not go into the record." in page.text


async def test_the_records_scores_are_shown_where_their_responses_may_not_be_read(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        whole = await world.launch("amara")
    async with run_world(tmp_path, granted_scopes=("launch", "openid", "fhirUser", *READING)) as world:
        page = await world.launch("amara")
    assert "may still count here" in page.text
    assert "may still count here" not in whole.text
    assert _plotted(page) == _plotted(whole) != []


def _plotted(page: httpx.Response) -> list[str]:
    return re.findall(r"<td[^>]*>[^<]*\d[^<]*</td>", page.text)


async def test_what_may_be_created_and_not_searched_is_not_looked_for(tmp_path: Path) -> None:
    read = ("patient/Patient.r", "patient/RelatedPerson.rs")
    created = ("patient/QuestionnaireResponse.c", "patient/Observation.c")
    granted = ("launch", "openid", "fhirUser", *read, *created)
    async with run_world(tmp_path, granted_scopes=granted) as world:
        watch = Watch(world)
        await fault(world, "failed-after-commit", count=1)
        account = await settled(world, await send_form(world))
        assert account.state is DeliveryState.DELIVERED, account.detail
        assert watch.counts()["QuestionnaireResponse"] == 1
        sent = [each for each in world.hosts.seen if each.headers.get("user-agent") == "rapport"]
        assert [str(each.url) for each in sent if "identifier=" in str(each.url)] == []


async def test_what_was_not_granted_is_not_asked_for(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        rapport = world.rapport.state.rapport
        site = rapport.settings.sites["sandbox"]
        fewer = replace(site, scopes=("launch", "openid", "fhirUser", "patient/Patient.r"))
        rapport.settings.sites._by_id["sandbox"] = fewer
        rapport.settings.sites._by_base[site.base] = fewer
        page = await world.launch("amara")
        assert page.status_code == 200
        asked = {each.url.path for each in world.hosts.seen if each.url.path.startswith("/r4/")}
        asked_by_rapport = {
            each.url.path
            for each in world.hosts.seen
            if each.headers.get("user-agent") == "rapport" and each.url.path.startswith("/r4/")
        }
        assert asked
        assert all("/Patient/" in each or each.endswith("/metadata") for each in asked_by_rapport)


async def test_many_at_once_refresh_once(world: World) -> None:
    page = await world.launch("amara")
    world.clock.pass_time(hours=0, minutes=59, seconds=50)
    await world.browser.get(f"{page.url}/responses.json")
    before = len([each for each in world.hosts.seen if each.url.path == "/auth/token"])
    pages = await asyncio.gather(*(world.browser.get(str(page.url)) for _ in range(6)))
    refreshed = [each for each in world.hosts.seen if each.url.path == "/auth/token"][before:]
    assert [each.status_code for each in pages] == [200] * 6
    assert len(refreshed) == 1


async def test_a_backend_token_is_asked_for_anew_when_it_is_over(world: World) -> None:
    rapport = world.rapport.state.rapport
    site = replace(rapport.settings.sites["sandbox"], backend_scopes=("system/Observation.crs",))
    first = await rapport.sender._system_token(site)
    assert (await rapport.sender._system_token(site)).value == first.value
    world.clock.pass_time(minutes=6)
    assert (await rapport.sender._system_token(site)).value != first.value


async def test_a_launch_without_a_patient_says_so(world: World) -> None:
    people = await world.people()
    asked = {"client_id": "rapport", "practitioner": people["practitioner"]}
    opened = await world.browser.post(f"{EHR}/sandbox/launch", json=asked)
    page = await world.follow(await world.browser.get(opened.json()["launch_url"]))
    assert page.status_code == 403
    assert "which patient" in page.text


def test_the_default_scopes_are_few_and_of_one_version() -> None:
    scopes = Scopes.parse(" ".join(DEFAULT_SCOPES))
    assert {"launch", "openid", "fhirUser"} == set(scopes.other)
    types = [each.type for each in scopes.resources]
    assert len(set(types)) == len(types)
    assert "*" not in types
    assert not [each for each in DEFAULT_SCOPES if each.endswith((".read", ".write", ".*"))]
    assert len(" ".join(DEFAULT_SCOPES)) < 1000


async def test_no_connection_is_older_than_tls_1_2(tmp_path: Path) -> None:
    async with open_client(rapport_settings(tmp_path)) as client:
        # httpx tells nobody what it was made with: the context is looked up where it lies.
        context = client._transport._own._pool._ssl_context  # type: ignore[attr-defined]
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_rapport_itself_is_served_by_tls(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys")
    file = tmp_path / "rapport.toml"
    file.write_text(
        '[server]\nbase_url = "http://rapport.example.org"\ndatabase = "sqlite:///r.sqlite3"\n\n[[site]]\nid = "clinic"\n'
        'name = "C"\norganization = "C"\nfhir_base = "https://ehr.invalid/r4"\nclient_id = "r"\nauthentication = "public"\n',
        encoding="utf-8",
    )
    with pytest.raises(SettingsInvalid, match="plain http"):
        read_settings(file, {"RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"})


def test_nothing_is_kept_in_the_browsers_storage() -> None:
    scripts = list((Path(__file__).parents[2] / "plugin/static").glob("*.js"))
    assert len(scripts) > 5
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert not [
            each
            for each in ("localStorage", "sessionStorage", "indexedDB", "document.cookie")
            if each in text
        ]


async def test_no_page_asks_for_anything_elsewhere(world: World) -> None:
    page = await world.launch("amara")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.endswith(f"frame-ancestors 'self' {EHR}")
    assert isinstance(page, httpx.Response)


async def test_only_its_own_ehr_may_frame_a_sites_page(tmp_path: Path) -> None:
    settings = rapport_settings(tmp_path)
    other = replace(settings.policies["sandbox"], frame_ancestors=("https://other.invalid",))
    settings = replace(settings, policies={**settings.policies, "other": other})

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["site"] = scope["path"].strip("/")
        await Response("")(scope, receive, send)

    transport = httpx.ASGITransport(SecurityHeaders(page, settings))
    async with httpx.AsyncClient(transport=transport, base_url=RAPPORT) as browser:
        framed = {
            site: (await browser.get(f"/{site}"))
            .headers["content-security-policy"]
            .split("frame-ancestors ")[1]
            for site in ("sandbox", "other", "")
        }
    assert framed == {
        "sandbox": f"'self' {EHR}",
        "other": "'self' https://other.invalid",
        "": f"'self' {EHR} https://other.invalid",
    }
