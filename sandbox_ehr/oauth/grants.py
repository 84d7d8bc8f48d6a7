"""The grants: authorization code with PKCE and SMART's checks, refresh with rotation, client credentials, id_token."""

import secrets

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

from sandbox_ehr.oauth.clients import Client
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import Code, Records, Token
from sandbox_ehr.oauth.requests import SmartRequest

CONFIDENTIAL_METHODS = ["private_key_jwt", "client_secret_basic"]
CLIENT_METHODS = [*CONFIDENTIAL_METHODS, "none"]
ID_TOKEN_SECONDS = 3600


class SmartCodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # authlib is untyped
    """Authorization code: for a minute, once, and revoking what it gave if it comes back."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def generate_authorization_code(self) -> str:
        """Make a code that cannot be guessed."""
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: SmartRequest) -> None:
        """Keep the code with what was decided."""
        decision = request.decided()
        records: Records = self.server.records
        if decision.launch is not None:
            self.server.launches.use(decision.launch)
        authorization = records.authorize(
            request.client.client_id, decision.user, request.scope, decision.context, decision.signed_in
        )
        records.keep_code(
            code,
            authorization,
            redirect_uri=request.payload.redirect_uri,
            nonce=request.payload.data.get("nonce"),
            challenge=request.payload.data["code_challenge"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Find the code if this client can use it."""
        found: Code | None = self.server.records.find_code(code, client.client_id)
        return found

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Remember that the code is spent."""
        self.server.records.use_code(authorization_code)

    def authenticate_user(self, authorization_code: Code) -> str | None:
        """Give the user who was known when the code was issued."""
        return authorization_code.authorization.user


class S256Only(CodeChallenge):  # type: ignore[misc]  # authlib is untyped
    """PKCE for every client, with S256 named; `plain`, the default of RFC 7636, is refused as SMART requires."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: SmartCodeGrant, redirect_uri: str) -> None:
        """Check the authorization request."""
        data = grant.request.payload.data
        if not data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge': PKCE is required.")
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("'code_challenge_method' must be S256.")
        super().validate_code_challenge(grant, redirect_uri)


class SmartRequestChecks:
    """What SMART adds to an authorization request: state, aud, and a launch that belongs to the client."""

    def __init__(self, fhir_base: str, launches: Launches) -> None:
        self._fhir_base = fhir_base
        self._launches = launches

    def __call__(self, grant: SmartCodeGrant) -> None:
        """Have the checks run with the grant's own."""
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    def check(self, grant: SmartCodeGrant, redirect_uri: str) -> None:  # noqa: ARG002 -- authlib's signature
        """Refuse with invalid_request what does not hold."""
        request: SmartRequest = grant.request
        data = request.payload.data
        if not data.get("state"):
            raise InvalidRequestError("Missing 'state'.")
        if not request.payload.redirect_uri:
            raise InvalidRequestError("Missing 'redirect_uri'.")
        if data.get("aud") != self._fhir_base:
            raise InvalidRequestError(f"'aud' must be exactly {self._fhir_base}.")
        self._check_launch(request)

    def _check_launch(self, request: SmartRequest) -> None:
        launch = request.payload.data.get("launch")
        asked = "launch" in (request.payload.scope or "").split()
        if launch is None and not asked:
            return
        if launch is None:
            raise InvalidRequestError("The scope launch needs the parameter 'launch' of an EHR launch.")
        if not asked:
            raise InvalidRequestError("The parameter 'launch' needs the scope launch.")
        if self._launches.find(launch, request.client.client_id) is None:
            raise InvalidRequestError(
                "The launch is unknown, used or expired: open the app from the chart again."
            )


class SmartRefreshGrant(RefreshTokenGrant):  # type: ignore[misc]  # authlib is untyped
    """Refresh with rotation: each refresh token serves once, and its second use ends the authorization."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Find a refresh token that can be used."""
        records: Records = self.server.records
        token = records.find_token(refresh_token, "refresh_token")
        if token is None or not token.check_client(self.request.client):
            return None
        if token.revoked:
            records.revoke(token.authorization.id)
        return token if token.is_active else None

    def authenticate_user(self, refresh_token: Token) -> str | None:
        """Give the user of the authorization."""
        return refresh_token.authorization.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Make the old token unusable."""
        self.server.records.revoke_token(refresh_token)


class BackendServicesGrant(ClientCredentialsGrant):  # type: ignore[misc]  # authlib is untyped
    """Client credentials for backend services: system scopes, no refresh token."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def validate_requested_scope(self) -> None:
        """Refuse with invalid_scope if nothing that was asked for can be granted."""
        if not self.request.client.get_system_scope(self.request.payload.scope):
            raise InvalidScopeError("None of the requested system scopes is registered for this client.")


class SmartIdToken(OpenIDCode):  # type: ignore[misc]  # authlib is untyped
    """The id_token: RS256, with fhirUser."""

    def __init__(self, fhir_base: str, issuer: str, records: Records) -> None:
        super().__init__(require_nonce=False)
        self._fhir_base = fhir_base
        self._issuer = issuer
        self._records = records

    def exists_nonce(self, nonce: str, request: SmartRequest) -> bool:  # noqa: ARG002 -- authlib's signature
        """Nonces are the client's business; they are not tracked here."""
        return False

    def resolve_client_private_key(self, client: Client) -> RSAKey:  # noqa: ARG002 -- authlib's signature
        """Give the sandbox's signing key."""
        return self._records.signing_key()

    def get_encode_header(self, client: Client) -> dict[str, str]:  # noqa: ARG002 -- authlib's signature
        """Name the key."""
        return {"alg": "RS256", "typ": "JWT", "kid": self._records.signing_key().kid or ""}

    def get_client_claims(self, client: Client) -> dict[str, object]:
        """Issuer, audience and times by the sandbox's clock."""
        now = self._records.now()
        times = {"iat": now, "exp": now + ID_TOKEN_SECONDS}
        return {"iss": self._issuer, "aud": client.client_id, **times}

    def generate_user_info(self, user: str, scope: str) -> dict[str, str]:
        """Say who the user is; as a FHIR resource if the app may know."""
        scopes = scope.split()
        info = {"sub": user.rpartition("/")[2]}
        if "fhirUser" in scopes:
            info["fhirUser"] = f"{self._fhir_base}/{user}"
        return info
