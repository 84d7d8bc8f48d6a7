"""An authorization server on the wire: respx routes that answer as a SMART server does, with real signatures."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import respx
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from smart_launch import (
    Authorization,
    LaunchContext,
    PublicClient,
    Site,
    begin,
    discover,
    finish,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BASE = "https://ehr.invalid/fhir/r4"
CLIENT_ID = "rapport-test"
SERVER_KEY = RSAKey.generate_key(2048, {"kid": "server-1"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "server-1"})
EC_KEY = ECKey.generate_key("P-384", {"kid": "server-ec"})


def make_site(**changes: Any) -> Site:
    """A site whose hosts do not resolve: private addresses are allowed so that nothing asks the name server."""
    values: dict[str, Any] = {
        "id": "clinic",
        "name": "Clinic",
        "fhir_base": BASE,
        "client_id": CLIENT_ID,
        "authentication": PublicClient(),
        "redirect_uri": "https://app.invalid/callback",
        "launch_url": "https://app.invalid/launch",
        "scopes": ("launch", "openid", "fhirUser", "patient/Observation.crs"),
        "allow_private_addresses": True,
    }
    return Site(**{**values, **changes})


@dataclass
class Server:
    """What the server answers; a test changes what it is about."""

    router: respx.MockRouter
    configuration: dict[str, Any] = field(
        default_factory=lambda: {
            "issuer": BASE,
            "jwks_uri": "https://ehr.invalid/keys",
            "authorization_endpoint": "https://ehr.invalid/authorize",
            "token_endpoint": "https://ehr.invalid/token",
            "introspection_endpoint": "https://ehr.invalid/introspect",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "authorize-post"],
        }
    )
    answer: dict[str, Any] = field(
        default_factory=lambda: {
            "access_token": "at-s3cret",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "launch openid fhirUser patient/Observation.rs",
            "refresh_token": "rt-s3cret",
            "patient": "mia",
            "encounter": "visit-1",
        }
    )
    claims: dict[str, Any] = field(
        default_factory=lambda: {
            "iss": BASE,
            "sub": "user-1",
            "aud": CLIENT_ID,
            "iat": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 300,
            "fhirUser": "Practitioner/dr-1",
        }
    )
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "server-1"})
    key: Any = field(default_factory=lambda: SERVER_KEY)
    published: list[Any] = field(default_factory=lambda: [SERVER_KEY])

    def __post_init__(self) -> None:
        self.discovery = self.router.get(f"{BASE}/.well-known/smart-configuration").mock(
            side_effect=lambda _: httpx.Response(200, json=self.configuration)
        )
        self.token = self.router.post("https://ehr.invalid/token").mock(
            side_effect=lambda _: httpx.Response(200, json=self.answer)
        )
        self.keys = self.router.get("https://ehr.invalid/keys").mock(
            side_effect=lambda _: httpx.Response(
                200, json={"keys": [key.as_dict(private=False) for key in self.published]}
            )
        )

    def sign(self, **claims: Any) -> str:
        """An id_token of this server; a claim given as None is left out."""
        merged = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        text = json.dumps(merged)  # with a lone surrogate, too, which joserfc's jwt does not write
        return jws.serialize_compact(self.header, text, self.key, algorithms=[self.header["alg"]])

    def asked(self) -> dict[str, str]:
        """The form of the last token request."""
        form = parse_qs(self.token.calls.last.request.content.decode(), strict_parsing=True)
        return {name: values[0] for name, values in form.items()}

    async def launch(self, http: httpx.AsyncClient, site: Site | None = None, **claims: Any) -> LaunchContext:
        """A whole EHR launch; with claims given (or `id_token` set before) an id_token comes along."""
        site = site or make_site()
        configuration = await discover(site, http)
        authorization = begin(site, configuration, launch="xyz", now=NOW)
        if claims:
            self.answer["id_token"] = self.sign(**{"nonce": authorization.pending.nonce, **claims})
        return await finish(
            site,
            configuration,
            authorization.pending,
            code="c0de-s3cret",
            state=authorization.state,
            http=http,
            now=NOW,
        )


def query(authorization: Authorization) -> dict[str, str]:
    """The parameters of an authorization request."""
    return dict(httpx.URL(authorization.url).params)
