"""authlib's authorization server, wired to the sandbox's records; introspection and revocation with it."""

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from sandbox_ehr.fhir.access import Access
from sandbox_ehr.oauth.assertions import PrivateKeyJwt
from sandbox_ehr.oauth.clients import Client, ClientKeys
from sandbox_ehr.oauth.grants import (
    CLIENT_METHODS,
    CONFIDENTIAL_METHODS,
    BackendServicesGrant,
    S256Only,
    SmartCodeGrant,
    SmartIdToken,
    SmartRefreshGrant,
    SmartRequestChecks,
)
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import Authorization, Records, Token, new_secret
from sandbox_ehr.oauth.requests import SmartRequest
from sandbox_ehr.scopes import parse_scopes
from sandbox_ehr.settings import SandboxSettings

ACCESS_SECONDS = 3600
BACKEND_SECONDS = 300  # SMART Backend Services: should not exceed five minutes
ONLINE_SECONDS = 8 * 3600
OFFLINE_SECONDS = 90 * 24 * 3600
_CONTEXT = (
    "patient",
    "encounter",
    "need_patient_banner",
    "intent",
    "fhirContext",
    "appContext",
    "smart_style_url",
    "tenant",
)
_MESSAGING = ("smart_web_messaging_handle", "smart_web_messaging_origin")

Reply = tuple[int, object, list[tuple[str, str]]]
"""Status, body (JSON, or empty with a Location) and headers, as authlib gives them."""


