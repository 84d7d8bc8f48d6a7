"""Cards beside the chart (CDS Hooks 2.0): given to the EHR alone, only when something needs attention, from our own data."""

import base64
import hashlib
import hmac
import html
import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jws, jwt
from joserfc.jwk import RSAKey

from plugin.cds.cards import Attention, Reason, cards_of, reason_in
from plugin.cds.settings import CdsClient
from plugin.interpretation import Interpretation, InterpretationSection, build_interpretation
from plugin.ledger import tables as t
from plugin.pages.figures import day as write_day
from plugin.pages.words import LANGUAGES, translations
from plugin.respondents import RespondentPolicy
from plugin.schedule import Schedule
from questionnaires import Rater, load_catalogue, walk
from sandbox_ehr.oauth.records import Records
from tests.product.forms import ANSWERS
from tests.product.test_personalities import send_form, settled
from tests.product.test_slow_ehr import send_daily
from tests.product.ways import form_to
from tests.product.world import CDS, EHR, RAPPORT, World, run_world

CLIENT = CdsClient(f"{EHR}/r4", f"{EHR}/auth/jwks", ("RS256",))
VISIT = "1001-20260302"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def key_of(world: World) -> RSAKey:
    """Take the sandbox's signing key: these tests make the EHR's tokens as it does, and wrongly."""
    return Records(world.ehr.state.store.database, world.clock).signing_key()


def kid_of(world: World) -> str:
    return str(key_of(world).kid)


def token(world: World, key: Any = None, alg: str = "RS256", kid: str = "", **claims: Any) -> str:
    now = int(world.clock().timestamp())
    said = {"iss": f"{EHR}/r4", "aud": CDS, "iat": now, "exp": now + 120, "jti": str(uuid.uuid4()), **claims}
    used = key or key_of(world)
    header = {"alg": alg, "typ": "JWT", "kid": kid or kid_of(world)}
    return jwt.encode(header, {k: v for k, v in said.items() if v is not None}, used, algorithms=[alg])


def by_hand(signed: str, secret: bytes) -> str:
    """Sign a token's claims anew with HMAC, as no library does: the public key as the secret."""
    header = json.loads(_unpadded(signed.split(".")[0])) | {"alg": "HS256"}
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    signing = f"{first}.{signed.split('.')[1]}"
    seal = hmac.new(secret, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def call(patient: str, **more: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/201", "patientId": patient, "encounterId": VISIT}
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": f"{EHR}/r4",
        "context": context,
        **more,
    }


async def post(world: World, body: object, signed: str | None = None, address: str = CDS) -> httpx.Response:
    headers = {"Authorization": f"Bearer {signed or token(world)}", "Accept": "application/json"}
    return await world.browser.post(address, json=body, headers=headers)


async def cards(world: World, patient: str, **more: Any) -> list[dict[str, Any]]:
    answer = await post(world, call(patient, **more))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["cards"])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, cds=CLIENT) as running:
        await chart(running)  # the sandbox makes its key when it first signs
        yield running


async def chart(world: World, patient: str = "amara") -> httpx.Response:
    people = await world.people()
    await world.browser.post(f"{EHR}/sign-in", data={"practitioner": "201"})
    return await world.browser.get(f"{EHR}/chart/{people[patient]}")


async def test_the_services_are_found(world: World) -> None:
    found = (await world.browser.get(f"{RAPPORT}/sites/sandbox/cds-services")).json()["services"]
    assert {each["hook"] for each in found} == {"patient-view", "encounter-start"}
    assert all(each["id"] and each["description"] and each["prefetch"] for each in found)


async def test_the_services_are_named_in_the_language_that_is_asked_for(world: World) -> None:
    address = f"{RAPPORT}/sites/sandbox/cds-services"
    asked = (await world.browser.get(address, headers={"Accept-Language": "fr"})).json()["services"]
    assert {each["title"].partition("\N{NO-BREAK SPACE}: ")[0] for each in asked} == {
        "Alliance thérapeutique"
    }


async def test_a_chart_without_responses_stays_silent(world: World) -> None:
    people = await world.people()
    assert await cards(world, people["amara"]) == []


async def test_the_first_form_of_a_chart_in_which_rapport_was_opened_is_due(world: World) -> None:
    people = await world.people()
    small = {"birthDate": "2020-12-01", "id": people["freya"], "resourceType": "Patient"}  # five
    await world.launch("freya")
    (card,) = await cards(world, people["freya"])
    assert card["summary"] == "Alliance: a form is due in this session from the young person"
    assert await cards(world, people["freya"], prefetch={"patient": small}) == []  # no form is for that age
    world.browser = world.new_browser()
    world.clock.pass_time(days=91)
    assert await cards(world, people["freya"]) == []


