"""Signing keys: made, read back, published."""

import json
import re

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from smart_launch import SigningKey, public_jwks

PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def test_the_published_set_holds_public_halves_only(signing_keys: dict[str, SigningKey]) -> None:
    published = public_jwks(tuple(signing_keys.values()))["keys"]
    assert [key["alg"] for key in published] == ["RS384", "ES384"]
    assert all(key["use"] == "sig" and key["kid"] and not PRIVATE_PARTS & key.keys() for key in published)


@pytest.mark.parametrize(("kind", "parts"), [("RS384", {"n", "e"}), ("ES384", {"crv", "x", "y"})])
def test_each_kind_of_key_is_published_by_its_bare_values(
    signing_keys: dict[str, SigningKey], kind: str, parts: set[str]
) -> None:
    (key,) = public_jwks((signing_keys[kind],))["keys"]
    assert {"kty", "kid", *parts} <= key.keys()
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", str(key[name])) for name in parts)


def test_a_key_survives_being_stored(signing_key: SigningKey) -> None:
    assert SigningKey.from_jwk(signing_key.to_jwk()) == signing_key


def test_a_pem_key_is_read_whatever_its_kind(signing_key: SigningKey) -> None:
    pem = signing_key.private_key().as_pem(private=True).decode()
    assert public_jwks((SigningKey.from_pem(pem, kid="mine"),))["keys"][0] == {
        **public_jwks((signing_key,))["keys"][0],
        "kid": "mine",
    }


def test_a_pem_key_is_named_by_its_thumbprint(signing_key: SigningKey) -> None:
    pem = signing_key.private_key().as_pem(private=True).decode()
    assert SigningKey.from_pem(pem).kid == signing_key.kid


def test_the_private_key_stays_out_of_the_repr(signing_key: SigningKey) -> None:
    assert json.loads(signing_key.to_jwk())["d"] not in repr(signing_key)


@pytest.mark.parametrize(
    "jwk",
    [
        OctKey.generate_key(256).as_dict(private=True),
        OKPKey.generate_key("Ed25519").as_dict(private=True),
        ECKey.generate_key("P-256").as_dict(private=True),
        {**ECKey.generate_key("P-384").as_dict(private=True), "alg": "ES256"},
        {"kty": "EC"},
        [],
    ],
)
def test_a_key_that_cannot_sign_for_smart_is_refused(jwk: object) -> None:
    with pytest.raises(ValueError, match=r"key|JWK"):
        SigningKey.from_jwk(json.dumps(jwk))


def test_a_public_key_is_not_taken_for_a_private_one() -> None:
    with pytest.raises(ValueError, match="this is a public key"):
        SigningKey.from_jwk(json.dumps(ECKey.generate_key("P-384").as_dict(private=False)))


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_short_rsa_key_is_refused() -> None:
    short = RSAKey.generate_key(1024).as_dict(private=True)
    with pytest.raises(ValueError, match="2048 bits"):
        SigningKey.from_jwk(json.dumps(short))


@pytest.mark.parametrize("text", ["", "not json", "-----BEGIN PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    for read in (SigningKey.from_jwk, SigningKey.from_pem):
        with pytest.raises(ValueError, match="this is ") as caught:
            read(text)
        assert not text or text not in str(caught.value)
