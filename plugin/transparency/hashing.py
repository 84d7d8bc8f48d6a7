"""The hashes of RFC 6962 section 2.1, and the root of a growing list of leaves in memory of its logarithm."""

import hashlib

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into the node above them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of a growing tree, largest first: enough to tell its root at any time."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[tuple[int, bytes]] = []  # level, hash

    def append(self, leaf: bytes) -> None:
        """Take the hash of the next leaf."""
        level = 0
        while self._roots and self._roots[-1][0] == level:
            leaf = node_hash(self._roots.pop()[1], leaf)
            level += 1
        self._roots.append((level, leaf))
        self.size += 1

    def root(self) -> bytes:
        """Give the root of all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        *others, (_, root) = self._roots
        for _, left in reversed(others):
            root = node_hash(left, root)
        return root
