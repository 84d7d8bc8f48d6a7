"""Every reader of what comes from outside, given altered samples: it reads, or refuses with an error of its own."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.ehr import Ehr, EhrError
from plugin.errors import RapportError
from plugin.responses import ResponseError, check_response, read_response
from plugin.scores import compile_key
from plugin.scores.errors import ScoringError
from plugin.scores.syntax import parse
from plugin.settings import read_settings
from questionnaires import Catalogue, CatalogueError, load_catalogue, load_instrument
from sandbox_ehr.errors import FhirRefused
from sandbox_ehr.fhir.json_text import decode
from smart_launch import Site, SmartError, discover
from smart_launch.token_answer import read_token_answer
from tests.altering import ODD_TEXT, alter, alter_bytes
from tests.product.forms import response_of
from tests.product.world import EHR, rapport_settings
from tests.settings.test_settings import MINIMAL, SECRET, WRITES

PER_READER = 150
DEEP = b'{"resourceType": "Bundle", "type": "searchset", "more": ' + b"[" * 60_000 + b"]" * 60_000 + b"}"
FORM = files("questionnaires") / "instruments" / "rapport-checkin-child" / "questionnaire.json"
CONFIGURATION = {
    "issuer": EHR,
    "authorization_endpoint": f"{EHR}/auth/authorize",
    "token_endpoint": f"{EHR}/auth/token",
    "introspection_endpoint": f"{EHR}/auth/introspect",
    "jwks_uri": f"{EHR}/auth/jwks",
    "capabilities": ["launch-ehr", "client-confidential-asymmetric"],
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code"],
}
TOKEN = {
    "access_token": "a" * 40,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "launch patient/Patient.r",
    "patient": "1001",
    "encounter": "1",
    "need_patient_banner": True,
    "smart_style_url": f"{EHR}/style.json",
    "fhirContext": [{"reference": "QuestionnaireResponse/1", "role": "launch"}],
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "searchset",
    "link": [{"relation": "next", "url": f"{EHR}/r4?page=2"}],
    "entry": [
        {
            "fullUrl": f"{EHR}/r4/Patient/1",
            "search": {"mode": "match"},
            "resource": {"resourceType": "Patient", "id": "1"},
        }
    ],
}


def chances() -> st.SearchStrategy[random.Random]:
    return st.integers(0, 2**32).map(random.Random)


def bounded(examples: int = PER_READER) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(max_examples=examples, deadline=None, database=None, derandomize=True)


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


@cache
def site() -> Site:
    return rapport_settings(Path("nowhere")).sites["sandbox"]


def written(sample: object) -> bytes:
    return json.dumps(sample).encode()


def client(content: bytes, status: int = 200) -> httpx.AsyncClient:
    """Make a client to whom everybody answers the same."""
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status, content=content)))


@bounded(400)
@given(chance=chances())
def test_responses(chance: random.Random) -> None:
    with suppress(ResponseError, CatalogueError):
        response = read_response(alter(chance, written(response_of("1001"))))
        check_response(response, catalogue().by_canonical(response.questionnaire), patient="Patient/1001")


@bounded(40)
@given(chance=chances())
def test_questionnaires(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    form = tmp_path_factory.mktemp("form") / "form.json"
    form.write_bytes(alter(chance, FORM.read_bytes()))
    with suppress(CatalogueError):
        compile_key(load_instrument(form))


@bounded()
@given(chance=chances())
def test_settings(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    file = tmp_path_factory.mktemp("settings") / "rapport.toml"
    file.write_bytes(alter_bytes(chance, (MINIMAL + WRITES).encode()))
    with suppress(RapportError):
        read_settings(file, {"RAPPORT_SECRET_KEY": SECRET, "RAPPORT_SITE_CLINIC_COMPANION_SECRET": "x" * 40})


EXPRESSIONS = tuple(
    str(each.expression)
    for instrument in load_catalogue().all()
    for each in instrument.scores
    if each.expression
)


@bounded(400)
@given(chance=chances(), text=st.none() | st.text(max_size=60))
def test_expressions(chance: random.Random, text: str | None) -> None:
    altered = alter_bytes(chance, chance.choice(EXPRESSIONS).encode()).decode("utf-8", "replace")
    with suppress(ScoringError):
        parse(altered if text is None else text)


@bounded()
@given(chance=chances())
def test_discovery(chance: random.Random) -> None:
    with suppress(SmartError):
        asyncio.run(discover(site(), client(alter(chance, written(CONFIGURATION)))))


@bounded()
@given(chance=chances(), status=st.sampled_from((200, 200, 200, 400, 401, 500)))
def test_token_answers(chance: random.Random, status: int) -> None:
    with suppress(SmartError):
        read_token_answer(site(), httpx.Response(status, content=alter(chance, written(TOKEN))))


@bounded()
@given(chance=chances())
def test_bundles_of_the_ehr(chance: random.Random) -> None:
    ehr = Ehr(f"{EHR}/r4", "token", client(alter(chance, written(BUNDLE))))
    with suppress(EhrError):
        asyncio.run(ehr.search("Patient", {}))


@bounded()
@given(chance=chances())
def test_what_the_sandbox_ehr_is_sent(chance: random.Random) -> None:
    with suppress(FhirRefused):
        decode(alter(chance, written(BUNDLE)))


@given(canonical=st.sampled_from(ODD_TEXT) | st.text())
def test_canonical_addresses(canonical: str) -> None:
    for asked in (canonical, f"{catalogue().all()[0].url}|{canonical}"):
        catalogue().nearest(asked)
        with pytest.raises(CatalogueError):
            catalogue().by_canonical(asked)


@pytest.mark.parametrize("content", [DEEP, b"[" * 100_000, b'{"a": "\xff"}', b"", b"\x00"])
def test_what_is_nested_too_deeply_or_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(SmartError):
        asyncio.run(discover(site(), client(content)))
    with pytest.raises(SmartError):
        read_token_answer(site(), httpx.Response(200, content=content))
    with pytest.raises(EhrError):
        asyncio.run(Ehr(f"{EHR}/r4", "token", client(content)).search("Patient", {}))
    with pytest.raises(ResponseError):
        read_response(content)
    with pytest.raises(FhirRefused):
        decode(content)
