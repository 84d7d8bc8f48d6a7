"""What rests encrypted opens for its own row and purpose only."""

import os

import pytest

from plugin.ledger import SealBroken, Vault


def test_a_sealed_value_opens_for_its_row_and_purpose() -> None:
    vault = Vault([os.urandom(32)])
    assert vault.open("draft", "row-1", vault.seal("draft", "row-1", b"answers")) == b"answers"


@pytest.mark.parametrize(("purpose", "row"), [("draft", "row-2"), ("launch", "row-1")])
def test_a_value_moved_to_another_row_or_purpose_does_not_open(purpose: str, row: str) -> None:
    vault = Vault([os.urandom(32)])
    sealed = vault.seal("draft", "row-1", b"answers")
    with pytest.raises(SealBroken):
        vault.open(purpose, row, sealed)


def test_an_altered_value_does_not_open() -> None:
    vault = Vault([os.urandom(32)])
    sealed = bytearray(vault.seal("draft", "row-1", b"answers"))
    sealed[-1] ^= 1
    with pytest.raises(SealBroken):
        vault.open("draft", "row-1", bytes(sealed))


def test_an_older_key_still_opens_and_still_finds() -> None:
    old, new = os.urandom(32), os.urandom(32)
    before, after = Vault([old]), Vault([new, old])
    assert after.open("draft", "row-1", before.seal("draft", "row-1", b"answers")) == b"answers"
    assert before.digest("session", "handle") in after.digests("session", "handle")
    assert after.digest("session", "handle") != before.digest("session", "handle")


def test_a_key_that_was_taken_away_is_named_by_its_id_only() -> None:
    sealed = Vault([os.urandom(32)]).seal("draft", "row-1", b"answers")
    with pytest.raises(SealBroken, match=sealed[:4].hex()):
        Vault([os.urandom(32)]).open("draft", "row-1", sealed)


def test_a_short_key_makes_no_vault() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault([b"short"])
