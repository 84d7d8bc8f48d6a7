"""Asks an EHR for a document, and says in a sentence what went wrong if it does not come."""

import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from plugin.doctor.examination import Finding, Level
from plugin.settings import is_loopback

SLOW = 2.0  # seconds; a launch waits for two such answers
_LARGEST = 8 * 1024 * 1024  # bytes


class NoAnswer(Exception):
    """The document did not come; `finding` says why and what to do."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Answer:
    """What came, and after how many seconds."""

    status: int
    media_type: str
    body: bytes
    seconds: float


def check_issuer(typed: str) -> str:
    """Give the FHIR base that was meant; NoAnswer if the address cannot be one."""
    for tail in ("/metadata", "/.well-known/smart-configuration", "/"):
        typed = typed.removesuffix(tail)
    parts = urlsplit(typed)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise _no(
            "This is not the address of a FHIR server.",
            "Give its FHIR R4 base, such as https://ehr.example.org/fhir/r4.",
        )
    if parts.username or parts.password:
        raise _no(
            "The address holds a name or password.", "Leave them out: nothing secret belongs into an address."
        )
    if parts.scheme == "http" and not is_loopback(typed):
        raise _no("The address is plain http.", "Use https: tokens and health data must not travel openly.")
    return typed


async def ask(http: httpx.AsyncClient, address: str, accept: str) -> Answer:
    """GET a document, no redirects followed; NoAnswer if nothing usable comes."""
    started = time.monotonic()
    try:
        async with http.stream(
            "GET", address, headers={"Accept": accept}, follow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST:
                    raise _no(
                        f"The answer is larger than {_LARGEST // 1024 // 1024} MB.", "Check the address."
                    )
    except httpx.HTTPError as error:
        raise _explain(error, address) from None
    if response.is_redirect:
        target = urlsplit(response.headers.get("location", "")).netloc or "another address"
        raise _no(
            f"The address redirects to {target}, which is not followed.",
            "Type the final address; if it is the EHR's, that is the one to configure.",
        )
    media_type = response.headers.get("content-type", "").partition(";")[0]
    return Answer(response.status_code, media_type, bytes(body), time.monotonic() - started)


def _explain(error: httpx.HTTPError, address: str) -> NoAnswer:
    host = urlsplit(address).netloc
    causes = _causes(error)
    certificate = next((each for each in causes if isinstance(each, ssl.SSLError)), None)
    if certificate is not None:
        reason = getattr(certificate, "verify_message", "") or certificate.reason or "unknown reason"
        return _no(
            f"The TLS connection to {host} failed: {reason}.",
            "Have the EHR's administrator install a certificate that this machine trusts; "
            "for an authority of your own set SSL_CERT_FILE.",
        )
    if any(type(each).__name__ == "gaierror" for each in causes):
        return _no(
            f"There is no host {host}.", "Check the spelling, and whether this machine may look it up."
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _no(
            f"{host} cannot be reached.",
            "Check address, port and firewall: Rapport's server has to reach the EHR, not only your browser.",
        )
    if isinstance(error, httpx.TimeoutException):
        return _no(
            f"{host} took the question and did not answer in time.",
            "Try again, or with a longer --timeout; tell the EHR's administrator if it stays.",
        )
    return _no(f"{host} broke the connection.", "Try again; tell the EHR's administrator if it stays.")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < 10:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _no(text: str, remedy: str) -> NoAnswer:
    return NoAnswer(Finding("Connection", Level.FAILS, text, remedy))
