"""Client authentication by signed assertion (private_key_jwt), as strictly as SMART asks for.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sandbox_ehr.oauth.clients import Client, ClientKeys
from sandbox_ehr.oauth.records import Records

ALGORITHMS = ["RS384", "ES384"]
LONGEST_LIFE = 300  # seconds from now to exp
_LONGEST_ID = 151  # characters of jti, as Epic limits them


class PrivateKeyJwt(JWTBearerClientAssertion):  # type: ignore[misc]  # authlib is untyped
    """Checks header (alg, kid, typ), signature, iss = sub = client, aud, exp within five minutes, jti never used."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, records: Records, keys: ClientKeys, token_endpoint: str) -> None:
        super().__init__(leeway=0)
        self._records = records
        self._keys = keys
        self._token_endpoint = token_endpoint

    def get_audiences(self) -> list[str]:
        """Only the token endpoint's address."""
        return [self._token_endpoint]

    def resolve_client_public_key(self, client: Client) -> KeySet:
        """Give the client's keys; invalid_client if it has none, or none could be fetched."""
        keys = self._keys.find(client.registered)
        if keys is None:
            raise InvalidClientError(
                description="The keys of the client are not known or could not be fetched."
            )
        return keys

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> jwt.Claims:
        """Verify header, signature and claims; invalid_client says which is wrong."""
        header = jws.extract_compact(assertion.encode()).headers()
        if header.get("alg") not in ALGORITHMS:
            raise InvalidClientError(description="The assertion must be signed with RS384 or ES384.")
        if header.get("typ") != "JWT":
            raise InvalidClientError(description="The header typ of the assertion must be JWT.")
        if header.get("kid") not in {key.kid for key in resolve_key.keys}:
            raise InvalidClientError(description="The header kid names none of the keys of the client.")
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            raise InvalidClientError(description="The signature of the assertion does not verify.") from None
        self.verify_claims(token.claims)
        return token.claims

    def verify_claims(self, claims: jwt.Claims) -> None:
        """Check the claims by the sandbox's own clock."""
        now = self._records.now()
        registry = jwt.JWTClaimsRegistry(
            now=now,
            leeway=0,
            iss={"essential": True},
            sub={"essential": True},
            aud={"essential": True, "value": self._token_endpoint},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            description = f"The assertion is refused: {error.error}."
            raise InvalidClientError(description=description) from None
        if claims["iss"] != claims["sub"]:
            raise InvalidClientError(description="iss and sub of the assertion must both be the client_id.")
        if claims["exp"] > now + LONGEST_LIFE:
            raise InvalidClientError(description="exp of the assertion is more than five minutes away.")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
            raise InvalidClientError(description="The assertion needs a jti of 1 to 151 characters.")
        if not self._records.use_assertion(claims["sub"], jti, int(claims["exp"])):
            raise InvalidClientError(description="The jti of the assertion was used before.")
