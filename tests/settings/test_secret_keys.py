"""The secret keys: what somebody typed is refused, what was drawn is taken."""

import base64
import random

import pytest

from plugin.errors import SettingsInvalid
from plugin.secret_keys import is_drawn, read_log_key, read_vault_keys

TYPED = {
    "counting": bytes(range(32)),
    "counting down": bytes(range(255, 223, -1)),
    "steps of seven": bytes(place * 7 % 256 for place in range(48)),
    "one byte": b"\x93" * 32,
    "four bytes again and again": b"\x01\xfe\x77\x90" * 8,
    "half a key twice": random.Random(1).randbytes(16) * 2,
    "a sentence": b"correct horse battery staple, and more words",
}


def encode(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("name", ["RAPPORT_SECRET_KEY", "RAPPORT_LOG_KEY"])
def test_a_key_that_somebody_typed_is_refused_by_name(name: str, kind: str) -> None:
    drawn = random.Random(2).randbytes(32)
    environment = {"RAPPORT_SECRET_KEY": encode(drawn), name: encode(TYPED[kind])}
    with pytest.raises(SettingsInvalid, match=f"{name} is not random") as refusal:
        read_log_key(environment, read_vault_keys(environment))
    assert "secrets.token_urlsafe(32)" in str(refusal.value)
    assert encode(TYPED[kind]) not in str(refusal.value)


def test_the_weak_one_of_several_is_named_by_its_place() -> None:
    keys = f"{encode(random.Random(3).randbytes(32))}, {encode(TYPED['counting'])}"
    with pytest.raises(SettingsInvalid, match="Key 2 of RAPPORT_SECRET_KEY"):
        read_vault_keys({"RAPPORT_SECRET_KEY": keys})


def test_no_drawn_key_is_refused() -> None:
    chance = random.Random(4)
    assert all(is_drawn(chance.randbytes(32)) for _ in range(10_000))
