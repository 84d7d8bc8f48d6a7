"""PINs rest stretched, as OWASP's Password Storage Cheat Sheet asks of scrypt."""

import hashlib

from plugin.access.sessions import hash_pin, is_pin


def test_a_pin_is_stretched_by_sixteen_megabytes_five_times() -> None:
    passes, salt, digest = hash_pin("4711").split("$")
    assert passes == "5"
    made = hashlib.scrypt(b"4711", salt=bytes.fromhex(salt), n=2**14, r=8, p=5, dklen=32)
    assert made.hex() == digest


def test_the_pin_and_no_other_opens() -> None:
    stored = hash_pin("4711")
    assert is_pin("4711", stored)
    assert not is_pin("4712", stored)


def test_a_pin_of_before_its_passes_were_written_down_still_opens() -> None:
    salt = bytes(16)
    digest = hashlib.scrypt(b"4711", salt=salt, n=2**14, r=8, p=1, dklen=32)
    assert is_pin("4711", f"{salt.hex()}${digest.hex()}")
