"""An EHR launch through the sandbox EHR, which shares no code with this package: all four ways to authenticate."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from plugin.ehr import Ehr
from plugin.ehr import TokenRefused as TokenRefusedByEhr
from sandbox_ehr import RegisteredClient, SandboxSettings, create_app
from smart_launch import (
    ClientSecret,
    LaunchContext,
    LaunchRefused,
    PrivateKeyJwt,
    PublicClient,
    SigningKey,
    Site,
    SmartConfiguration,
    SmartDirectory,
    TokenRefused,
    begin,
    finish,
    introspect,
    public_jwks,
    refresh,
    system_token,
)
from tests.smart_launch.authorization_server import NOW

ORIGIN = "http://localhost:8700"
CALLBACK = "http://127.0.0.1:8701/callback"
SECRET = "s3cret/of+the=sandbox"
SCOPES = (
    "launch",
    "openid",
    "fhirUser",
    "online_access",
    "patient/Patient.r",
    "patient/Observation.rs",
    "user/Practitioner.r",
)
PRACTITIONER = b'{"resourceType":"Practitioner","active":true,"name":[{"text":"Dr Test"}]}'
PATIENT = b'{"resourceType":"Patient","active":true,"name":[{"text":"Test Child"}],"birthDate":"2014-03-01"}'
WAYS = ("public", "secret", "RS384", "ES384")


@dataclass(frozen=True)
class Sandbox:
    """The sandbox EHR in this process, and somebody to open a chart."""

    http: httpx.AsyncClient
    sites: dict[str, Site]
    practitioner: str
    patient: str

    async def configuration(self, way: str) -> SmartConfiguration:
        return await SmartDirectory(clock=lambda: NOW).discover(self.sites[way], self.http)

    async def approve(self, address: str) -> dict[str, str]:
        """Be the browser at the authorization endpoint: what comes back to the callback."""
        answer = await self.http.get(address, follow_redirects=False)
        assert answer.is_redirect, answer.text
        assert answer.headers["location"].startswith(f"{CALLBACK}?")
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return {name: values[0] for name, values in query.items()}

    async def launch(self, way: str) -> LaunchContext:
        site = self.sites[way]
        begun = begin(site, await self.configuration(way), launch=await self.open_chart(way), now=NOW)
        back = await self.approve(begun.url)
        return await finish(
            site,
            await self.configuration(way),
            begun.pending,
            code=back.get("code"),
            state=back["state"],
            error=back.get("error"),
            error_description=back.get("error_description"),
            iss=back.get("iss"),
            http=self.http,
            now=NOW,
        )

    async def open_chart(self, way: str) -> str:
        opened = await self.http.post(
            f"{ORIGIN}/sandbox/launch",
            json={"client_id": way, "practitioner": self.practitioner, "patient": self.patient},
        )
        assert opened.is_success, opened.text
        launch: str = opened.json()["launch"]
        return launch


@pytest.fixture
async def sandbox(signing_keys: dict[str, SigningKey]) -> AsyncIterator[Sandbox]:
    settings = SandboxSettings(
        base_url=ORIGIN, clients=tuple(_register(way, signing_keys) for way in WAYS), seed=False
    )
    app = create_app(settings, clock=lambda: NOW)
    sites = {way: _site(way, signing_keys) for way in WAYS}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        outside = Sandbox(http, sites, practitioner="", patient="")
        token = await system_token(sites["ES384"], await outside.configuration("ES384"), http=http, now=NOW)
        ehr = Ehr(sites["ES384"].fhir_base, token.access_token, http)
        practitioner, patient = [
            (await ehr.create(body, kind, if_none_exist=None)).location.removeprefix(f"{kind}/")
            for kind, body in (("Practitioner", PRACTITIONER), ("Patient", PATIENT))
        ]
        yield Sandbox(http, sites, practitioner, patient)
    app.state.store.database.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_launch_from_the_chart_says_who_asks_for_whom(sandbox: Sandbox, way: str) -> None:
    context = await sandbox.launch(way)
    assert context.patient == sandbox.patient
    assert context.user is not None
    assert context.user.reference == f"Practitioner/{sandbox.practitioner}"
    assert context.user.is_local
    assert context.granted.allows("Observation", "rs", level="patient")
    assert context.notes == ()


async def test_the_token_opens_the_patient_and_nothing_more(sandbox: Sandbox) -> None:
    context = await sandbox.launch("ES384")
    ehr = Ehr(sandbox.sites["ES384"].fhir_base, context.tokens.access_token, sandbox.http)
    assert (await ehr.read(f"Patient/{sandbox.patient}"))["id"] == sandbox.patient
    with pytest.raises(TokenRefusedByEhr):
        await Ehr(sandbox.sites["ES384"].fhir_base, "invented", sandbox.http).read(
            f"Patient/{sandbox.patient}"
        )


@pytest.mark.parametrize("way", WAYS)
async def test_tokens_are_renewed(sandbox: Sandbox, way: str) -> None:
    tokens = (await sandbox.launch(way)).tokens
    fresh = await refresh(
        sandbox.sites[way], await sandbox.configuration(way), tokens, http=sandbox.http, now=NOW
    )
    assert fresh.access_token != tokens.access_token
    assert fresh.expires_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("way", ["secret", "RS384", "ES384"])
async def test_a_confidential_app_may_ask_what_a_token_is_worth(sandbox: Sandbox, way: str) -> None:
    tokens = (await sandbox.launch(way)).tokens
    found = await introspect(
        sandbox.sites[way],
        await sandbox.configuration(way),
        tokens.access_token,
        http=sandbox.http,
        now=NOW,
    )
    assert (found.active, found.client_id, found.patient) == (True, way, sandbox.patient)
    assert found.fhir_user == f"Practitioner/{sandbox.practitioner}"


async def test_a_launch_value_that_is_not_the_ehrs_is_refused(sandbox: Sandbox) -> None:
    site, configuration = sandbox.sites["public"], await sandbox.configuration("public")
    begun = begin(site, configuration, launch="invented", now=NOW)
    back = await sandbox.approve(begun.url)
    with pytest.raises(LaunchRefused):
        await finish(
            site,
            configuration,
            begun.pending,
            code=back.get("code"),
            state=back["state"],
            error=back.get("error"),
            error_description=back.get("error_description"),
            iss=back.get("iss"),
            http=sandbox.http,
            now=NOW,
        )


async def test_another_apps_key_gets_no_token(sandbox: Sandbox) -> None:
    site = sandbox.sites["ES384"]
    thief = replace(site, authentication=sandbox.sites["RS384"].authentication)
    with pytest.raises(TokenRefused) as caught:
        await system_token(thief, await sandbox.configuration("ES384"), http=sandbox.http, now=NOW)
    assert caught.value.reason == "invalid_client"


def _register(way: str, keys: dict[str, SigningKey]) -> RegisteredClient:
    registered = RegisteredClient(
        client_id=way,
        name=way,
        kind="public",
        redirect_uris=(CALLBACK,),
        launch_url="http://127.0.0.1:8701/launch",
        scopes=(*SCOPES, "patient/*.crus", "user/*.crus", "system/*.crus"),
    )
    if way == "secret":
        return replace(registered, kind="symmetric", secret=SECRET)
    if way in keys:
        return replace(registered, kind="asymmetric", jwks=public_jwks((keys[way],)))
    return registered


def _site(way: str, keys: dict[str, SigningKey]) -> Site:
    authentication: PublicClient | ClientSecret | PrivateKeyJwt = PublicClient()
    if way == "secret":
        authentication = ClientSecret(SECRET)
    elif way in keys:
        authentication = PrivateKeyJwt((keys[way],))
    return Site(
        id=way,
        name="Sandbox EHR",
        fhir_base=f"{ORIGIN}/r4",
        client_id=way,
        authentication=authentication,
        redirect_uri=CALLBACK,
        scopes=SCOPES,
        allow_http_loopback=True,
        backend_scopes=("system/*.crs",),
    )
