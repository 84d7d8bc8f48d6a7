"""What a sandbox EHR is told when it starts: its address, where it keeps data, which apps are registered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from sandbox_ehr.errors import SettingsInvalid
from sandbox_ehr.faults import FaultSpec
from sandbox_ehr.personalities import DEFAULT, Personality, load_personality

Clock = Callable[[], datetime]
"""Tells the time, aware and in UTC."""

NOTICE = "Sandbox EHR: synthetic people, not a medical record"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """An app that the EHR knows. `scopes` caps what it can be granted; `jwks_uri` is fetched when first needed."""

    client_id: str
    name: str
    kind: Literal["public", "symmetric", "asymmetric"]
    redirect_uris: tuple[str, ...] = ()
    launch_url: str | None = None
    secret: str | None = field(default=None, repr=False)
    jwks: Mapping[str, object] | None = None
    jwks_uri: str | None = None
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "symmetric" and not self.secret:
            raise SettingsInvalid(f"The symmetric client {self.client_id} has no secret: give it one.")
        if self.kind == "asymmetric" and self.jwks is None and self.jwks_uri is None:
            raise SettingsInvalid(f"The asymmetric client {self.client_id} has neither jwks nor jwks_uri.")


@dataclass(frozen=True, slots=True)
class EmbeddedApp:
    """An app with a tab in the chart: the name on the tab, and the client it is registered as."""

    name: str
    client_id: str


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """`database` is a file, or `:memory:`; with `seed`, an empty one is filled with synthetic people.

    `personality` names the kind of EHR that it behaves as; `faults` are entered in its book from the start.
    """

    base_url: str
    database: str = ":memory:"
    clients: tuple[RegisteredClient, ...] = ()
    apps: tuple[EmbeddedApp, ...] = ()
    seed: bool = True
    personality: str = DEFAULT
    faults: tuple[FaultSpec, ...] = ()
    cds_services: tuple[
        str, ...
    ] = ()  # addresses of patient-view services that are asked when a chart is opened

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if not parts.scheme or not parts.netloc or self.base_url.endswith("/"):
            raise SettingsInvalid(
                f"base_url is {self.base_url!r}: expected http(s)://host without a final slash."
            )
        load_personality(self.personality)
        launchable = {client.client_id for client in self.clients if client.launch_url}
        for app in self.apps:
            if app.client_id not in launchable:
                raise SettingsInvalid(f"The app {app.name} names no registered client with a launch_url.")

    @property
    def fhir_base(self) -> str:
        """The address of the FHIR API: the `iss` of a launch and the `aud` of an authorization."""
        return f"{self.base_url}/r4"

    @property
    def behaviour(self) -> Personality:
        """The personality itself."""
        return load_personality(self.personality)

    @property
    def issuer(self) -> str:
        """The issuer of id_tokens: the FHIR base, or what the personality makes of it."""
        match self.behaviour.oauth.issuer:
            case "trailing-slash":
                return f"{self.fhir_base}/"
            case "other-host":
                parts = urlsplit(self.base_url)
                return f"{parts.scheme}://login.{parts.netloc}/issuer"
            case _:
                return self.fhir_base

    def client(self, client_id: str) -> RegisteredClient | None:
        """Find a registered client."""
        return next((each for each in self.clients if each.client_id == client_id), None)
