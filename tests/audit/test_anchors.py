"""Checkpoints that others vouch for: a time-stamping authority (OpenSSL's) and a witness, both on this machine."""

import base64
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from plugin.transparency import ProofInvalid, open_checkpoint, verify_consistency
from plugin.transparency.cosignatures import Witness, cosigned, split_note
from tests.audit.conftest import Kept, record
from tests.audit.test_exports import Done, run

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
Answer = Callable[[str, bytes], tuple[int, bytes]]
EXTENSIONS = """
[tsa]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[ts]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.3.6.1.4.1.55555.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve one kind of answer to every POST; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            status, body = answer(self.path, asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Authority:
    """A time-stamping authority: OpenSSL with a root and a certificate of its own."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "config").write_text(EXTENSIONS.format(folder=self.folder), encoding="utf-8")
        (self.folder / "serial").write_text("01\n", encoding="ascii")
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
        config = ("-config", "/dev/null")
        self.openssl(
            "req",
            "-x509",
            *new,
            "-subj",
            "/CN=Root",
            *config,
            "-addext",
            "basicConstraints=critical,CA:true",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            "root.key",
            "-out",
            "root.pem",
        )
        self.openssl("req", *new[:-2], "-subj", "/CN=TSA", *config, "-keyout", "tsa.key", "-out", "tsa.csr")
        self.openssl(
            "x509",
            "-req",
            "-in",
            "tsa.csr",
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            "config",
            "-extensions",
            "tsa",
            "-out",
            "tsa.pem",
        )

    @property
    def roots(self) -> str:
        return str(self.folder / "root.pem")

    def openssl(self, *words: str) -> None:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()

    def answer(self, _: str, query: bytes) -> tuple[int, bytes]:
        (self.folder / "query").write_bytes(query)
        self.openssl(
            "ts",
            "-reply",
            "-queryfile",
            "query",
            "-signer",
            "tsa.pem",
            "-inkey",
            "tsa.key",
            "-config",
            "config",
            "-section",
            "own",
            "-out",
            "reply",
        )
        return 200, (self.folder / "reply").read_bytes()


@dataclass
class Onlooker:
    """A witness: cosigns what continues the checkpoint that it saw last, and nothing else."""

    log: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    size: int = 0
    root: bytes = b""

    @property
    def known(self) -> Witness:
        return Witness("witness.invalid/w1", self.key.public_key().public_bytes_raw())

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        assert path == "/add-checkpoint"
        head, _, note = body.partition(b"\n\n")
        old, *proof = head.decode().split("\n")
        checkpoint = open_checkpoint(note, self.log)
        if old != f"old {self.size}":
            return 409, f"{self.size}\n".encode()
        try:
            hashes = [base64.b64decode(each) for each in proof]
            if self.size:
                verify_consistency(self.size, self.root, checkpoint.size, checkpoint.root, hashes)
        except ProofInvalid:
            return 422, b""
        self.size, self.root = checkpoint.size, checkpoint.root
        text, _ = split_note(note)
        seconds = 1_772_442_000
        seal = seconds.to_bytes(8, "big") + self.key.sign(cosigned(text, seconds))
        line = f"— {self.known.name} {base64.b64encode(self.known.key_id + seal).decode()}\n"
        return 200, line.encode()


def log_key(kept: Kept, environment: dict[str, str]) -> str:
    from plugin.transparency import LogSigner
    from tests.product.world import rapport_settings

    settings = rapport_settings(kept.folder)
    return LogSigner(settings.log_name, settings.log_key).verifier


def audit(kept: Kept, environment: dict[str, str], *words: str) -> Done:
    return run(*words, "--config", str(kept.folder / "rapport.toml"), environment=environment)


def flaws_of(done: Done) -> list[tuple[str, str]]:
    import json

    assert done.stdout, done.error
    return [(each["flaw"], each["what"]) for each in json.loads(done.stdout)["findings"]]


@needs_openssl
def test_a_checkpoint_is_stamped_and_the_stamp_verifies(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "tsa")
    with answering(authority.answer) as address:
        done = audit(kept, environment, "log", "timestamp", address, "--tsa-roots", authority.roots)
    assert done.returncode == 0, done.error
    (stamp,) = kept.tiles.glob("kept/*.tsr")
    (note,) = kept.tiles.glob("kept/*.checkpoint")
    # OpenSSL itself says so, too.
    authority.openssl("ts", "-verify", "-data", str(note), "-in", str(stamp), "-CAfile", "root.pem")
    told = audit(kept, environment, "verify", "--tsa-roots", authority.roots)
    assert told.returncode == 0, told.stdout
    assert "1 time-stamps" in told.stdout
    assert "Not checked: 1 time-stamps" in audit(kept, environment, "verify").stdout


