"""The ids of cards: each carries a keyed digest, so that a card of ours is known again without being kept. Pure but for chance.

An id is a UUID of version 8 (RFC 9562, section 5.8): 60 bits of chance, and 62 bits of the digest of these and of the service.
"""

import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator
from hmac import compare_digest

_SEALED = 62  # bits
_VERSION, _VARIANT = 8 << 76, 0b10 << _SEALED


def new_ids(digest: Callable[[str], str], service: str) -> Iterator[str]:
    """Give ids for the cards of a service; `digest` is keyed, and writes hex."""
    while True:
        chance = secrets.randbits(60)
        yield str(uuid.UUID(int=_place(chance) | _seal(digest(_sealed(chance, service)))))


def is_card_of(card: str, digests: Callable[[str], Iterable[str]], service: str) -> bool:
    """Tell whether a service gave the card with this id, under any of the keys."""
    try:
        number = uuid.UUID(card).int
    except ValueError:
        return False
    chance = number >> 80 << 12 | number >> 64 & 0xFFF
    known = (_place(chance) | _seal(each) for each in digests(_sealed(chance, service)))
    return any(compare_digest(number.to_bytes(16), each.to_bytes(16)) for each in known)


def _place(chance: int) -> int:
    """Put the bits of chance around the version, and the variant behind them."""
    return chance >> 12 << 80 | _VERSION | (chance & 0xFFF) << 64 | _VARIANT


def _seal(digest: str) -> int:
    return int(digest, 16) & ((1 << _SEALED) - 1)


def _sealed(chance: int, service: str) -> str:
    return f"{chance:015x} {service}"
