"""Signing keys of the app: private_key_jwt assertions are made with them, their public halves are published."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, KeyParameters, RSAKey

Algorithm = Literal["RS384", "ES384"]

# SMART App Launch 2.2, client-confidential-asymmetric: a client must know both.
_KEY_TYPES: dict[Algorithm, type[RSAKey] | type[ECKey]] = {"RS384": RSAKey, "ES384": ECKey}
_RSA_BITS = 3072  # 128 bits of security: NIST SP 800-57 part 1, table 2
_SMALLEST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its id and algorithm; made by `generate_key`, `from_jwk` or `from_pem`."""

    kid: str
    alg: Algorithm
    jwk: str = field(repr=False)  # private JWK, JSON
    signs: bool = True  # False: only published, before its time or after it

    @classmethod
    def from_jwk(cls, text: str) -> "SigningKey":
        """Read a private JWK (JSON). ValueError tells what is wrong with it, never what is in it."""
        try:
            key = JWKRegistry.import_key(json.loads(text))
        except (ValueError, TypeError, KeyError, JoseError):
            raise ValueError("this is not a JWK") from None
        return _accept(key)

    @classmethod
    def from_pem(cls, pem: str, *, kid: str | None = None) -> "SigningKey":
        """Read an unencrypted PEM private key; its id is the RFC 7638 thumbprint unless given. ValueError as above."""
        parameters: KeyParameters | None = {"kid": kid} if kid else None
        for kind in (RSAKey, ECKey):
            try:
                return _accept(kind.import_key(pem, parameters))
            except (ValueError, TypeError, JoseError):
                continue
        raise ValueError("this is neither an RSA (2048 bits or more) nor an EC P-384 private key in PEM")

    def to_jwk(self) -> str:
        """Give the private JWK as JSON: a secret."""
        return self.jwk

    def private_key(self) -> RSAKey | ECKey:
        """Give the key in the form that signs."""
        return _read_once(self.alg, self.jwk)


@lru_cache(maxsize=16)  # reading an RSA key checks its primes: tens of milliseconds, at every assertion
def _read_once(alg: Algorithm, jwk: str) -> RSAKey | ECKey:
    return _KEY_TYPES[alg].import_key(json.loads(jwk))


def generate_key(alg: Algorithm) -> SigningKey:
    """Make a fresh key, named by its thumbprint."""
    if alg == "RS384":
        return _accept(RSAKey.generate_key(_RSA_BITS))
    return _accept(ECKey.generate_key("P-384"))


def public_jwks(keys: tuple[SigningKey, ...]) -> dict[str, list[dict[str, str]]]:
    """Give the JWK Set to publish: public halves only."""
    return {"keys": [_public(key) for key in keys]}


def _public(key: SigningKey) -> dict[str, str]:
    jwk = cast("dict[str, str]", key.private_key().as_dict(private=False))
    return {**jwk, "kid": key.kid, "alg": key.alg, "use": "sig"}


def _accept(key: object) -> SigningKey:
    """Check a key against its algorithm and name it."""
    alg: Algorithm
    if isinstance(key, RSAKey) and key.raw_value.key_size >= _SMALLEST_RSA_BITS:
        alg = "RS384"
    elif isinstance(key, ECKey) and key.curve_name == "P-384":
        alg = "ES384"
    else:
        raise ValueError("a signing key must be RSA with 2048 bits or more, or EC on P-384")
    if not key.is_private:
        raise ValueError("this is a public key; the private one is needed")
    if key.get("alg", alg) != alg:
        raise ValueError(f"the key says alg {key.get('alg')}, which does not fit; {alg} would")
    key.ensure_kid()
    kid = str(key.kid)
    jwk = {**key.as_dict(private=True), "kid": kid, "alg": alg, "use": "sig"}
    return SigningKey(kid=kid, alg=alg, jwk=json.dumps(jwk))
