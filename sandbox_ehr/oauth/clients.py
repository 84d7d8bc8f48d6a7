"""Registered apps as authlib sees them, and the public keys they sign with."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import msgspec
from authlib.oauth2.rfc6749 import ClientMixin
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sandbox_ehr.personalities import Personality
from sandbox_ehr.scopes import narrow
from sandbox_ehr.settings import Clock, RegisteredClient, SandboxSettings

USER_LEVELS = frozenset({"patient", "user"})
SYSTEM_LEVELS = frozenset({"system"})
_METHOD = {"public": "none", "symmetric": "client_secret_basic", "asymmetric": "private_key_jwt"}
_KEYS_LIFE = timedelta(minutes=5)
_SHORTEST_WAIT = timedelta(seconds=5)  # between two fetches for a key id that is not there
_LARGEST_SET = 256 * 1024  # bytes


class Client(ClientMixin):  # type: ignore[misc]  # authlib is untyped
    """A registered client with the questions that authlib asks of one."""

    def __init__(self, registered: RegisteredClient, personality: Personality) -> None:
        self.registered = registered
        self._personality = personality
        self.client_id = registered.client_id

    def get_client_id(self) -> str:
        """The client_id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """None: SMART requires redirect_uri to be sent."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Narrow what a user's app asks for; None (invalid_scope) if nothing is left."""
        return self._grant(scope, USER_LEVELS)

    def get_system_scope(self, scope: str | None) -> str | None:
        """Narrow what a backend service asks for; None if nothing is left."""
        return self._grant(scope, SYSTEM_LEVELS)

    def _grant(self, scope: str | None, levels: frozenset[str]) -> str | None:
        registered = narrow(scope or "", self.registered.scopes, levels=levels)
        return self._personality.grant(registered) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether this exact address is registered."""
        return redirect_uri in self.registered.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether this is the secret."""
        own = self.registered.secret or ""
        return bool(own) and secrets.compare_digest(own.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 -- one method everywhere
        """Whether the client authenticates in this way: each has exactly one."""
        return method == _METHOD[self.registered.kind]

    def check_response_type(self, response_type: str) -> bool:
        """Only the code flow."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Everything but client credentials for public clients, which have none."""
        return grant_type != "client_credentials" or self.registered.kind != "public"


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: KeySet
    at: datetime


class ClientKeys:
    """The public keys of asymmetric clients: as registered, or fetched from their jwks_uri and kept five minutes."""

    def __init__(
        self, settings: SandboxSettings, clock: Clock, http: Callable[[], httpx.AsyncClient] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http or (lambda: httpx.AsyncClient(timeout=5))
        self._fetched: dict[str, _Fetched] = {}

    def find(self, client: RegisteredClient) -> KeySet | None:
        """Give the keys known of a client."""
        if client.jwks is not None:
            return KeySet.import_key_set(msgspec.convert(client.jwks, dict))  # type: ignore[arg-type]  # any JWKS; joserfc checks it
        fetched = self._fetched.get(client.client_id)
        return fetched.keys if fetched else None

    async def prepare(self, client_id: str, key_id: str) -> None:
        """Fetch a client's keys if they are at an address and this one is not known, or not known lately."""
        client = self._settings.client(client_id)
        if client is None or client.jwks_uri is None or client.jwks is not None:
            return
        fetched = self._fetched.get(client_id)
        if fetched is not None:
            known = any(key.kid == key_id for key in fetched.keys.keys)
            age = self._clock() - fetched.at
            if age < (_KEYS_LIFE if known else _SHORTEST_WAIT):
                return
        keys = await self._fetch(client.jwks_uri)
        if keys is not None:
            self._fetched[client_id] = _Fetched(keys, self._clock())

    async def _fetch(self, address: str) -> KeySet | None:
        try:
            async with self._http() as http:
                response = await http.get(address, headers={"Accept": "application/json"})
            if response.status_code != httpx.codes.OK or len(response.content) > _LARGEST_SET:
                return None
            return KeySet.import_key_set(msgspec.json.decode(response.content))
        except (httpx.HTTPError, msgspec.DecodeError, JoseError, ValueError, TypeError, KeyError):
            return None
