"""`rapport serve` speaks https itself: the way from the proxy to it is encrypted and checked."""

import datetime
import os
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plugin.commands.serving import read_tls
from plugin.errors import SettingsInvalid
from tests.audit.conftest import configure
from tests.ports import free_port
from tests.terminal import ROOT, command_line

PATIENCE = 60  # seconds


def write_certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, private


@contextmanager
def _serve(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Serve https on this machine; gives the port and the certificate.

    OpenSSL is set up as an old machine's may be: it allows every version, as some distributions leave it to Python's.
    """
    chain, key = write_certificate(tmp_path)
    lenient = tmp_path / "openssl.cnf"
    lenient.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n"
        "[old]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n"
    )
    port = free_port()
    served = ("serve", "--config", tmp_path / "rapport.toml", "--port", port)
    command = command_line(*served, "--tls-certificate", chain, "--tls-key", key)
    environment = {**os.environ, **configure(tmp_path), "OPENSSL_CONF": str(lenient)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield port, chain
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_serve_speaks_tls_itself(tmp_path: Path) -> None:
    with _serve(tmp_path) as (port, chain):
        trusting = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(verify=trusting, base_url=f"https://localhost:{port}") as proxy:
            assert _ready(proxy).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{port}/health/live")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://localhost:{port}/health/live")  # not trusted without its certificate
        _check_versions(port, chain)


def _check_versions(port: int, chain: Path) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert _shake_hands(port, chain, version)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError):
            _shake_hands(port, chain, version)


def _shake_hands(port: int, chain: Path, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cafile=str(chain))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # without it OpenSSL itself offers nothing as old
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("localhost", port)) as bare,
        context.wrap_socket(bare, server_hostname="localhost") as spoken,
    ):
        return spoken.version()


def _ready(proxy: httpx.Client) -> httpx.Response:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return proxy.get("/health/live")
        except httpx.ConnectError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def test_one_file_without_the_other_does_not_start(tmp_path: Path) -> None:
    chain, _ = write_certificate(tmp_path)
    with pytest.raises(SettingsInvalid, match="only one is given"):
        read_tls(chain, None)


def test_files_that_do_not_belong_together_do_not_start(tmp_path: Path) -> None:
    chain, _ = write_certificate(tmp_path)
    _, other = write_certificate(tmp_path, "elsewhere")
    with pytest.raises(SettingsInvalid, match="cannot be served with"):
        read_tls(chain, other)


def test_a_key_with_a_password_does_not_start(tmp_path: Path) -> None:
    chain, private = write_certificate(tmp_path)
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    sealed = serialization.BestAvailableEncryption(b"secret")
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    )
    with pytest.raises(SettingsInvalid, match="encrypted"):
        read_tls(chain, private)
