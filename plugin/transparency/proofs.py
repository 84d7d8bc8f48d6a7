"""Proofs of RFC 6962 section 2.1: that a leaf is in a tree, and that a tree continues an earlier one.

Making one needs `subtree(level, index)`, the hash of the complete subtree of 2**level leaves at that index; checking one needs
nothing but hashes.
"""

from collections.abc import Callable, Iterator, Sequence

from plugin.transparency.hashing import EMPTY_ROOT, node_hash

Subtree = Callable[[int, int], bytes]


class ProofInvalid(Exception):
    """A proof does not show what it should; the message says what."""


def range_hash(subtree: Subtree, begin: int, end: int) -> bytes:
    """Hash the leaves from `begin` to before `end`; `begin` is a multiple of the power of two that covers them."""
    count = end - begin
    if count == 0:
        return EMPTY_ROOT
    level = count.bit_length() - 1
    whole = 1 << level
    if count == whole:
        return subtree(level, begin >> level)
    return node_hash(range_hash(subtree, begin, begin + whole), range_hash(subtree, begin + whole, end))


def inclusion_proof(subtree: Subtree, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that the leaf at `index` is in the tree of `size` leaves: sibling hashes, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} in a tree of {size}.")
    proof: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(range_hash(subtree, middle, end))
            end = middle
        else:
            proof.append(range_hash(subtree, begin, middle))
            begin = middle
    return tuple(reversed(proof))


def consistency_proof(subtree: Subtree, old: int, size: int) -> tuple[bytes, ...]:
    """Prove that the tree of `size` leaves continues that of `old` leaves."""
    if not 0 <= old <= size:
        raise ValueError(f"A tree of {size} cannot continue one of {old}.")
    if old in (0, size):
        return ()
    proof: list[bytes] = []
    begin, end, whole = 0, size, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            proof.append(range_hash(subtree, middle, end))
            end = middle
        else:
            proof.append(range_hash(subtree, begin, middle))
            begin, whole = middle, False
    if not whole:
        proof.append(range_hash(subtree, begin, end))
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (its hash) stands at `index` of the tree with `root`; ProofInvalid if not. RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        raise ProofInvalid(f"There is no leaf {index} in a tree of {size}.")
    found = leaf
    for sibling, is_left in _climb(index, size - 1, proof):
        found = node_hash(sibling, found) if is_left else node_hash(found, sibling)
    if found != root:
        raise ProofInvalid("The inclusion proof does not lead to the root.")


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree with `root` continues that with `old_root`; ProofInvalid if not. RFC 9162 section 2.1.4.2."""
    if not 0 <= old <= size:
        raise ProofInvalid(f"A tree of {size} cannot continue one of {old}.")
    if old in (0, size):
        if proof or old_root != (root if old == size else EMPTY_ROOT):
            raise ProofInvalid("Trees of one size have different roots, or the proof is not empty.")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofInvalid("The consistency proof is empty.")
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling, is_left in _climb(place, last, path[1:]):
        if is_left:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
    if first != old_root or second != root:
        raise ProofInvalid("The tree does not continue the earlier one: the log was altered or forked.")


def _climb(place: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Go from a place to the root: each sibling, and whether it stands to the left. ProofInvalid if the length is wrong."""
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("The proof is too long.")
        is_left = bool(place & 1) or place == last
        yield sibling, is_left
        if is_left:
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    if last:
        raise ProofInvalid("The proof is too short.")


def _split(count: int) -> int:
    """Give the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
