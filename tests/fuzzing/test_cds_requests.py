"""Calls and feedback of CDS Hooks as no EHR writes them: cards, or a refusal with its reason; never an error of our own.

Whoever calls has the EHR's signature: what is odd is the body, and above all what the EHR sends along.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.altering import ODD_TEXT, alter
from tests.product.test_cds_hooks import CLIENT, VISIT, any_fall_of, call, chart, key_of, token
from tests.product.test_personalities import send_form, settled
from tests.product.world import CDS, RAPPORT, World, run_world

EXAMPLES = 250
HOOKS = ("patient-view", "encounter-start")
LONGEST_SUMMARY = 140  # characters, CDS Hooks 2.0, card attributes
Json = dict[str, Any]


@dataclass
class Service:
    """A running service, a patient who has answered, and the EHR's key."""

    runner: asyncio.Runner
    world: World
    patient: str
    key: Any
    card: str = ""

    def post(self, address: str, body: bytes) -> httpx.Response:
        """Send a body as the EHR does."""
        signed = token(self.world, self.key, aud=address)
        headers = {"Authorization": f"Bearer {signed}", "Content-Type": "application/json"}
        headers["Accept"] = "application/json"
        return self.runner.run(self.world.browser.post(address, content=body, headers=headers))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    async def furnish(world: World) -> str:
        await chart(world)
        await settled(world, await send_form(world))
        world.clock.pass_time(days=7)
        return (await world.people())["amara"]

    with asyncio.Runner() as runner:
        folder = tmp_path_factory.mktemp("cds")
        running = run_world(folder, cds=CLIENT, interpretation=any_fall_of("rapport-checkin-child", folder))
        world = runner.run(running.__aenter__())
        patient = runner.run(furnish(world))
        service = Service(runner, world, patient, key_of(world))
        made = call(patient)
        made["context"]["encounterId"] = "another"
        service.card = service.post(CDS, json.dumps(made).encode()).json()["cards"][0]["uuid"]
        yield service
        runner.run(running.__aexit__(None, None, None))


def bounded(test: Any) -> Any:
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    kept = settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=quiet
    )
    return kept(test)


texts = st.one_of(st.text(max_size=40), st.sampled_from([each for each in ODD_TEXT if each != "\ud800"]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def sometimes(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give what is usual, and now and then anything."""
    return st.one_of(usual, usual, usual, values)


def members(**usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Give objects with some of these members, and now and then another."""
    named = st.fixed_dictionaries({}, optional={name: sometimes(each) for name, each in usual.items()})
    return st.builds(lambda one, more: {**more, **one}, named, st.dictionaries(texts, values, max_size=1))


moments = st.one_of(st.datetimes().map(lambda each: f"{each.isoformat()}Z"), st.dates().map(str), texts)
encounters = members(
    resourceType=st.just("Encounter"),
    id=st.sampled_from([VISIT, "another", ""]),
    status=st.sampled_from(["finished", "in-progress", "planned"]),
    **{"class": members(code=st.sampled_from(["AMB", "VR"]))},
    period=members(start=moments, end=moments),
    participant=st.lists(members(individual=members(reference=texts)), max_size=3),
)
bundles = members(
    resourceType=st.just("Bundle"), entry=st.lists(members(resource=sometimes(encounters)), max_size=5)
)


@st.composite
def calls(draw: st.DrawFn, patient: str) -> Json:
    context = members(
        userId=st.sampled_from(["Practitioner/201", "PractitionerRole/1", "Group/1"]),
        patientId=st.sampled_from([patient, patient, "nobody", "../1"]),
        encounterId=st.sampled_from([VISIT, "another"]),
    )
    made: Json = call(patient)
    made["context"] |= draw(st.one_of(st.just({}), context))
    made["prefetch"] = draw(
        sometimes(members(patient=members(birthDate=moments, name=values), encounters=sometimes(bundles)))
    )
    return made | draw(st.one_of(st.just({}), members(hook=st.sampled_from(HOOKS), fhirServer=texts)))


def check(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 400, 422}, answer.text
    if answer.status_code != 200:
        assert answer.json()["resourceType"] == "OperationOutcome"
        return
    for card in answer.json()["cards"]:
        assert 0 < len(card["summary"]) < LONGEST_SUMMARY
        assert card["indicator"] in {"info", "warning"}
        assert [each["url"] for each in card["links"]] == [f"{RAPPORT}/launch"]


@bounded
@given(data=st.data())
def test_whatever_the_ehr_sends_along_cards_are_sound_or_the_call_is_refused(
    service: Service, data: st.DataObject
) -> None:
    made = data.draw(calls(service.patient))
    try:
        body = json.dumps(made).encode()
    except ValueError:
        return  # a number that Python does not write
    check(service.post(CDS, body))


@bounded
@given(chance=st.integers(0, 2**32).map(random.Random))
def test_a_call_that_was_altered_on_the_way_is_answered_or_refused(
    service: Service, chance: random.Random
) -> None:
    sound = call(service.patient)
    visit = {"resourceType": "Encounter", "id": VISIT, "status": "finished", "class": {"code": "AMB"}}
    visit["period"] = {"start": "2026-03-02T09:00:00Z"}
    sound["prefetch"] = {
        "patient": {"resourceType": "Patient", "birthDate": "2014-05-06"},
        "encounters": {"resourceType": "Bundle", "entry": [{"resource": visit}]},
    }
    check(service.post(CDS, alter(chance, json.dumps(sound).encode())))


@bounded
@given(chance=st.integers(0, 2**32).map(random.Random))
def test_feedback_that_was_altered_is_taken_or_refused_and_its_words_are_not_kept(
    service: Service, chance: random.Random
) -> None:
    reason = {"reason": {"code": "later", "system": "urn:x"}, "userComment": "She cried today"}
    one = {"card": service.card, "outcome": "overridden", "overrideReason": reason}
    one["outcomeTimestamp"] = "2026-03-02T16:10:00Z"
    body = alter(chance, json.dumps({"feedback": [one, {**one, "outcome": "accepted"}]}).encode())
    answer = service.post(f"{CDS}/feedback", body)
    assert answer.status_code in {200, 400, 422}, answer.text
    assert "cried" not in answer.text


def test_a_sound_call_has_a_card_so_that_altered_ones_say_something(service: Service) -> None:
    made = call(service.patient)
    made["context"]["encounterId"] = "another"
    answer = service.post(CDS, json.dumps(made).encode())
    assert [each["summary"] for each in answer.json()["cards"]], answer.text
    assert urlsplit(CDS).path.endswith("alliance-patient-view")