@pytest.mark.parametrize(
    ("born", "policy", "told"),
    [
        ("2017-12-01", {}, "on this device."),
        ("2009-12-01", {}, "on this device or by link."),
        (None, {}, "on this device."),
        ("2017-12-01", {"link_from_age": 0}, "on this device or by link."),
        (
            "2017-12-01",
            {"respondents": RespondentPolicy(link_with_caregiver=True)},
            "on this device or by link.",
        ),
    ],
    ids=["eight", "sixteen", "of unknown age", "links for all", "links with a caregiver"],
)
async def test_a_card_offers_a_link_only_where_the_site_makes_one(
    tmp_path: Path, born: str | None, policy: dict[str, Any], told: str
) -> None:
    async with run_world(tmp_path, cds=CLIENT, **policy) as world:
        await chart(world)
        keep_score(world.ehr.state.store, "2026-02-01T09:00:00Z", "Patient/1008", 20)
        (card,) = await cards(world, "1008", prefetch=await sent_along(world, born))
    assert told in card["detail"]


async def test_a_card_names_those_who_can_have_a_link(tmp_path: Path) -> None:
    people = {"child": "Patient/1008", "caregiver": "RelatedPerson/1008-1", "therapist": "Practitioner/201"}
    async with run_world(tmp_path, cds=CLIENT) as world:
        await chart(world)
        for rater, who in people.items():
            keep_score(world.ehr.state.store, "2026-02-01T09:00:00Z", who, 20, rater)
        (card,) = await cards(world, "1008", prefetch=await sent_along(world, "2017-12-01"))
    assert "on this device. A link can be sent to the caregiver, too." in card["detail"]


async def sent_along(world: World, born: str | None) -> dict[str, Any]:
    """Prefetch Freya's scores, and her with this date of birth."""
    kept = await world.search("Observation", patient="1008", category="survey")
    patient = {"resourceType": "Patient", "id": "1008", **({"birthDate": born} if born else {})}
    return {"patient": patient, "scores": {"entry": [{"resource": each} for each in kept]}}


async def test_a_card_that_cannot_name_everybody_who_is_due_says_so(world: World) -> None:
    """The page reads the chart, and with it caregivers who have never answered; a card reads what is known without it."""
    page = await world.launch("amara")
    due = re.sub("<.*?>", "", page.text.partition("data-who-is-due>")[2].partition("</p>")[0])
    (card,) = await cards(world, (await world.people())["amara"])
    assert len(due.split(", ")) > 1
    assert card["summary"] == "Alliance: a form is due in this session from the young person"
    assert card["detail"].endswith("Others may be due, too: Rapport shows everybody.")


def any_fall_of(instruments: str | tuple[str, ...], folder: Path) -> Interpretation | None:
    """What a site accepts that wants to know of every fall."""
    section = InterpretationSection(
        accepted_by="A test",
        accepted_on=date(2026, 1, 1),
        instruments=(instruments,) if isinstance(instruments, str) else instruments,
        rupture="any",
        sessions_before=3,
    )
    return build_interpretation(section, folder)


