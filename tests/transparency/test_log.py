"""The log by its definitions, by properties, and by a verifier that is not ours."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.transparency import (
    CheckpointInvalid,
    Frontier,
    LogSigner,
    ProofInvalid,
    TileDamaged,
    Tiles,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
    verify_inclusion,
)

SIGNER = LogSigner("rapport.invalid/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def entries(count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(count)]


def subtree(leaves: Sequence[bytes], level: int, index: int) -> bytes:
    return tree_hash(leaves[index << level : (index + 1) << level])


def test_the_root_grows_as_the_definition_says() -> None:
    frontier = Frontier()
    for size in range(70):
        assert frontier.root() == tree_hash(entries(size))
        frontier.append(leaf_hash(f"entry {size}".encode()))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 90), st.data())
def test_every_leaf_proves_its_place(size: int, data: st.DataObject) -> None:
    leaves = entries(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(lambda level, place: subtree(leaves, level, place), index, size)
    verify_inclusion(leaf_hash(leaves[index]), index, size, proof, tree_hash(leaves))
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf_hash(b"another"), index, size, proof, tree_hash(leaves))
    if size > 1:
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf_hash(leaves[index]), (index + 1) % size, size, proof, tree_hash(leaves))
    for wrong in (proof[:-1], (*proof, bytes(32))):
        if wrong != proof:
            with pytest.raises(ProofInvalid):
                verify_inclusion(leaf_hash(leaves[index]), index, size, wrong, tree_hash(leaves))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 90), st.data())
def test_every_tree_proves_that_it_continues_an_earlier_one(size: int, data: st.DataObject) -> None:
    leaves = entries(size)
    old = data.draw(st.integers(0, size))
    proof = consistency_proof(lambda level, place: subtree(leaves, level, place), old, size)
    verify_consistency(old, tree_hash(leaves[:old]), size, tree_hash(leaves), proof)
    if old:
        forked = [b"altered", *leaves[1:]]
        with pytest.raises(ProofInvalid):
            verify_consistency(old, tree_hash(forked[:old]), size, tree_hash(leaves), proof)


@pytest.mark.parametrize("steps", [(1,), (255, 1), (256,), (257, 300), (10, 700, 1, 66_000)])
def test_tiles_hold_the_tree_however_it_grew(tmp_path: Path, steps: tuple[int, ...]) -> None:
    tiles, size, frontier = Tiles(tmp_path), 0, Frontier()
    everything = entries(sum(steps))
    for step in steps:
        size = tiles.append(size, everything[size : size + step])
    for entry in everything:
        frontier.append(leaf_hash(entry))
    assert tiles.root(size) == frontier.root()
    assert list(tiles.entries(size)) == everything
    last = size - 1
    proof = inclusion_proof(tiles.subtree, last, size)
    verify_inclusion(leaf_hash(everything[last]), last, size, proof, frontier.root())


def test_what_lies_beyond_the_checkpoint_is_written_again_the_same(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    tiles.append(0, entries(300))
    tiles.append(300, entries(700)[300:])  # and the process dies before its checkpoint
    again = Tiles(tmp_path)
    assert again.append(300, entries(520)[300:]) == 520
    assert again.root(520) == tree_hash(entries(520))


def test_a_missing_tile_is_named(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    tiles.append(0, entries(600))
    (tmp_path / "tile" / "0" / "001").unlink()
    with pytest.raises(TileDamaged, match="0/1"):
        inclusion_proof(Tiles(tmp_path).subtree, 300, 600)


def test_an_altered_tile_changes_the_root(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    tiles.append(0, entries(600))
    path = tmp_path / "tile" / "0" / "002.p" / "88"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(bytes(content))
    assert Tiles(tmp_path).root(600) != tree_hash(entries(600))


def test_a_checkpoint_tells_size_and_root_and_only_as_signed() -> None:
    note = SIGNER.sign(7, tree_hash(entries(7)))
    opened = open_checkpoint(note, SIGNER.verifier)
    assert (opened.size, opened.root) == (7, tree_hash(entries(7)))
    other = LogSigner("rapport.invalid/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for wrong in (note.replace(b"\n7\n", b"\n8\n"), other.sign(7, opened.root), b"", note[:-30]):
        with pytest.raises(CheckpointInvalid):
            open_checkpoint(wrong, SIGNER.verifier)


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the verifier of the Go project (Debian: golang-go, golang-golang-x-mod-dev)."""
    library = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
    if shutil.which("go") is None or not library.is_dir():
        pytest.skip("the independent verifier needs Go: apt install golang-go golang-golang-x-mod-dev")
    program = tmp_path_factory.mktemp("judge") / "judge"
    source = Path(__file__).parent / "judge" / "main.go"
    cache = tmp_path_factory.mktemp("go-cache")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(cache)}
    subprocess.run(["go", "build", "-o", program, source], check=True, env=environment)
    return program


def judged(judge: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [judge, *(str(each) for each in arguments)], capture_output=True, text=True, check=False
    )


def test_a_verifier_that_is_not_ours_accepts_the_log(tmp_path: Path, judge: Path) -> None:
    tiles, older = Tiles(tmp_path / "log"), tmp_path / "older"
    tiles.append(0, entries(300))
    older.write_bytes(SIGNER.sign(300, tiles.root(300)))
    tiles.append(300, entries(1000)[300:])
    tiles.write_checkpoint(SIGNER.sign(1000, tiles.root(1000)))
    found = judged(judge, tmp_path / "log", SIGNER.verifier, older)
    assert (found.returncode, found.stdout) == (0, "1000 entries verified\n"), found.stderr


def test_a_verifier_that_is_not_ours_refuses_an_altered_entry(tmp_path: Path, judge: Path) -> None:
    tiles = Tiles(tmp_path)
    tiles.append(0, entries(300))
    tiles.write_checkpoint(SIGNER.sign(300, tiles.root(300)))
    path = tmp_path / "tile" / "entries" / "000"
    path.write_bytes(path.read_bytes().replace(b"entry 17", b"entry 71"))
    assert judged(judge, tmp_path, SIGNER.verifier).returncode == 1


def test_a_verifier_that_is_not_ours_refuses_a_forked_log(tmp_path: Path, judge: Path) -> None:
    older = tmp_path / "older"
    older.write_bytes(SIGNER.sign(200, tree_hash([b"something else", *entries(200)[1:]])))
    tiles = Tiles(tmp_path / "log")
    tiles.append(0, entries(300))
    tiles.write_checkpoint(SIGNER.sign(300, tiles.root(300)))
    assert judged(judge, tmp_path / "log", SIGNER.verifier, older).returncode == 1
