"""The doctor where something is wrong: one clear sentence each, and nobody contacted who was not named."""

import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.doctor import Examination, Level, Verdict, examine
from sandbox_ehr.faults import FaultKind, FaultSpec
from tests.doctor.ehrs import NOW
from tests.sandbox_ehr.conftest import Now, settings
from tests.sandbox_ehr.serving import serving
from tests.terminal import run_rapport

BASE = "https://ehr.invalid/r4"
STATEMENT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "resource": [{"type": "Patient", "interaction": [{"code": "read"}]}]}],
}
SMART: dict[str, Any] = {
    "authorization_endpoint": "https://ehr.invalid/authorize",
    "token_endpoint": "https://ehr.invalid/token",
    "capabilities": ["launch-ehr", "context-ehr-patient", "client-public"],
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code"],
}


async def examined(issuer: str = BASE, *, patience: float = 5, **more: Any) -> Examination:
    async with httpx.AsyncClient(timeout=patience) as http:
        return await examine(issuer, http, NOW, **more)


def failures(found: Examination) -> str:
    assert found.verdict is Verdict.UNUSABLE
    failed = [each for each in found.findings if each.level is Level.FAILS]
    assert all(each.remedy for each in failed)
    return " ".join(each.text for each in failed)


def mock(metadata: httpx.Response | None = None, smart: httpx.Response | None = None) -> None:
    respx.get(f"{BASE}/metadata").mock(return_value=metadata or httpx.Response(200, json=STATEMENT))
    respx.get(f"{BASE}/.well-known/smart-configuration").mock(
        return_value=smart or httpx.Response(200, json=SMART)
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ehr.invalid/r4", "not the address of a FHIR server"),
        ("ftp://ehr.invalid", "not the address of a FHIR server"),
        ("https://ehr.invalid/r4?x=1", "not the address of a FHIR server"),
        ("http://ehr.invalid/r4", "plain http"),
        ("https://user:pass@ehr.invalid/r4", "name or password"),
    ],
)
async def test_an_address_that_cannot_be_one(typed: str, said: str) -> None:
    assert said in failures(await examined(typed))


@pytest.mark.parametrize("tail", ["", "/", "/metadata", "/.well-known/smart-configuration"])
@respx.mock
async def test_the_base_is_meant_however_it_was_typed(tail: str) -> None:
    mock()
    assert (await examined(BASE + tail)).issuer == BASE


async def test_a_host_that_does_not_exist() -> None:
    assert "There is no host no-such.invalid" in failures(await examined("https://no-such.invalid/r4"))


async def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert f"127.0.0.1:{port} cannot be reached" in failures(await examined(f"http://127.0.0.1:{port}/r4"))


async def test_a_server_that_takes_the_question_and_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/r4"
        assert "did not answer in time" in failures(await examined(address, patience=0.3))


async def test_a_connection_that_breaks() -> None:
    spec = FaultSpec(kind=FaultKind.RESET_BEFORE_COMMIT)
    with serving(settings(seed=False), Now(), faults=(spec,)) as address:
        assert "broke the connection" in failures(await examined(f"{address}/r4"))


async def test_a_slow_server_is_told_and_not_refused() -> None:
    spec = FaultSpec(kind=FaultKind.LATENCY, seconds=0.3)
    with serving(settings(seed=False), Now(), faults=(spec,)) as address:
        found = await examined(f"{address}/r4", slow_after=0.2)
    assert any("answers slowly" in each.text for each in found.findings)
    assert found.verdict is Verdict.WRITES


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An https server whose certificate nobody signed but itself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain, pkcs8, pem = (
        serialization.NoEncryption(),
        serialization.PrivateFormat.PKCS8,
        serialization.Encoding.PEM,
    )
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, plain))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is meant
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}/r4"
    server.shutdown()
    server.server_close()


async def test_a_certificate_that_is_not_trusted(untrusted: str) -> None:
    said = failures(await examined(untrusted))
    assert "The TLS connection to localhost" in said
    assert "self-signed certificate" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, html="<html>portal</html>"), "text/html, and no CapabilityStatement"),
        (httpx.Response(200, json={"resourceType": "Patient"}), "no CapabilityStatement"),
        (httpx.Response(404), "HTTP 404"),
        (httpx.Response(200, json={**STATEMENT, "fhirVersion": "3.0.2"}), "FHIR 3.0.2"),
        (
            httpx.Response(302, headers={"Location": "https://elsewhere.invalid/x"}),
            "redirects to elsewhere.invalid",
        ),
    ],
)
@respx.mock
async def test_what_is_not_a_fhir_server(answer: httpx.Response, said: str) -> None:
    mock(metadata=answer)
    assert said in failures(await examined())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(404), "no SMART configuration"),
        (httpx.Response(200, text="<html>"), "not JSON"),
        (
            httpx.Response(200, json={**SMART, "code_challenge_methods_supported": ["plain"]}),
            "PKCE with S256",
        ),
        (httpx.Response(200, json={**SMART, "token_endpoint": None}), "no token endpoint"),
    ],
)
@respx.mock
async def test_a_server_without_usable_smart(answer: httpx.Response, said: str) -> None:
    mock(smart=answer)
    found = await examined()
    assert said in failures(found)
    assert (found.section, found.planned) == ("", ())


@respx.mock
async def test_another_host_is_named_and_not_contacted() -> None:
    mock(smart=httpx.Response(200, json={**SMART, "token_endpoint": "https://login.invalid/token"}))
    elsewhere = respx.route(host="login.invalid").mock(return_value=httpx.Response(500))
    found = await examined()
    assert any("login.invalid. It was not contacted." in each.text for each in found.findings)
    assert 'extra_hosts = ["login.invalid"]' in found.section
    assert not elsewhere.called
    allowed = await examined(allowed=frozenset({"login.invalid"}))
    assert not any("was not contacted" in each.text for each in allowed.findings)


@respx.mock
async def test_a_patient_that_cannot_be_read_is_a_failure() -> None:
    rest = [{"mode": "server", "resource": [{"type": "Observation", "interaction": [{"code": "read"}]}]}]
    mock(metadata=httpx.Response(200, json={**STATEMENT, "rest": rest}))
    assert "Patient" in failures(await examined())


def run(*arguments: str) -> tuple[int, str]:
    done = run_rapport("doctor", *arguments)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("personality", "status"), [("full", 0), ("read-only", 3)])
def test_the_command_tells_scripts_by_its_exit_status(personality: str, status: int) -> None:
    with serving(settings(seed=False), Now(), personality=personality) as address:
        code, printed = run(f"{address}/r4", "--json")
    assert code == status
    assert json.loads(printed)["verdict"] == ("writes" if status == 0 else "reads")


def test_the_command_says_what_is_wrong_without_a_traceback() -> None:
    code, printed = run("ehr.invalid")
    assert code == 1
    assert "This is not the address of a FHIR server." in printed
    assert "Traceback" not in printed


def test_the_command_names_a_missing_site(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    code, printed = run(BASE, "--config", str(missing))
    assert code == 1
    assert "There is no configuration file" in printed