@needs_openssl
def test_a_stamp_verifies_as_the_page_says_when_a_witness_has_cosigned_since(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    authority, onlooker = Authority(tmp_path / "tsa"), Onlooker(log_key(kept, environment))
    with answering(authority.answer) as address:
        audit(kept, environment, "log", "timestamp", address, "--tsa-roots", authority.roots)
    with answering(onlooker.answer) as address:
        audit(kept, environment, "log", "witness", address, "--key", onlooker.known.verifier)
    (stamp,), (note,) = kept.tiles.glob("kept/*.tsr"), kept.tiles.glob("kept/*.checkpoint")
    lines = note.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    (authority.folder / "stamped").write_bytes(b"".join(lines[:5]))
    authority.openssl("ts", "-verify", "-data", "stamped", "-in", str(stamp), "-CAfile", "root.pem")


@needs_openssl
def test_a_stamp_of_another_authority_is_not_kept(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    with answering(one.answer) as address:
        done = audit(kept, environment, "log", "timestamp", address, "--tsa-roots", other.roots)
    assert done.returncode == 1
    assert "does not hold" in done.error
    assert not (kept.tiles / "kept").exists()


@needs_openssl
@pytest.mark.parametrize("what", ["stamp", "checkpoint", "stamp removed"])
def test_an_altered_stamp_or_stamped_checkpoint_is_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path, what: str
) -> None:
    authority = Authority(tmp_path / "tsa")
    with answering(authority.answer) as address:
        audit(kept, environment, "log", "timestamp", address, "--tsa-roots", authority.roots)
    (stamp,), (note,) = kept.tiles.glob("kept/*.tsr"), kept.tiles.glob("kept/*.checkpoint")
    if what == "stamp":
        whole = stamp.read_bytes()
        stamp.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    elif what == "checkpoint":
        note.write_bytes(note.read_bytes().replace(b"/log\n", b"/lag\n", 1))
    else:
        note.unlink()
    done = audit(kept, environment, "verify", "--json", "--tsa-roots", authority.roots)
    assert [flaw for flaw, _ in flaws_of(done)] == ["log"]


def test_a_witness_cosigns_what_continues_what_it_saw(kept: Kept, environment: dict[str, str]) -> None:
    onlooker = Onlooker(log_key(kept, environment))
    with answering(onlooker.answer) as address:
        words = ("log", "witness", address, "--key", onlooker.known.verifier)
        assert audit(kept, environment, *words).returncode == 0
        first = onlooker.size
        record(kept, 300, logged=True)
        done = audit(kept, environment, *words)
        assert done.returncode == 0, done.error
    assert onlooker.size > first > 0
    told = audit(kept, environment, "verify", "--witness", onlooker.known.verifier)
    assert told.returncode == 0, told.stdout
    assert "2 cosignatures checked" in told.stdout


def test_a_witness_that_saw_more_than_we_know_says_so_and_is_asked_again(
    kept: Kept, environment: dict[str, str]
) -> None:
    onlooker = Onlooker(log_key(kept, environment))
    with answering(onlooker.answer) as address:
        words = ("log", "witness", address, "--key", onlooker.known.verifier)
        audit(kept, environment, *words)
        shutil.rmtree(kept.tiles / "kept")
        record(kept, 300, logged=True)
        assert audit(kept, environment, *words).returncode == 0


def test_a_witness_does_not_cosign_a_log_that_was_made_anew(kept: Kept, environment: dict[str, str]) -> None:
    onlooker = Onlooker(log_key(kept, environment))
    with answering(onlooker.answer) as address:
        words = ("log", "witness", address, "--key", onlooker.known.verifier)
        onlooker.size, onlooker.root = 3, b"\0" * 32  # another log of the same name and key
        done = audit(kept, environment, *words)
    assert done.returncode == 1
    assert "refused the checkpoint (422)" in done.error


def test_a_cosignature_by_another_key_is_not_kept(kept: Kept, environment: dict[str, str]) -> None:
    onlooker = Onlooker(log_key(kept, environment))
    other = Onlooker("", Ed25519PrivateKey.generate())
    with answering(onlooker.answer) as address:
        done = audit(kept, environment, "log", "witness", address, "--key", other.known.verifier)
    assert done.returncode == 1
    assert not (kept.tiles / "kept").exists()


def test_a_log_that_does_not_continue_a_kept_checkpoint_is_named(
    kept: Kept, environment: dict[str, str]
) -> None:
    from tests.audit.test_tampering import restore

    onlooker = Onlooker(log_key(kept, environment))
    with answering(onlooker.answer) as address:
        audit(kept, environment, "log", "witness", address, "--key", onlooker.known.verifier)
    outside = kept.folder / "outside"
    shutil.copytree(kept.tiles / "kept", outside)
    restore(kept, log=True)
    assert flaws_of(audit(kept, environment, "verify", "--json")) == []
    shutil.copytree(outside, kept.tiles / "kept")
    (found,) = flaws_of(audit(kept, environment, "verify", "--json"))
    assert found[0] == "log"


def test_an_altered_cosignature_is_named(kept: Kept, environment: dict[str, str]) -> None:
    onlooker = Onlooker(log_key(kept, environment))
    with answering(onlooker.answer) as address:
        audit(kept, environment, "log", "witness", address, "--key", onlooker.known.verifier)
    (note,) = kept.tiles.glob("kept/*.checkpoint")
    text, lines = split_note(note.read_bytes())
    raw = bytearray(base64.b64decode(lines[1].rpartition(" ")[2]))
    raw[6] ^= 1  # another time
    forged = f"— {onlooker.known.name} {base64.b64encode(bytes(raw)).decode()}"
    note.write_bytes(f"{text}\n{lines[0]}\n{forged}\n".encode())
    asked = ("verify", "--json", "--witness", onlooker.known.verifier)
    assert [flaw for flaw, _ in flaws_of(audit(kept, environment, *asked))] == ["log"]