async def test_who_is_due_and_what_fell_is_known_from_the_scores_that_the_record_has(tmp_path: Path) -> None:
    interpretation = any_fall_of("rapport-checkin-child", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        store = world.ehr.state.store
        for number, value in enumerate((20, 20, 20, 9)):
            keep_score(store, f"2026-02-0{number + 1}T09:00:00Z", "Patient/1008", value)
        page = await chart(world, "freya")
    assert "a form is due in this session from the young person" in page.text
    assert "the rating of the young person fell on 4 Feb 2026 and is not yet back" in page.text


@pytest.mark.parametrize(
    ("scores", "summary"),
    [
        (
            (17, 18, 19, 10, 7, 13),
            "Alliance: the rating of the young person fell on 4 Feb 2026 and is not yet back",
        ),
        (
            (20, 20, 20, 0, 0),
            "Alliance: the rating of the young person fell on 4 Feb 2026 and is not yet back",
        ),
        ((20, 20, 20, 9, 20), None),
        (
            (20, 20, 20, 9, 10, 11, 11, 10),
            "Alliance: the rating of the young person fell on 8 Feb 2026 and is not yet back",
        ),
    ],
    ids=["rose since", "stayed", "is back", "fell again"],
)
async def test_a_fall_is_told_of_the_day_on_which_it_was(
    tmp_path: Path, scores: tuple[int, ...], summary: str | None
) -> None:
    interpretation = any_fall_of("rapport-checkin-child", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        await chart(world)
        for day, value in enumerate(scores, start=1):
            keep_score(world.ehr.state.store, f"2026-02-0{day}T09:00:00Z", "Patient/1008", value)
        found = await cards(world, "1008", prefetch=await sent_along(world, "2014-12-01"))
    told = {each["summary"]: each["detail"] for each in found if "is due" not in each["summary"]}
    assert list(told) == ([summary] if summary else [])
    if summary:
        when = summary.partition(" fell on ")[2].removesuffix(" and is not yet back")
        assert f"By the criterion your service has chosen: the young person ({when})." in told[summary]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("days", [(28,), (27, 28)], ids=["on one day", "on several"])
def test_a_fall_of_everybody_is_told_in_few_characters(language: str, days: tuple[int, ...]) -> None:
    fell = tuple((each.value, (date(2026, 11, days[at % len(days)]),)) for at, each in enumerate(Rater))
    words = translations(language)
    (card,) = cards_of(Attention(fell=fell), ["1"], words, lambda each: write_day(each, language))
    assert len(card.summary) < 140, card.summary
    assert all(write_day(day, language) in card.detail for _, (day,) in fell)


OTHERS = ("Patient/1001", "https://elsewhere.invalid/r4/Patient/1008", "Group/1008", "urn:uuid:1008")
OWN = ("Patient/1008", f"{EHR}/r4/Patient/1008", "Patient/1008/_history/2", None)


@pytest.mark.parametrize("subject", [*OTHERS, *OWN])
async def test_what_names_another_patient_is_left_out_as_if_it_had_not_come(
    tmp_path: Path, subject: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule, fall = Schedule.parse("2"), any_fall_of("rapport-checkin-child", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=fall, schedule=schedule) as world:
        await chart(world)
        for day, value in enumerate((20, 20, 20, 9), start=1):
            keep_score(world.ehr.state.store, f"2026-02-0{day}T09:00:00Z", "Patient/1008", value)
        sent = await sent_along(world, "2009-12-01")
        visits = [visit("first", "2026-02-01"), visit(VISIT, "2026-03-02")]
        sent["encounters"] = {"entry": [{"resource": each} for each in visits]}
        for each in (*visits, *(entry["resource"] for entry in sent["scores"]["entry"])):
            each.pop("subject", None)
            if subject is not None:
                each["subject"] = {"reference": subject}
        capsys.readouterr()
        found = [each["summary"] for each in await cards(world, "1008", prefetch=sent)]
        logged = [each for each in capsys.readouterr().out.splitlines() if "cds.of-another" in each]
        # With scores that are the patient's own, their sessions still count by themselves.
        own = await sent_along(world, "2009-12-01")
        counted = await cards(world, "1008", prefetch={**own, "encounters": sent["encounters"]})
    due = any("is due" in each["summary"] for each in counted)
    assert (len(found), due) == ((2, True) if subject in OWN else (0, False))
    assert len(logged) == (1 if subject in OTHERS else 0)  # without whose it was
    assert not re.search(r"100[18]\b", re.sub(r"request_id=\S+", "", "".join(logged)))


def visit(name: str, day: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": name,
        "class": {"code": "AMB"},
        "status": "finished",
        "period": {"start": f"{day}T09:00:00Z"},
    }


async def test_another_patients_birth_and_death_are_not_believed(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT) as world:
        await chart(world)
        keep_score(world.ehr.state.store, "2026-02-01T09:00:00Z", "Patient/1008", 20)
        sent = await sent_along(world, "2009-12-01")
        sent["patient"] |= {"id": "1001", "deceasedBoolean": True}
        (card,) = await cards(world, "1008", prefetch=sent)
    assert card["detail"].startswith("It takes about two minutes, on this device. ")  # no age: no link


async def test_a_call_may_be_as_large_as_what_it_is_asked_to_send_along(world: World) -> None:
    narrative = {"status": "generated", "div": f"<div>{'x' * 2_000}</div>"}
    own = [{**visit(f"v{at}", "2026-02-01"), "text": narrative} for at in range(200)]
    scores = [{"resourceType": "Observation", "id": f"s{at}", "text": narrative} for at in range(400)]
    sent = {
        name: {"resourceType": "Bundle", "entry": [{"resource": each} for each in many]}
        for name, many in (("encounters", own), ("scores", scores))
    }
    amara = (await world.people())["amara"]
    assert await cards(world, amara, prefetch=sent) == []
    answer = await post(world, call(amara, prefetch={"scores": {"text": "x" * 8_000_000}}))
    assert answer.status_code == 413
    assert "200 encounters and 200 scores" in answer.text
    assert "form" not in answer.text


async def test_the_longest_summary_is_as_short_as_cds_hooks_asks_in_each_language(tmp_path: Path) -> None:
    people = {"child": "Patient/1008", "caregiver": "RelatedPerson/1008-1", "therapist": "Practitioner/201"}
    forms = tuple(f"rapport-checkin-{rater}" for rater in people)
    async with run_world(tmp_path, cds=CLIENT, interpretation=any_fall_of(forms, tmp_path)) as world:
        await chart(world)
        for rater, who in people.items():
            for day, value in enumerate((20, 20, 20, 9), start=1):
                keep_score(world.ehr.state.store, f"2026-02-0{day}T09:00:00Z", who, value, rater)
        kept = await world.search("Observation", patient="1008", category="survey")
        body = call("1008", prefetch={"scores": {"entry": [{"resource": each} for each in kept]}})
        for language in LANGUAGES:
            headers = {"Authorization": f"Bearer {token(world)}", "Accept-Language": language}
            told = (await world.browser.post(CDS, json=body, headers=headers)).json()["cards"]
            assert len(told) == 2
            assert all(len(each["summary"]) < 140 for each in told), told


async def test_a_service_that_was_away_is_asked_again_at_the_next_chart(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT) as world:
        keep_score(world.ehr.state.store, "2026-02-01T09:00:00Z", "Patient/1008", 20)
        host = RAPPORT.removeprefix("https://")
        world.hosts.cut.add(host)
        assert "is due" not in (await chart(world, "freya")).text
        world.hosts.cut.remove(host)
        assert "a form is due in this session" in (await chart(world, "freya")).text


async def test_two_caregivers_of_the_record_are_not_one_that_fell(tmp_path: Path) -> None:
    interpretation = any_fall_of("rapport-checkin-caregiver", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        store = world.ehr.state.store
        for number, value in enumerate((20, 20, 20)):
            keep_score(store, f"2026-02-0{number + 1}T09:00:00Z", "RelatedPerson/1008-1", value, "caregiver")
        keep_score(store, "2026-02-04T09:00:00Z", "RelatedPerson/1008-2", 9, "caregiver")
        page = await chart(world, "freya")
    assert "a form is due in this session from the caregiver" in page.text
    assert "not yet back" not in page.text


async def test_a_fall_that_came_back_late_is_over_on_page_and_card(tmp_path: Path) -> None:
    """Back at the best after the sessions in which a return is a repair; the last score is low, and no rupture by the rule."""
    accepted = any_fall_of("rapport-checkin-child", tmp_path)
    assert accepted is not None
    interpretation = replace(accepted, rupture="gumz-1sd")
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        await chart(world)
        for day, value in enumerate((20, 20, 20, 10, 11, 11, 11, 20, 21, 20, 20, 17), start=1):
            keep_score(world.ehr.state.store, f"2026-02-{day:02}T09:00:00Z", "Patient/1008", value)
        found = await cards(world, "1008", prefetch=await sent_along(world, "2014-12-01"))
        page = await world.launch("freya")
    assert [each["summary"] for each in found if "is due" not in each["summary"]] == []
    assert "a rupture by the rule below" in page.text
    assert "It came back later, to 20 on 8 Feb 2026." in page.text
    assert "not back yet" not in page.text
    assert 'data-tip="rupture' not in page.text


async def test_of_two_caregivers_who_fell_the_card_has_the_days_that_the_page_has(tmp_path: Path) -> None:
    interpretation = any_fall_of("rapport-checkin-caregiver", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        await chart(world)
        for who, scores in (("1", (20, 20, 20, 9, 10, 10, 10)), ("2", (20, 20, 20, 20, 12, 13))):
            for day, value in enumerate(scores, start=1):
                when, rater = f"2026-02-0{day}T09:00:00Z", f"RelatedPerson/1008-{who}"
                keep_score(world.ehr.state.store, when, rater, value, "caregiver")
        found = await cards(world, "1008", prefetch=await sent_along(world, "2014-12-01"))
        page = await world.launch("freya")
    told = {each["summary"]: each["detail"] for each in found if "is due" not in each["summary"]}
    assert list(told) == ["Alliance: the ratings of the caregiver fell and are not yet back"]
    assert "By the criterion your service has chosen: the caregiver (4 Feb 2026, 5 Feb 2026)." in str(told)
    changed = re.findall(r"rupture since ([^,]*), not back yet", page.text)
    assert sorted(changed) == ["4 Feb 2026", "5 Feb 2026"]
    assert "It did not come back in the next 3 sessions that Karin Lindqvist rated." in page.text
    assert "has rated 1 session since then." in page.text


def keep_score(
    store: Any, when: str, who: str, value: float, rater: str = "child", encounter: str = ""
) -> None:
    """Put a total and its panel into the record, as another installation of Rapport would have left them."""
    system = "https://w3id.org/rapport-fhir/CodeSystem/score"
    shared = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey"}]}],
        "subject": {"reference": "Patient/1008"},
        "effectiveDateTime": when,
        **({"encounter": {"reference": encounter}} if encounter else {}),
    }
    response = store.create(
        {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": f"https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-{rater}",
            "status": "completed",
            "subject": {"reference": "Patient/1008"},
            "source": {"reference": who},
            "authored": when,
        }
    )
    score = store.create(
        {
            **shared,
            "code": {"coding": [{"system": system, "code": f"rapport-checkin-{rater}-total"}]},
            "valueQuantity": {"value": value},
            "derivedFrom": [{"reference": response.reference}],
        }
    )
    store.create(
        {
            **shared,
            "code": {"text": "Rapport Check-in"},
            "performer": [{"reference": who}],
            "hasMember": [{"reference": score.reference}],
        }
    )


async def test_of_a_patient_who_has_died_nobody_is_due(world: World) -> None:
    store = world.ehr.state.store
    keep_score(store, "2026-02-01T09:00:00Z", "Patient/1008", 18)
    before = await chart(world, "freya")
    freya = store.read("Patient", "1008")
    store.update({**freya.read(), "deceasedDateTime": "2026-02-20"}, freya)
    after = await chart(world, "freya")
    assert "a form is due in this session" in before.text
    assert "a form is due in this session" not in after.text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"rapport": "due"}', Reason.DUE),
        ('{"rapport": "refused"}', Reason.REFUSED),
        ('{"rapport": "x"}', None),
        ('{"other": 1}', None),
        ('"rapport"', None),
        ("[1]", None),
        ("{", None),
        pytest.param("[" * 100_000, None, id="deep"),
        ('{"rapport": ["due"]}', None),
        (None, None),
    ],
    ids=str,
)
def test_only_a_card_of_ours_says_why_somebody_comes(said: str | None, reason: Reason | None) -> None:
    assert reason_in(said) is reason


async def test_who_answered_before_and_not_in_this_session_is_due(world: World) -> None:
    response = await send_form(world)
    await settled(world, response)
    people = await world.people()
    assert await cards(world, people["amara"]) == []  # answered in this session
    world.clock.pass_time(days=7)
    later = call(people["amara"])
    later["context"]["encounterId"] = "another"
    (card,) = (await post(world, later)).json()["cards"]
    assert card["summary"] == "Alliance: a form is due in this session from the young person"
    assert card["indicator"] == "info"
    assert card["links"][0]["url"] == f"{RAPPORT}/launch"
    assert card["links"][0]["type"] == "smart"
    assert json.loads(card["links"][0]["appContext"]) == {"rapport": "due"}


@pytest.mark.parametrize(
    ("asked", "summary"),
    [
        ({}, "Allianz: In dieser Sitzung ist ein Bogen fällig von: junger Mensch"),
        ({"Accept-Language": "es"}, "Alianza: en esta sesión corresponde un cuestionario de: joven"),
    ],
    ids=["the site's", "the reader's"],
)
async def test_a_card_speaks_the_language_of_the_reader_or_the_site(
    tmp_path: Path, asked: dict[str, str], summary: str
) -> None:
    async with run_world(tmp_path, cds=CLIENT, language="de") as world:
        await chart(world)
        await settled(world, await send_form(world))
        world.clock.pass_time(days=7)
        later = call((await world.people())["amara"])
        later["context"]["encounterId"] = "another"
        headers = {"Authorization": f"Bearer {token(world)}", **asked}
        (card,) = (await world.browser.post(CDS, json=later, headers=headers)).json()["cards"]
    assert card["summary"] == summary


async def test_by_a_schedule_of_certain_sessions_the_ehr_s_own_count_decides(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT, schedule=Schedule.parse("1,3")) as world:
        await chart(world)
        await settled(world, await send_form(world))
        world.clock.pass_time(days=7)
        people = await world.people()
        asked = call(people["amara"])
        asked["context"]["encounterId"] = "e3"
        assert (await post(world, asked)).json()["cards"] == []  # nobody counted the sessions
        for many, due in ((3, True), (2, False)):
            held = [
                {
                    "resourceType": "Encounter",
                    "id": f"e{3 - each}",
                    "class": {"code": "AMB"},
                    "status": "finished",
                    "period": {"start": f"2026-03-0{3 - each}T09:00:00Z"},
                }
                for each in range(many)
            ]
            asked["prefetch"] = {"encounters": {"entry": [{"resource": each} for each in held]}}
            assert bool((await post(world, asked)).json()["cards"]) is due


async def test_a_form_of_the_morning_is_none_of_the_afternoons_session(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT) as world:
        await chart(world)
        page = await world.launch("amara", encounter=VISIT)
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        asked = call(people["amara"])
        for session, due in ((VISIT, False), ("later", True)):
            held = [
                {
                    "resourceType": "Encounter",
                    "id": each,
                    "class": {"code": "AMB"},
                    "status": "finished",
                    "period": {"start": f"2026-03-02T{hour}:00:00Z"},
                }
                for each, hour in ((VISIT, "09"), ("later", "14"))
            ]
            asked["context"]["encounterId"] = session
            asked["prefetch"] = {"encounters": {"entry": [{"resource": each} for each in held]}}
            told = [each["summary"] for each in (await post(world, asked)).json()["cards"]]
            assert any("due" in each for each in told) is due


async def test_what_the_record_refused_is_told(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT, personality="read-only") as world:
        await chart(world)
        await settled(world, await send_form(world))
        people = await world.people()
        (card,) = await cards(world, people["amara"])
        assert card["summary"] == "Alliance: 1 response was not taken into this record"
        assert "to see why it was not taken" in card["detail"]
        assert card["indicator"] == "warning"


async def test_what_the_record_refused_is_counted_however_many_came_after(tmp_path: Path) -> None:
    async with run_world(tmp_path, cds=CLIENT, personality="read-only") as world:
        await chart(world)
        people = await world.people()
        page = await world.launch("amara")
        await send_daily(world, people["amara"], 21, page.url.path.rpartition("/")[2])
        query = sa.select(t.response.c.id)
        ledger = world.rapport.state.rapport.ledger
        for response in await ledger.read(lambda c: c.execute(query).scalars().all()):
            await settled(world, response)
        (card,) = await cards(world, people["amara"])
        assert card["summary"] == "Alliance: 21 responses were not taken into this record"


async def test_a_fall_is_told_only_where_the_site_accepts_interpretation(tmp_path: Path) -> None:
    for place, interpretation in (
        ("with", any_fall_of("rapport-checkin-child", tmp_path)),
        ("without", None),
    ):
        folder = tmp_path / place
        folder.mkdir()
        async with run_world(folder, cds=CLIENT, interpretation=interpretation) as world:
            await chart(world)
            people = await world.people()
            best, worst = _extremes()
            for answers in (best, best, best, worst):
                world.clock.pass_time(days=7)
                page = await world.launch("amara", encounter=session_of_today(world))
                secret = await world.hand_over(page, f"Patient/{people['amara']}")
                assert (await world.fill(secret, answers)).status_code == 200
                world.browser = world.new_browser()
            found = [each["summary"] for each in await cards(world, people["amara"])]
            told = "Alliance: the rating of the young person fell on 30 Mar 2026 and is not yet back"
            assert found == ([told] if interpretation else [])


def session_of_today(world: World) -> str:
    """Put a further session into the record; gives the id of its Encounter."""
    store = world.ehr.state.store
    begun = {"start": world.clock().isoformat()}
    visit = store.read("Encounter", VISIT).read()
    return str(store.create({**visit, "status": "in-progress", "period": begun}).id)


def _extremes() -> tuple[dict[str, str], dict[str, str]]:
    """Give the answers that make the highest and the lowest total of the child's form."""
    form = load_catalogue().by_id("rapport-checkin-child")
    best, worst = {}, {}
    for item in walk(form.items):
        if item.link_id in ANSWERS:
            ranked = sorted(item.options, key=lambda option: option.weight or 0)
            worst[item.link_id], best[item.link_id] = ranked[0].code, ranked[-1].code
    return best, worst


async def test_the_chart_of_the_ehr_shows_the_card_and_sends_what_was_done_with_it(world: World) -> None:
    await settled(world, await send_form(world))
    world.clock.pass_time(days=7)
    from sandbox_ehr.directory import Directory

    store = world.ehr.state.store
    people = await world.people()
    visit = store.read("Encounter", VISIT).read()
    day = world.clock().date().isoformat()
    store.create(
        {**visit, "id": "later", "status": "in-progress", "period": {"start": f"{day}T09:00:00+00:00"}}
    )
    assert Directory(store, world.clock).visit_today(people["amara"])
    page = await chart(world)
    assert "a form is due in this session from the young person" in page.text
    link = html.unescape(page.text.split('<div class="ways"><a class="button" href="')[1].split('"')[0])
    framed = await world.browser.get(f"{EHR}{link}")
    opened = httpx.URL(html.unescape(framed.text.split("<iframe")[1].split('src="')[1].split('"')[0]))
    following = world.new_browser()
    answer = await following.get(opened)
    while "/launches/" not in answer.headers["location"]:
        answer = await following.get(answer.headers["location"])
    assert answer.headers["location"].endswith("#due")  # the card's matter, as the link's appContext names it
    sent = form_to(page, f"/chart/{people['amara']}/cards").as_it_stands
    assert sent["service"] == CDS
    assert (await world.browser.post(f"{EHR}/chart/{people['amara']}/cards", data=sent)).status_code == 303
    after = await chart(world)  # calls the service again
    assert "a form is due in this session" not in after.text
    kept = await world.rapport.state.rapport.ledger.read(
        lambda c: c.execute(sa.select(t.audit.c.kind).where(t.audit.c.kind == "card-answered")).all()
    )
    assert len(kept) == 1


async def test_only_the_ehr_s_own_token_for_this_address_and_time_is_taken(world: World) -> None:
    people = await world.people()
    now = int(world.clock().timestamp())
    own = key_of(world)
    public = own.as_pem(private=False)
    stranger = RSAKey.generate_key(2048, {"kid": own.kid or ""})
    forged = {
        "none at all": "",
        "not a token": "abc.def",
        "another's key": token(world, stranger),
        "the public key as a secret": by_hand(token(world), public),
        "another issuer": token(world, iss="https://elsewhere.invalid"),
        "another service": token(world, aud=f"{RAPPORT}/sites/sandbox/cds-services"),
        "over": token(world, iat=now - 500, exp=now - 300),
        "not yet": token(world, iat=now + 400, exp=now + 500),
        "not to be used yet": token(world, nbf=now + 100),
        "for a day": token(world, exp=now + 86_400),
        "no time": token(world, exp=None),
        "no jti": token(world, jti=None),
        "unknown algorithm": token(world, RSAKey.generate_key(2048), "RS384"),
    }
    odd = dict(jwt.decode(token(world), own).claims) | {"jti": "\ud800"}
    for what, claims in {"a jti of no text": json.dumps(odd), "too deep to be read": "[" * 20_000}.items():
        forged[what] = jws.serialize_compact({"alg": "RS256", "kid": kid_of(world)}, claims.encode(), own)
    for what, signed in forged.items():
        headers = {"Authorization": f"Bearer {signed}"}
        answer = await world.browser.post(CDS, json=call(people["amara"]), headers=headers)
        assert answer.status_code == 401, what
        assert answer.content == b"", what


async def test_a_token_is_taken_once(world: World) -> None:
    people = await world.people()
    signed = token(world)
    assert (await post(world, call(people["amara"]), signed)).status_code == 200
    assert (await post(world, call(people["amara"]), signed)).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"hook": "order-select"}, "hook"),
        ({"fhirServer": "https://elsewhere.invalid/r4"}, "fhirServer"),
        ({"context": {"userId": "Practitioner/201"}}, "context.patientId"),
        ({"context": {"userId": "201", "patientId": "1"}}, "context.userId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "../1"}}, "context.patientId"),
    ],
)
async def test_a_call_that_is_not_understood_says_where(
    wrong: dict[str, Any], place: str, world: World
) -> None:
    answer = await post(world, {**call("1"), **wrong})
    assert answer.status_code == 422
    assert place in answer.text


