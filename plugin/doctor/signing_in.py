"""What an EHR's SMART configuration means for Rapport. Pure."""

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from plugin.doctor.asking import Answer
from plugin.doctor.examination import Finding, Level

_TOPIC = "Signing in"
_METHODS = {
    "private_key_jwt": "client-confidential-asymmetric",
    "client_secret": "client-confidential-symmetric",
    "public": "client-public",
}
_WORDS = {
    "private_key_jwt": "signed assertions (private_key_jwt)",
    "client_secret": "a secret",
    "public": "no secret",
}


class SmartDocument(msgspec.Struct):
    """A SMART configuration as it came, nothing checked."""

    token_endpoint: str | None = None
    authorization_endpoint: str | None = None
    introspection_endpoint: str | None = None
    jwks_uri: str | None = None
    issuer: str | None = None
    capabilities: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignIn:
    """What signing in comes to: findings, hosts besides the EHR's own, how to authenticate, whether backend services are there."""

    findings: tuple[Finding, ...]
    other_hosts: tuple[str, ...] = ()
    authentication: str = "private_key_jwt"
    backend: bool = False

    @property
    def works(self) -> bool:
        """Whether a launch can work."""
        return all(each.level is not Level.FAILS for each in self.findings)


def read_sign_in(issuer: str, answer: Answer, allowed: frozenset[str]) -> SignIn:
    """Read the configuration; `allowed` are hosts besides the issuer's own that the operator allows."""
    if answer.status != httpx.codes.OK:
        return SignIn((_no_configuration(answer.status),))
    try:
        document = msgspec.json.decode(answer.body, type=SmartDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = "The SMART configuration is not JSON of the expected form."
        return SignIn((_fails(text, "Tell the EHR's vendor."),))
    others = _other_hosts(issuer, document)
    authentication = next((name for name, code in _METHODS.items() if code in document.capabilities), "")
    findings = [
        *_endpoints(document),
        *_launching(document),
        *_authenticating(authentication),
        *_places(issuer, document, tuple(each for each in others if each not in allowed)),
        *_lasting(document),
    ]
    return SignIn(
        tuple(findings),
        others,
        authentication or "private_key_jwt",
        "client_credentials" in document.grant_types_supported,
    )


def _no_configuration(status: int) -> Finding:
    return _fails(
        f"There is no SMART configuration (.well-known/smart-configuration answers {status}).",
        "Rapport is launched by SMART App Launch 2: a bare FHIR server needs a SMART server in front of it. "
        "Ask the vendor for the SMART endpoint, which may have another address than the FHIR base.",
    )


def _endpoints(document: SmartDocument) -> list[Finding]:
    missing = [
        name
        for name, value in (
            ("authorization", document.authorization_endpoint),
            ("token", document.token_endpoint),
        )
        if value is None
    ]
    if missing:
        named = " and ".join(missing)
        return [_fails(f"The SMART configuration names no {named} endpoint.", "Tell the EHR's vendor.")]
    return []


def _launching(document: SmartDocument) -> list[Finding]:
    found = []
    if "S256" in document.code_challenge_methods_supported:
        found.append(_works("SMART App Launch with PKCE (S256)."))
    else:
        text = "PKCE with S256 is not offered, without which a launch is not safe."
        found.append(_fails(text, "The EHR needs SMART App Launch 2: tell the vendor."))
    if "launch-ehr" in document.capabilities:
        found.append(_works("Launch from the chart."))
    else:
        text = "Launch from the chart (launch-ehr) is not declared."
        found.append(_look(text, "Ask the vendor whether apps can be opened from the chart."))
    if "context-ehr-patient" not in document.capabilities:
        text = "That a launch brings the patient (context-ehr-patient) is not declared."
        found.append(_look(text, "Rapport needs the patient: ask the vendor."))
    return found


def _authenticating(authentication: str) -> list[Finding]:
    if not authentication:
        text = "How an app authenticates is not declared."
        return [_look(text, "private_key_jwt is written below: ask the vendor.")]
    return [_works(f"Rapport can authenticate with {_WORDS[authentication]}.")]


def _places(issuer: str, document: SmartDocument, foreign: tuple[str, ...]) -> list[Finding]:
    found = []
    if foreign:
        named = ", ".join(foreign)
        text = f"Signing in leads to another host: {named}. It was not contacted."
        remedy = (
            "If it is the EHR's, the section below names it in extra_hosts; --allow lets the doctor ask it."
        )
        found.append(_look(text, remedy))
    issuer_host = urlsplit(document.issuer or "").netloc
    if issuer_host and issuer_host != urlsplit(issuer).netloc:
        text = f"The issuer of its id_tokens is on another host ({issuer_host})."
        found.append(_look(text, "Nothing to do: its keys are read from the configured hosts."))
    return found


def _lasting(document: SmartDocument) -> list[Finding]:
    if "client_credentials" in document.grant_types_supported:
        return [_works("Rapport can have a token of its own (Backend Services).")]
    text = "Tokens of Rapport's own (Backend Services) are not declared."
    remedy = "A result that cannot be delivered while the clinician is signed in waits for the next launch."
    return [_look(text, remedy)]


def _other_hosts(issuer: str, document: SmartDocument) -> tuple[str, ...]:
    named = (
        document.authorization_endpoint,
        document.token_endpoint,
        document.jwks_uri,
        document.introspection_endpoint,
    )
    hosts = {urlsplit(urljoin(f"{issuer}/", each)).netloc for each in named if each}
    return tuple(sorted(hosts - {urlsplit(issuer).netloc, ""}))


def _works(text: str) -> Finding:
    return Finding(_TOPIC, Level.WORKS, text)


def _look(text: str, remedy: str) -> Finding:
    return Finding(_TOPIC, Level.LOOK, text, remedy)


def _fails(text: str, remedy: str) -> Finding:
    return Finding(_TOPIC, Level.FAILS, text, remedy)
