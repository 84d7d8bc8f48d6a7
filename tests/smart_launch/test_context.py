"""The launch context that comes out."""

from typing import Any

import httpx
import msgspec
import pytest

from smart_launch import ContextIdentifier, ContextItem, LaunchContext, PendingLaunch, begin, discover
from tests.smart_launch.authorization_server import NOW, Server, make_site


async def test_a_launch_says_who_asks_for_whom_where(server: Server, http: httpx.AsyncClient) -> None:
    context = await server.launch(http, sub="user-1")
    assert (context.site_id, context.patient, context.encounter) == ("clinic", "mia", "visit-1")
    assert context.user is not None
    assert context.user.reference == "Practitioner/dr-1"
    assert context.granted.allows("Observation", "rs")
    assert not context.granted.allows("Observation", "c")
    assert context.launched_at == NOW


async def test_a_server_that_names_no_patient_gives_a_context_without(
    server: Server, http: httpx.AsyncClient
) -> None:
    del server.answer["patient"], server.answer["encounter"]
    context = await server.launch(http)
    assert (context.patient, context.encounter) == (None, None)


@pytest.mark.parametrize(
    ("said", "shown"),
    [(True, True), (False, False), ("true", True), ("false", False), (None, True), (0, True)],
)
async def test_the_banner_is_shown_unless_the_server_says_not(
    server: Server, http: httpx.AsyncClient, said: object, shown: bool
) -> None:
    server.answer["need_patient_banner"] = said
    assert (await server.launch(http)).need_patient_banner is shown


async def test_hints_are_passed_on(server: Server, http: httpx.AsyncClient) -> None:
    server.answer |= {
        "intent": "new-form",
        "tenant": "t-1",
        "smart_style_url": "https://ehr.invalid/style.json",
        "fhirContext": [
            {"reference": "Questionnaire/q", "role": "https://app.invalid/role"},
            {"canonical": "https://app.invalid/Questionnaire/q|1", "type": "Questionnaire"},
            {"identifier": {"system": "urn:x", "value": "1"}},
        ],
    }
    context = await server.launch(http)
    assert (context.intent, context.tenant) == ("new-form", "t-1")
    assert context.style_url == "https://ehr.invalid/style.json"
    assert context.fhir_context == (
        ContextItem(reference="Questionnaire/q", role="https://app.invalid/role"),
        ContextItem(canonical="https://app.invalid/Questionnaire/q|1", type="Questionnaire"),
        ContextItem(identifier=ContextIdentifier(system="urn:x", value="1")),
    )
    assert [each.role for each in context.fhir_context] == ["https://app.invalid/role", "launch", "launch"]


@pytest.mark.parametrize(
    "hints",
    [
        {"intent": 7, "tenant": [], "smart_style_url": {}, "fhirContext": "Patient/1"},
        {"intent": "", "smart_style_url": "javascript:alert(1)", "fhirContext": [{}, 7, {"reference": 1}]},
        {"smart_style_url": "http://ehr.invalid/style.json", "fhirContext": {"reference": "Patient/1"}},
        {"smart_style_url": "https://ehr.invalid:x/style.json", "fhirContext": [{"identifier": "x"}]},
    ],
)
async def test_a_malformed_hint_is_left_out_and_the_launch_goes_on(
    server: Server, http: httpx.AsyncClient, hints: dict[str, Any]
) -> None:
    server.answer |= hints
    context = await server.launch(http)
    assert (context.intent, context.tenant, context.style_url, context.fhir_context) == (None, None, None, ())


async def test_context_and_pending_launch_can_be_stored(server: Server, http: httpx.AsyncClient) -> None:
    server.answer["fhirContext"] = [{"reference": "Questionnaire/q"}]
    context = await server.launch(http, sub="user-1")
    assert msgspec.json.decode(msgspec.json.encode(context), type=LaunchContext) == context
    pending = begin(make_site(), await discover(make_site(), http), launch="xyz", now=NOW).pending
    assert msgspec.json.decode(msgspec.json.encode(pending), type=PendingLaunch) == pending


async def test_no_secret_stands_in_any_repr(server: Server, http: httpx.AsyncClient) -> None:
    site = make_site()
    configuration = await discover(site, http)
    begun = begin(site, configuration, launch="xyz-s3cret", now=NOW)
    context = await server.launch(http, sub="user-1")
    shown = f"{configuration!r} {begun!r} {context!r}"
    assert context.tokens.id_token is not None
    secrets = (begun.state, begun.pending.verifier, begun.pending.nonce, context.tokens.id_token, "s3cret")
    assert not [secret for secret in secrets if secret and secret in shown]
