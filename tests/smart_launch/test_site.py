"""Which servers exist for us."""

from typing import Any

import pytest

from smart_launch import ClientSecret, PrivateKeyJwt, Sites, UnknownIssuer
from tests.smart_launch.authorization_server import BASE, make_site


@pytest.mark.parametrize(("configured", "iss"), [(BASE, BASE), (BASE, f"{BASE}/"), (f"{BASE}/", BASE)])
def test_an_issuer_is_found_with_or_without_its_last_slash(configured: str, iss: str) -> None:
    site = make_site(fhir_base=configured)
    assert Sites([site]).find(iss) is site


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "https://evil.invalid/fhir/r4",
        f"{BASE}//",
        f"{BASE}?x=1",
        f"{BASE}#x",
        BASE.upper(),
        BASE.replace("https", "http"),
        BASE.removesuffix("/r4"),
        f"{BASE}/../r4",
        f"{BASE}/Patient",
        BASE.replace("ehr.invalid", "ehr.invalid:443"),
        BASE.replace("ehr.invalid", "ehr.invalid@evil.invalid"),
    ],
)
def test_any_other_issuer_is_unknown(iss: str) -> None:
    with pytest.raises(UnknownIssuer) as caught:
        Sites([make_site()]).find(iss)
    assert caught.value.reason == "unknown-issuer"
    assert not iss or iss not in str(caught.value)


def test_sites_are_a_mapping_by_id() -> None:
    sites = Sites([make_site(), make_site(id="other", fhir_base="https://other.invalid/fhir")])
    assert "other" in sites
    assert list(sites) == ["clinic", "other"]
    assert sites["clinic"].fhir_base == BASE
    assert len(sites) == 2


@pytest.mark.parametrize("changes", [{"fhir_base": "https://other.invalid"}, {"id": "other"}])
def test_an_id_or_base_that_stands_twice_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="same"):
        Sites([make_site(), make_site(**changes)])


@pytest.mark.parametrize(
    "changes",
    [
        {"fhir_base": "http://ehr.invalid/fhir"},
        {"fhir_base": "http://ehr.invalid/fhir", "allow_http_loopback": True},
        {"fhir_base": "http://127.0.0.1:8700/r4"},
        {"fhir_base": "ftp://ehr.invalid/fhir"},
        {"fhir_base": "https:///fhir"},
        {"fhir_base": "https://user@ehr.invalid/fhir"},
        {"fhir_base": "https://ehr.invalid/fhir?a=b"},
        {"fhir_base": "https://ehr.invalid:port/fhir"},
        {"extra_hosts": ("https://login.invalid",)},
        {"extra_hosts": ("login.invalid/path",)},
        {"extra_hosts": ("",)},
    ],
)
def test_a_site_with_an_address_that_may_never_be_used_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="clinic"):
        make_site(**changes)


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost:8700", "[::1]:8700"])
def test_plain_http_is_possible_on_loopback_if_allowed(host: str) -> None:
    assert make_site(fhir_base=f"http://{host}/r4", allow_http_loopback=True).base == f"http://{host}/r4"


@pytest.mark.parametrize("secret", ["", "line\nbreak", "ümlaut"])
def test_a_secret_that_basic_cannot_carry_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="client secret"):
        ClientSecret(secret)


def test_private_key_jwt_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PrivateKeyJwt(())


def test_the_secret_stays_out_of_the_repr() -> None:
    assert "s3cret" not in repr(make_site(authentication=ClientSecret("s3cret")))