class SmartAuthorizationServer(AuthorizationServer):  # type: ignore[misc]  # authlib is untyped
    """Issues, refreshes, introspects and revokes tokens for the registered clients."""

    def __init__(
        self, settings: SandboxSettings, records: Records, launches: Launches, keys: ClientKeys
    ) -> None:
        super().__init__()
        self.records = records
        self.launches = launches
        self._settings = settings
        self._clients = {each.client_id: Client(each, settings.behaviour) for each in settings.clients}
        token_endpoint = f"{settings.base_url}/auth/token"
        self.register_client_auth_method("private_key_jwt", PrivateKeyJwt(records, keys, token_endpoint))
        self.register_token_generator("default", self._generate)
        checks = SmartRequestChecks(settings.fhir_base, launches)
        id_token = SmartIdToken(settings.fhir_base, settings.issuer, records)
        self.register_grant(SmartCodeGrant, [S256Only(required=True), checks, id_token])
        self.register_grant(SmartRefreshGrant)
        self.register_grant(BackendServicesGrant)
        self.register_endpoint(_Introspection)
        self.register_endpoint(_Revocation)

    def query_client(self, client_id: str) -> Client | None:
        """Find a registered client."""
        return self._clients.get(client_id)

    def create_oauth2_request(self, request: SmartRequest) -> SmartRequest:
        """Requests arrive made."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: object, headers: list[tuple[str, str]]) -> Reply:
        """Leave the answer to the HTTP layer."""
        return status, body, headers

    def answer_token(self, request: SmartRequest) -> Reply:
        """Answer the token endpoint, in one transaction."""
        with self.records.database.transaction():
            try:
                request.check_authorization()
                request.check_characters()
            except OAuth2Error as error:
                refused: Reply = self.handle_error_response(request, error)
                return refused
            status, body, headers = self.create_token_response(request)
            if isinstance(body, dict) and isinstance(body.get("scope"), str):
                body = {**body, "scope": self._settings.behaviour.spell(body["scope"])}
            return status, body, headers

    def answer_endpoint(self, name: str, request: SmartRequest) -> Reply:
        """Answer introspection or revocation."""
        with self.records.database.transaction():
            try:
                request.check_authorization()
            except OAuth2Error as error:
                refused: Reply = self.handle_error_response(request, error)
                return refused
            reply: Reply = self.create_endpoint_response(name, request)
            return reply

    def end_token(self, access_token: str, everything: bool) -> None:  # noqa: FBT001 -- a fault's callback
        """End an access token before its time; with `everything` the whole authorization that it rests on."""
        token = self.records.find_token(access_token, "access_token")
        if token is not None and everything:
            self.records.revoke(token.authorization.id)
        elif token is not None:
            self.records.revoke_token(token)

    def find_access(self, access_token: str) -> Access | None:
        """Say what an access token may do; None if it is unknown, expired or revoked."""
        token = self.records.find_token(access_token, "access_token")
        if token is None or not token.is_active:
            return None
        patient = token.authorization.context.get("patient")
        return Access(
            scopes=parse_scopes(token.scope),
            patient=patient if isinstance(patient, str) else None,
            client_id=token.authorization.client_id,
            user=token.authorization.user,
        )

    def save_token(self, token: dict[str, object], request: SmartRequest) -> None:
        """Keep a new access token, add a refresh token if the scope allows one, and the launch context."""
        authorization = self._authorization(token, request)
        scope, seconds = str(token["scope"]), token["expires_in"]
        self.records.keep_token(
            str(token["access_token"]),
            "access_token",
            authorization,
            scope=scope,
            seconds=seconds if isinstance(seconds, int) else ACCESS_SECONDS,
        )
        life = _refresh_seconds(authorization)
        if life:
            refresh_token = new_secret()
            self.records.keep_token(
                refresh_token, "refresh_token", authorization, scope=authorization.scope, seconds=life
            )
            token["refresh_token"] = refresh_token
        told = (*_CONTEXT, *(_MESSAGING if "messaging/ui" in scope.split() else ()))
        token.update({name: authorization.context[name] for name in told if name in authorization.context})

    def describe(self, token: Token) -> dict[str, object]:
        """Say of a token what introspection tells (RFC 7662, SMART 2.2)."""
        authorization = token.authorization
        user = authorization.user
        description: dict[str, object] = {
            "active": True,
            "token_type": "Bearer",
            "scope": self._settings.behaviour.spell(token.scope),
            "client_id": authorization.client_id,
            "iat": token.issued,
            "exp": token.expires,
            "iss": self._settings.issuer,
            "aud": self._settings.fhir_base,
            "sub": user.rpartition("/")[2] if user else authorization.client_id,
        }
        if user and "fhirUser" in token.scope.split():
            description["fhirUser"] = f"{self._settings.fhir_base}/{user}"
        context = {name: authorization.context[name] for name in _CONTEXT if name in authorization.context}
        return {**description, **context}

    def _authorization(self, token: dict[str, object], request: SmartRequest) -> Authorization:
        known = request.authorization_code or request.refresh_token
        if known is not None:
            found: Authorization = known.authorization
            return found
        return self.records.authorize(request.client.client_id, None, str(token["scope"]), {})

    def _generate(
        self, grant_type: str, client: Client, scope: str | None = None, **_: object
    ) -> dict[str, object]:
        backend = grant_type == BackendServicesGrant.GRANT_TYPE
        return {
            "access_token": new_secret(),
            "token_type": "Bearer",
            "expires_in": BACKEND_SECONDS if backend else ACCESS_SECONDS,
            "scope": client.get_system_scope(scope) if backend else scope,
        }


def _refresh_seconds(authorization: Authorization) -> int:
    scopes = authorization.scope.split()
    if authorization.user is None:
        return 0
    return (
        OFFLINE_SECONDS if "offline_access" in scopes else ONLINE_SECONDS if "online_access" in scopes else 0
    )


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # authlib is untyped
    """Tells any confidential client what a token is worth: resource servers of the site need to know."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:  # noqa: ARG002 -- a hint
        """Find a token of either kind."""
        found: Token | None = self.server.records.find_token(token_string)
        return found

    def check_permission(self, token: Token, client: Client, request: SmartRequest) -> bool:  # noqa: ARG002 -- authlib's signature
        """Every client that can authenticate may ask."""
        return True

    def introspect_token(self, token: Token) -> dict[str, object]:
        """Describe an active token."""
        described: dict[str, object] = self.server.describe(token)
        return described


class _Revocation(RevocationEndpoint):  # type: ignore[misc]  # authlib is untyped
    """Takes tokens back: an access token alone, a refresh token with everything that rests on it."""

    CLIENT_AUTH_METHODS = CLIENT_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:  # noqa: ARG002 -- a hint
        """Find a token of either kind."""
        found: Token | None = self.server.records.find_token(token_string)
        return found

    def revoke_token(self, token: Token, request: SmartRequest) -> None:  # noqa: ARG002 -- authlib's signature
        """Take it back."""
        records: Records = self.server.records
        if token.kind == "refresh_token":
            records.revoke(token.authorization.id)
        records.revoke_token(token)