async def test_a_site_without_the_setting_has_no_such_service(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        for answer in (
            await world.browser.get(f"{RAPPORT}/sites/sandbox/cds-services"),
            await world.browser.post(CDS, json={}),
        ):
            assert answer.status_code == 404


async def answered_cards(world: World) -> Sequence[sa.Row[Any]]:
    found: Sequence[sa.Row[Any]] = await world.rapport.state.rapport.ledger.read(
        lambda c: c.execute(sa.select(t.audit).where(t.audit.c.kind == "card-answered")).all()
    )
    return found


async def test_nothing_prefetched_may_be_written_as_null(world: World) -> None:
    people = await world.people()
    assert await cards(world, people["amara"], prefetch=None) == await cards(world, people["amara"])


WHEN = {"outcomeTimestamp": "2026-03-02T16:10:00Z"}


async def a_card(world: World, patient: str = "mateo") -> str:
    """Have a card given, for a first form that is due; gives its uuid."""
    await world.launch(patient)
    (card,) = await cards(world, (await world.people())[patient])
    return str(card["uuid"])


async def test_feedback_on_a_card_that_was_never_given_is_refused(world: World) -> None:
    given = await a_card(world)
    altered = given[:-1] + ("0" if given[-1] != "0" else "1")
    other = CDS.replace("patient-view", "encounter-start")
    for card, service in ((str(uuid.uuid4()), CDS), (altered, CDS), (given, other)):
        address = f"{service}/feedback"
        told = {"feedback": [{"card": card, "outcome": "accepted", **WHEN}]}
        answer = await post(world, told, token(world, aud=address), address)
        assert answer.status_code == 422
        assert "a card that this service never gave" in answer.text
    assert not await answered_cards(world)


async def test_feedback_may_write_the_cards_id_in_capitals(world: World) -> None:
    address, card = f"{CDS}/feedback", await a_card(world)
    told = {"feedback": [{"card": card.upper(), "outcome": "accepted", **WHEN}]}
    assert (await post(world, told, token(world, aud=address), address)).status_code == 200
    ledger = world.rapport.state.rapport.ledger
    (row,) = await answered_cards(world)
    assert f"urn:uuid:{card}" in ledger.vault.open("audit", row.event, row.sealed_resource).decode()


async def test_feedback_keeps_the_outcome_and_no_words(world: World) -> None:
    reason = {"reason": {"code": "not-relevant"}, "userComment": "Amara was ill"}
    one = {"card": await a_card(world), "outcome": "overridden", "overrideReason": reason, **WHEN}
    address = f"{CDS}/feedback"
    answer = await post(world, {"feedback": [one]}, token(world, aud=address), address)
    assert answer.status_code == 200
    ledger = world.rapport.state.rapport.ledger
    rows = await answered_cards(world)
    opened = [ledger.vault.open("audit", row.event, row.sealed_resource).decode() for row in rows]
    assert "overridden: not-relevant" in opened[0]
    assert "ill" not in opened[0]
    for wrong in (
        {"card": "x"},
        {"outcome": "seen"},
        {"outcomeTimestamp": "yesterday"},
        {"outcomeTimestamp": "2026-03-02T16:10:00"},
    ):
        bad = await post(world, {"feedback": [{**one, **wrong}]}, token(world, aud=address), address)
        assert bad.status_code == 422, wrong


@pytest.mark.parametrize(
    ("without", "told"),
    [
        (("feedback",), "Missing: feedback."),
        (("card", "outcome", "outcomeTimestamp"), "Missing: feedback."),  # an empty list
        (("outcomeTimestamp",), "Missing: feedback 2: outcomeTimestamp."),
        (("card", "outcome"), "Missing: feedback 2: card, feedback 2: outcome."),
    ],
)
async def test_feedback_that_is_not_whole_is_refused_with_what_is_missing(
    world: World, without: tuple[str, ...], told: str
) -> None:
    address, whole = f"{CDS}/feedback", {"card": await a_card(world), "outcome": "accepted", **WHEN}
    lacking = {name: value for name, value in whole.items() if name not in without}
    sent = {} if "feedback" in without else {"feedback": [whole, lacking] if lacking else []}
    answer = await post(world, sent, token(world, aud=address), address)
    assert answer.status_code == 422
    assert told in answer.text
    assert not await answered_cards(world)


@pytest.mark.parametrize("last", ["one more than fits", "a wrong one"])
async def test_feedback_that_is_refused_leaves_nothing_in_the_trail(world: World, last: str) -> None:
    address, card = f"{CDS}/feedback", await a_card(world)
    told = [{"card": card, "outcome": "accepted", **WHEN} for _ in range(50)]
    if last == "a wrong one":
        told[-1] = {"card": "x", "outcome": "accepted", **WHEN}
    else:
        told.append(told[0])
    answer = await post(world, {"feedback": told}, token(world, aud=address), address)
    assert answer.status_code == 422
    assert not await answered_cards(world)


async def test_feedback_on_fifty_cards_is_kept(world: World) -> None:
    address, card = f"{CDS}/feedback", await a_card(world)
    told = [{"card": card, "outcome": "accepted", **WHEN} for _ in range(50)]
    answer = await post(world, {"feedback": told}, token(world, aud=address), address)
    assert answer.status_code == 200
    assert len(await answered_cards(world)) == 50


async def cards_in_trail(world: World) -> int:
    found = await world.rapport.state.rapport.ledger.read(
        lambda c: c.execute(sa.select(t.audit).where(t.audit.c.kind == "cards-given")).all()
    )
    return len(found)


async def test_forged_calls_cannot_fill_the_trail(world: World) -> None:
    before = await cards_in_trail(world)
    for _ in range(65):
        assert (await post(world, {}, "forged")).status_code == 401
    assert await cards_in_trail(world) - before == 60


async def test_forged_calls_do_not_make_rapport_ask_the_ehr_for_its_keys_each_time(world: World) -> None:
    def asked() -> int:
        return sum(each.url.path.endswith("/auth/jwks") for each in world.hosts.seen)

    await cards(world, (await world.people())["amara"])
    world.clock.pass_time(minutes=1)
    before = asked()
    for number in range(8):
        assert (await post(world, {}, token(world, kid=f"unknown-{number}"))).status_code == 401
    assert asked() - before == 1
    world.clock.pass_time(minutes=1)
    await post(world, {}, token(world, kid="new"))
    assert asked() - before == 2
