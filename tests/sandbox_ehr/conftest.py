"""A sandbox EHR in this process, its apps' keys, and a client that walks through its authorization."""

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from sandbox_ehr import EmbeddedApp, RegisteredClient, SandboxSettings, create_app

BASE = "https://ehr.invalid"
FHIR = f"{BASE}/r4"
CALLBACK = "https://app.invalid/callback"
VERIFIER = "a-verifier-that-is-long-enough-for-rfc-7636-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CONTEXT = (
    "launch",
    "launch/patient",
    "launch/encounter",
    "openid",
    "fhirUser",
    "online_access",
    "offline_access",
)
WIDE = (*CONTEXT, "patient/*.cruds", "user/*.cruds", "system/*.cruds")
PATIENT = "1001"
OTHER_PATIENT = "1002"

RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-384", {"kid": "ec", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})


@dataclass
class Now:
    """A clock that a test can move."""

    at: datetime = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


def client_of(client_id: str, kind: Any, **more: Any) -> RegisteredClient:
    return RegisteredClient(
        client_id=client_id,
        name=f"App {client_id}",
        kind=kind,
        redirect_uris=(CALLBACK,),
        launch_url="https://app.invalid/launch",
        scopes=more.pop("scopes", WIDE),
        **more,
    )


def settings(**changes: Any) -> SandboxSettings:
    public_keys = KeySet([RSA, EC]).as_dict(private=False)
    clients = (
        client_of("public", "public"),
        client_of("symmetric", "symmetric", secret="s3cret:with colon"),
        client_of("asymmetric", "asymmetric", jwks=public_keys),
        client_of("by-address", "asymmetric", jwks_uri="https://app.invalid/jwks.json"),
        client_of(
            "narrow", "public", scopes=("launch", "openid", "patient/Observation.rs", "patient/Patient.r")
        ),
    )
    return SandboxSettings(
        **{"base_url": BASE, "clients": clients, "apps": (EmbeddedApp("Public app", "public"),), **changes}
    )


@dataclass
class Ehr:
    """The sandbox over HTTP, with the steps of an app."""

    http: httpx.AsyncClient
    app: FastAPI
    now: Now
    fetched: list[str] = field(default_factory=list)

    async def launch(self, client_id: str = "public", **more: Any) -> str:
        asked = {"client_id": client_id, "practitioner": "202", "patient": PATIENT, **more}
        answer = await self.http.post("/sandbox/launch", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["launch"])

    async def request(self, scope: str, client: str = "public", /, **changes: str | None) -> dict[str, str]:
        """Make the parameters of an authorization request; None leaves one out."""
        made: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "a-state",
            "aud": FHIR,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        if "launch" in scope.split() and "launch" not in changes:
            made["launch"] = await self.launch(client)
        return {name: value for name, value in {**made, **changes}.items() if value is not None}

    async def authorize(self, asked: str, client: str = "public", /, **changes: str | None) -> dict[str, str]:
        """Go through an EHR launch; what comes back at the redirect URI."""
        answer = await self.http.get("/auth/authorize", params=await self.request(asked, client, **changes))
        return returned(answer)

    async def exchange(self, code: str, client_id: str = "public", /, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return await self.token({**form, **changes}, client_id)

    async def token(self, form: Mapping[str, str], client_id: str = "public") -> httpx.Response:
        """Call the token endpoint as this client authenticates."""
        return await self.post("/auth/token", form, client_id)

    async def post(self, path: str, form: Mapping[str, str], client_id: str) -> httpx.Response:
        if client_id == "symmetric":
            return await self.http.post(path, data=form, auth=("symmetric", "s3cret:with colon"))
        if client_id in {"asymmetric", "by-address"}:
            signed = {"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion(client_id)}
            return await self.http.post(path, data={**form, **signed})
        return await self.http.post(path, data={**form, "client_id": client_id})

    def assertion(
        self, client_id: str, *, key: Any = RSA, header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        now = int(self.now().timestamp())
        made = {"iss": client_id, "sub": client_id, "aud": f"{BASE}/auth/token", "exp": now + 300}
        made |= {"jti": str(uuid.uuid4()), **claims}
        whole = {"alg": "RS384" if key is not EC else "ES384", "kid": key.kid, "typ": "JWT", **(header or {})}
        present = {name: value for name, value in whole.items() if value is not None}
        kept = {name: value for name, value in made.items() if value is not None}
        return jwt.encode(present, kept, key, algorithms=["RS384", "ES384", "RS256", "HS256"])

    async def grant(self, scope: str, client_id: str = "public", /, **changes: str | None) -> dict[str, Any]:
        """Go all the way to a token response."""
        back = await self.authorize(scope, client_id, **changes)
        answer = await self.exchange(back["code"], client_id)
        assert answer.status_code == 200, answer.text
        granted: dict[str, Any] = answer.json()
        return granted

    async def fhir(self, scope: str, **changes: str | None) -> httpx.AsyncClient:
        """Open the FHIR API with a token of this scope."""
        granted = await self.grant(scope, **changes)
        return self.with_token(granted["access_token"])

    async def system_token(self, scope: str, client: str = "asymmetric") -> str:
        """Get a token without a person (client credentials)."""
        answer = await self.token({"grant_type": "client_credentials", "scope": scope}, client)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def with_token(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url=FHIR,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
        )


def returned(answer: httpx.Response) -> dict[str, str]:
    """Read the parameters with which the browser is sent back to the app."""
    assert answer.status_code in {302, 303}, answer.text
    assert answer.headers["location"].startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
async def ehr(now: Now) -> AsyncIterator[Ehr]:
    fetched: list[str] = []

    def serve_keys(request: httpx.Request) -> httpx.Response:
        fetched.append(str(request.url))
        return httpx.Response(200, json=KeySet([RSA, EC]).as_dict(private=False))

    def made() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(serve_keys))

    app = create_app(settings(), clock=now, http=made)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        with closing(app.state.store.database):
            yield Ehr(http, app, now, fetched)


@pytest.fixture
async def fhir(ehr: Ehr) -> AsyncIterator[httpx.AsyncClient]:
    """The FHIR API as a clinician's app with every right."""
    async with await ehr.fhir("launch user/*.cruds") as client:
        yield client


def observation(patient: str = PATIENT, **changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "https://codes.invalid", "code": "x"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-23T09:00:00Z",
    }
    return {**made, **changes}
