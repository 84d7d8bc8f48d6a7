"""The log as static files: tiles of 256 hashes, bundles of entries, the checkpoint (https://c2sp.org/tlog-tiles).

Any web server can serve the folder. Files are written aside, synchronised and renamed; the checkpoint comes last. After a crash
whatever lies beyond the checkpoint is written again, the same, from the same entries.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from plugin.transparency.hashing import leaf_hash, node_hash
from plugin.transparency.proofs import range_hash

WIDTH = 256  # hashes a tile
_HEIGHT = 8  # levels a tile
_HASH = 32
_LONGEST_ENTRY = 65_535


class TileDamaged(Exception):
    """A file of the log is missing, has a wrong length or does not fit its neighbours; the message names it."""


class Tiles:
    """A log's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache: dict[tuple[int, int], bytes] = {}

    def read_checkpoint(self) -> bytes | None:
        """Read the signed checkpoint; None before the first."""
        path = self._folder / "checkpoint"
        return path.read_bytes() if path.exists() else None

    def write_checkpoint(self, note: bytes) -> None:
        """Publish a checkpoint: what it covers must have been written before."""
        write_durably(self._folder / "checkpoint", note)

    def append(self, size: int, entries: Sequence[bytes]) -> int:
        """Write entries behind the first `size`, with every tile that they complete or lengthen; gives the new size."""
        if any(len(entry) > _LONGEST_ENTRY for entry in entries):
            raise ValueError("An entry of the log is longer than 65535 bytes.")
        self._cache.clear()
        self._append_entries(size, entries)
        level, begin, hashes = 0, size, [leaf_hash(entry) for entry in entries]
        while hashes:
            hashes = self._append_hashes(level, begin, hashes)
            begin //= WIDTH
            level += 1
        self._cache.clear()
        return size + len(entries)

    def subtree(self, level: int, index: int) -> bytes:
        """Hash the complete subtree of 2**level leaves at an index; TileDamaged if the files do not hold it."""
        tile_level, inner = divmod(level, _HEIGHT)
        first = index << inner  # in hashes of the tile's level
        number, place = divmod(first, WIDTH)
        tile = self._tile(tile_level, number, place + (1 << inner))
        hashes = [tile[at * _HASH : (at + 1) * _HASH] for at in range(place, place + (1 << inner))]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def recomputed(self, level: int, index: int) -> bytes:
        """Hash the same subtree as `subtree`, from the tiles of the level below: what a higher tile must hold."""
        below = [self.subtree(level - _HEIGHT, (index << _HEIGHT) + each) for each in range(WIDTH)]
        while len(below) > 1:
            below = [node_hash(*below[at : at + 2]) for at in range(0, len(below), 2)]
        return below[0]

    def root(self, size: int) -> bytes:
        """Compute the root over the first `size` leaves from the tiles."""
        return range_hash(self.subtree, 0, size)

    def entries(self, size: int) -> Iterator[bytes]:
        """Read the first `size` entries in order; TileDamaged if there are fewer."""
        for number in range((size + WIDTH - 1) // WIDTH):
            wanted = min(WIDTH, size - number * WIDTH)
            yield from self._bundle(number, wanted)[:wanted]

    def reach(self) -> int:
        """Tell how many entries the files go as far as, whatever is signed: no checkpoint covers what was being written."""
        return max(_reach(self._folder / "tile" / kind) for kind in ("entries", "0"))

    def misfits(self) -> Iterator[str]:
        """Name each narrower version of a tile or bundle that is not how its widest begins; verifiers may hold on to it."""
        for folder in sorted(self._folder.glob("tile/**/*.p")):
            versions = sorted((each for each in folder.iterdir() if each.name.isdigit()), key=_width)
            whole = folder.with_suffix("")
            widest = (whole if whole.exists() else versions.pop()).read_bytes() if versions else b""
            hashes = "entries" not in folder.relative_to(self._folder).parts
            for each in versions:
                width = _width(each)
                begins = widest[: width * _HASH] if hashes else _beginning(widest, width)
                if each.read_bytes() != begins:
                    yield str(each.relative_to(self._folder))

    def misshapen(self) -> Iterator[str]:
        """Name each tile and bundle, full or partial, that is not exactly as long as its name says."""
        for path in sorted(each for each in self._folder.glob("tile/**/*") if each.is_file()):
            partial = path.parent.suffix == ".p"
            if not path.name.isdigit():
                continue  # written aside, or nothing of the log's
            width = _width(path) if partial else WIDTH
            if "entries" not in path.relative_to(self._folder).parts:
                fits = path.stat().st_size == width * _HASH
            else:
                fits = _counted(path.read_bytes()) == width
            if not fits:
                yield str(path.relative_to(self._folder))

    def _append_entries(self, size: int, entries: Sequence[bytes]) -> None:
        number, kept = divmod(size, WIDTH)
        bundle = self._bundle(number, kept)[:kept] if kept else []
        for entry in entries:
            bundle.append(entry)
            if len(bundle) == WIDTH:
                self._write_bundle(number, bundle)
                number, bundle = number + 1, []
        if bundle:
            self._write_bundle(number, bundle)

    def _append_hashes(self, level: int, begin: int, hashes: list[bytes]) -> list[bytes]:
        """Write hashes of a tile's level from place `begin` on; gives the hashes of the tiles that are now full."""
        number, kept = divmod(begin, WIDTH)
        tile = self._tile(level, number, kept)[: kept * _HASH] if kept else b""
        full: list[bytes] = []
        for each in hashes:
            tile += each
            if len(tile) == WIDTH * _HASH:
                write_durably(self._path(f"{level}", number, WIDTH), tile)
                full.append(_tile_hash(tile))
                number, tile = number + 1, b""
        if tile:
            write_durably(self._path(f"{level}", number, len(tile) // _HASH), tile)
        return full

    def _tile(self, level: int, number: int, width: int) -> bytes:
        known = self._cache.get((level, number), b"")
        if len(known) < width * _HASH:
            known = self._read(f"{level}", number, width)
            if len(known) % _HASH or len(known) < width * _HASH:
                raise TileDamaged(f"The tile {level}/{number} of the log has a wrong length.")
            self._cache[level, number] = known
            if len(self._cache) > 1024:
                self._cache.pop(next(iter(self._cache)))
        return known

    def _bundle(self, number: int, width: int) -> list[bytes]:
        raw, entries = self._read("entries", number, width), []
        place = 0
        while place + 2 <= len(raw):
            length = int.from_bytes(raw[place : place + 2], "big")
            entries.append(raw[place + 2 : place + 2 + length])
            place += 2 + length
        if place != len(raw) or len(entries) < width:
            raise TileDamaged(f"The entries {number} of the log have a wrong length.")
        return entries

    def _write_bundle(self, number: int, bundle: list[bytes]) -> None:
        raw = b"".join(len(entry).to_bytes(2, "big") + entry for entry in bundle)
        write_durably(self._path("entries", number, len(bundle)), raw)

    def _read(self, kind: str, number: int, width: int) -> bytes:
        """Read a tile that is at least `width` wide: the full one, else the narrowest partial that suffices."""
        whole = self._path(kind, number, WIDTH)
        if whole.exists():
            return whole.read_bytes()
        folder = whole.with_name(f"{whole.name}.p")
        widths = sorted(int(each.name) for each in folder.glob("[0-9]*")) if folder.is_dir() else []
        fitting = next((each for each in widths if each >= width), None)
        if fitting is None:
            raise TileDamaged(f"The tile {kind}/{number} of the log is missing.")
        return (folder / str(fitting)).read_bytes()

    def _path(self, kind: str, number: int, width: int) -> Path:
        digits = f"{number:03}"
        digits = digits.zfill((len(digits) + 2) // 3 * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        parts = [f"x{each}" for each in groups[:-1]] + [groups[-1]]
        path = self._folder.joinpath("tile", kind, *parts)
        return path if width == WIDTH else path.with_name(f"{path.name}.p") / str(width)


def _reach(folder: Path, before: int = 0) -> int:
    """Tell the place behind the last one that files of a folder hold; `before`: the number that its own name gives."""
    furthest = 0
    for each in folder.iterdir() if folder.is_dir() else ():
        digits = each.name.removeprefix("x").removesuffix(".p")
        if not (digits.isascii() and digits.isdigit()):
            continue  # written aside, or nothing of the log's
        number = before * 1000 + int(digits)
        if each.name.startswith("x"):
            furthest = max(furthest, _reach(each, number))
        elif each.suffix != ".p":
            furthest = max(furthest, (number + 1) * WIDTH)
        elif (number + 1) * WIDTH > furthest:
            widths = (_width(partial) for partial in each.iterdir() if partial.name.isdigit())
            furthest = max(furthest, number * WIDTH + max(widths, default=0))
    return furthest


def _width(partial: Path) -> int:
    return int(partial.name)


def _beginning(bundle: bytes, entries: int) -> bytes:
    end = 0
    for _ in range(entries):
        end += 2 + int.from_bytes(bundle[end : end + 2], "big")
    return bundle[:end]


def _counted(bundle: bytes) -> int | None:
    """Count the entries of a bundle; None if it ends within one."""
    end = many = 0
    while end < len(bundle):
        end += 2 + int.from_bytes(bundle[end : end + 2], "big")
        many += 1
    return many if end == len(bundle) else None


def _tile_hash(tile: bytes) -> bytes:
    hashes = [tile[at : at + _HASH] for at in range(0, len(tile), _HASH)]
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def write_durably(path: Path, content: bytes) -> None:
    """Write a file aside, synchronise it and put it in its place: it is there whole, or as before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
