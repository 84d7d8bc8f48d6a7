"""What the site decides about the people who answer: consent first, what is shared, who sees a score; in the record, too."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from plugin.audit import Actor
from plugin.delivery.keep import read_kept
from plugin.ledger import change_rows
from plugin.ledger import tables as t
from plugin.respondents import RespondentPolicy
from plugin.responses.labels import Label, read_labels
from plugin.routes.form_views import audience_of
from plugin.routes.kept import Reader
from plugin.served.shelf import Kept
from plugin.writing import WriterKind, Writing
from tests.product.forms import ANSWERS, response_of
from tests.product.naming import Naming
from tests.product.test_bad_input import app_token, post
from tests.product.test_kept import get, search, unlock
from tests.product.test_personalities import settled
from tests.product.test_remote import make_link, secret_of, teenagers_link
from tests.product.world import EHR, PIN, Clock, World, run_world

CHILD = "amara"
LABELS = "https://w3id.org/rapport-fhir/CodeSystem/disclosure"
ASKING = RespondentPolicy(ask_before_sharing=True)
MEANING = "This is not a mark, and nothing here is right or wrong. You can ask the therapist what it means."
CONSENT = RespondentPolicy(consent_below_age=16, consent_days=30)
ONLY_SCORES = Writing(writers=(WriterKind.OBSERVATIONS,))


async def hand_to_child(world: World) -> dict[str, str]:
    """Hand the device to the child; gives the header that opens the form."""
    people = await world.people()
    page = await world.launch(CHILD)
    secret = await world.hand_over(page, f"Patient/{people[CHILD]}")
    return {"X-Rapport-Invitation": secret}


async def send(world: World, headers: dict[str, str], **more: object) -> httpx.Response:
    return await world.browser.post("/fill/submit", headers=headers, json={"answers": ANSWERS, **more})


async def audited(world: World) -> list[str]:
    ledger = world.rapport.state.rapport.ledger
    kinds = await ledger.read(
        lambda c: c.execute(sa.select(t.audit.c.kind).order_by(t.audit.c.id)).scalars().all()
    )
    return list(kinds)


async def only_response(world: World) -> str:
    ledger = world.rapport.state.rapport.ledger
    (found,) = await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).scalars().all())
    return str(found)


def codes_of(resource: dict[str, Any]) -> set[str]:
    return {each["code"] for each in resource.get("meta", {}).get("security", []) if each["system"] == LABELS}


async def test_answers_that_are_not_shared_stay_here_and_the_scores_go(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING, show_item_answers=True) as world:
        sent = await send(world, await hand_to_child(world), share=False)
        assert sent.status_code == 200, sent.text
        response = await only_response(world)
        await settled(world, response)
        patient = (await world.people())[CHILD]
        found = await world.delivered(
            patient=patient,
            code="https://w3id.org/rapport-fhir/CodeSystem/score|rapport-checkin-child-total",
        )
        mine = [each for each in found if "meta" in each and codes_of(each)]
        assert [codes_of(each) for each in mine] == [{"raters-apart", "score-not-for-respondent"}]
        responses = await world.search("QuestionnaireResponse", patient=patient)
        assert response not in str(responses)
        ledger = world.rapport.state.rapport.ledger
        record = await ledger.read(lambda c: read_kept(c, ledger.vault, response))
        assert Label.ANSWERS_NOT_SHARED in read_labels(record.body)
        assert b'"code":"R"' in record.body
        await unlock(world)
        launch = await world.launch(CHILD)
        page = await world.browser.get(f"{launch.url}/responses/{response}")
        assert "did not agree" in page.text
        assert "Mostly yes" not in page.text
        assert (await get(world, f"QuestionnaireResponse/{response}")).status_code == 403


async def test_of_answers_that_are_not_shared_only_the_result_of_all_is_in_the_record(tmp_path: Path) -> None:
    """Goals, tasks and bond have two questions each: 8 of 8 would tell both answers."""
    async with run_world(tmp_path, respondents=ASKING, show_item_answers=True) as world:
        await send(world, await hand_to_child(world), share=False)
        await settled(world, await only_response(world))
        patient = (await world.people())[CHILD]
        held: dict[str, list[str]] = {}
        for part in ("goal", "task", "bond", "total"):
            code = f"https://w3id.org/rapport-fhir/CodeSystem/score|rapport-checkin-child-{part}"
            found = await world.delivered(patient=patient, code=code)
            (mine,) = [each for each in found if "meta" in each and codes_of(each)]
            absent = mine.get("dataAbsentReason", {}).get("coding", [{"code": "told"}])
            held[part] = [each["code"] for each in absent]
            assert ("valueQuantity" in mine) is (part == "total")
        assert held == {"goal": ["masked"], "task": ["masked"], "bond": ["masked"], "total": ["told"]}


async def test_no_page_or_note_lets_answers_be_read_that_are_not_shared(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING, show_item_answers=True) as world:
        headers = await hand_to_child(world)
        answers = {**ANSWERS, "goal-1": None}
        sent = await world.browser.post(
            "/fill/submit", headers=headers, json={"answers": answers, "share": False}
        )
        assert sent.status_code == 200, sent.text
        response = await only_response(world)
        await unlock(world)
        launch = await world.launch(CHILD)
        single = await world.browser.get(f"{launch.url}/responses/{response}")
        note = await world.browser.get(f"{launch.url}/notes/new")
        for page in (launch, single, note):
            assert page.status_code == 200
            assert "unanswered questions" not in page.text
            assert "skipped" not in page.text
        assert "not every question was answered" in launch.text
        assert "not every question was answered" in single.text
        withheld = "withheld: the answers may not be read one by one"
        assert withheld in single.text
        assert f"<td>{withheld}</td>" in launch.text
        assert f"latest {withheld}" in launch.text
        assert "another value now" not in single.text
        ledger = world.rapport.state.rapport.ledger
        record = await ledger.read(lambda c: read_kept(c, ledger.vault, response))
        for score in record.results.scores:
            assert b"valueQuantity" not in score
            assert b"goal-1" not in score


async def test_what_not_sharing_means_is_told_before_it_is_chosen(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING) as world:
        headers = await hand_to_child(world)
        shown = (await world.browser.get("/fill/form", headers=headers)).text
        assert "one result, made of all your answers together" in shown
        assert "as low or as high as it can be" in shown


async def test_the_form_knows_without_which_answers_no_result_is_told(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING) as world:
        headers = await hand_to_child(world)
        shown = (await world.browser.get("/fill/form", headers=headers)).text
        (needed,) = re.findall(r'data-sharing="([^"]*)"', shown)
        assert set(json.loads(html.unescape(needed))) == set(ANSWERS)
        assert 'data-without="No, and no result either"' in shown


async def test_scores_of_answers_that_are_not_shared_stay_in_their_persons_line(tmp_path: Path) -> None:
    """The record holds no response then, which alone would say whose the scores are."""
    async with run_world(tmp_path, respondents=ASKING) as world:
        await send(world, await hand_to_child(world), share=False)
        await settled(world, await only_response(world))
        await unlock(world)
        page = await world.launch(CHILD)
        facts = page.text.partition('class="facts"')[2].partition("</ul>")[0]
        assert facts.count("<li><b>Amara") == 1, facts
        assert "The young person" not in facts


async def test_answers_that_are_shared_go_with_their_labels(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING) as world:
        await send(world, await hand_to_child(world), share=True)
        response = await only_response(world)
        await settled(world, response)
        patient = (await world.people())[CHILD]
        found = [
            each
            for each in await world.search("QuestionnaireResponse", patient=patient)
            if response in str(each)
        ]
        assert [codes_of(each) for each in found] == [{"raters-apart", "score-not-for-respondent"}]


async def test_where_the_site_asks_it_must_be_said_before_sending(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING) as world:
        headers = await hand_to_child(world)
        assert "you decide whether" in (await world.browser.get("/fill/form", headers=headers)).text
        refused = await send(world, headers)
        assert refused.status_code == 422
        assert "may be read" in refused.text


@pytest.mark.parametrize("shown", [True, False])
async def test_a_respondent_sees_the_score_only_where_the_site_says_so(
    tmp_path: Path, *, shown: bool
) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}) if shown else frozenset())
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        sent = await send(world, headers)
        scores = sent.json().get("scores", [])
        assert scores == ([] if not shown else scores)
        assert any("14" in each for each in scores) is shown
        assert (scores[-1:] == [MEANING]) is shown
        # The answer may be lost on the line: whoever sends the same again reads it, and nobody else.
        bodies = [
            {"answers": ANSWERS},
            {"answers": ANSWERS, "changed": []},
            {"answers": {}},
            {"answers": {}, "changed": []},
            {"answers": dict(list(ANSWERS.items())[1:])},
        ]
        again = [await world.browser.post("/fill/submit", headers=headers, json=each) for each in bodies]
        assert [each.json().get("scores", []) for each in again] == [scores, scores, [], [], []]
        ledger = world.rapport.state.rapport.ledger
        response = await only_response(world)
        record = await ledger.read(lambda c: read_kept(c, ledger.vault, response))
        assert (Label.SCORE_NOT_FOR_RESPONDENT in read_labels(record.body)) is not shown
        assert read_labels(record.results.scores[0]) == read_labels(record.body)


async def test_a_result_that_is_missing_is_told_to_the_respondent(tmp_path: Path) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}))
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        answers = {**ANSWERS, "goal-1": None}
        sent = await world.browser.post("/fill/submit", headers=headers, json={"answers": answers})
        told = sent.json()["scores"]
        assert sum("no result, because not every question was answered" in each for each in told) == 2
        assert sum(" of 8 points" in each for each in told) == 2


async def test_that_nothing_has_a_result_is_told_once(tmp_path: Path) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}))
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        one = {name: given if name == "goal-1" else None for name, given in ANSWERS.items()}
        sent = await world.browser.post("/fill/submit", headers=headers, json={"answers": one})
        assert sent.json()["scores"] == ["No result, because not every question was answered."]


async def test_without_any_result_the_device_says_nothing_of_what_it_means(tmp_path: Path) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}), ask_before_sharing=True)
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        body = {"answers": {**ANSWERS, "goal-1": None}, "share": False}
        told = (await world.browser.post("/fill/submit", headers=headers, json=body)).json()["scores"]
        assert ["no result, because" in each for each in told] == [True]


async def test_a_result_on_the_device_tells_no_more_than_the_clinician_may_read(tmp_path: Path) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}), ask_before_sharing=True)
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        sent = await send(world, headers, share=False)
        told = sent.json()["scores"]
        assert (await send(world, headers, share=False)).json()["scores"] == told
        assert len(told) == 2  # the total, and what it means
        assert "of 24 points" in told[0]


@pytest.mark.parametrize(
    ("labels", "shown"), [(["raters-apart"], 5), (["raters-apart", "score-not-for-respondent"], 0)]
)
async def test_a_score_that_is_labelled_as_not_for_its_respondent_is_not_shown_to_them(
    tmp_path: Path, labels: list[str], shown: int
) -> None:
    policy = RespondentPolicy(show_score_to=frozenset({"child"}))
    async with run_world(tmp_path, respondents=policy) as world:
        child = (await world.people())[CHILD]
        meta = {"security": [{"system": LABELS, "code": each} for each in labels]}
        assert (await post(world, response_of(child, meta=meta))).status_code == 201
        token = await app_token(world)
        ehr = world.hosts.apps["ehr.invalid"]
        world.hosts.apps["ehr.invalid"] = Naming(ehr, f"{EHR}/r4/Patient/{child}")  # type: ignore[assignment] # any transport will do
        world.browser = world.new_browser()
        assert len(await search(world, "QuestionnaireResponse", token)) == 1
        assert len(await search(world, "Observation", token)) == shown


def test_a_respondents_token_sees_scores_only_where_the_site_says_so() -> None:
    score = Kept("Observation", "1", Clock().now, dict, "Patient/1", "child")
    child = Reader("sandbox", "Patient/1", Actor("Patient/1"), own="Patient/1")
    assert not child.may_see(score)
    told = Reader(
        "sandbox", "Patient/1", Actor("Patient/1"), own="Patient/1", scores_for=frozenset({"child"})
    )
    assert told.may_see(score)


AGREED = {"agreed": True, "stated": ["caregiver", "may-decide"]}

# What a caregiver states is kept as one word of the record, whatever the language: none may speak of legal custody.
CAREGIVERS = {
    "en": ("First, something for a caregiver", "I am a caregiver of this young person."),
    "de": ("Zuerst etwas für eine Bezugsperson", "Ich bin eine Bezugsperson dieses jungen Menschen."),
    "es": ("Primero, algo para una persona cuidadora", "Soy cuidador o cuidadora de esta persona joven."),
    "fr": ("D’abord, un mot pour un proche", "Je suis un proche qui s’occupe de ce jeune."),
    "pt": ("Primeiro, algo para um cuidador", "Sou cuidador ou cuidadora deste jovem."),
}


async def test_a_caregiver_states_the_same_in_every_language(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = {"X-Rapport-Invitation": secret_of(await teenagers_link(world))}
        for language, (heading, statement) in CAREGIVERS.items():
            async with world.new_browser() as phone:
                asked = await phone.get("/fill/form", headers={**headers, "Accept-Language": language})
            assert heading in asked.text
            assert statement in asked.text
            assert not re.search("sorgeberechtigt|responsab|responsáv|tutor", asked.text)


@pytest.mark.parametrize("stated", [[], ["caregiver"], ["may-decide", "there"]])
async def test_nobody_agrees_who_has_not_said_each_statement(tmp_path: Path, stated: list[str]) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        said = {"agreed": True, "stated": stated}
        answer = await world.browser.post("/fill/consent", headers=headers, json=said)
        assert answer.status_code == 422
        assert "consent-given" not in await audited(world)
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=headers)).text


async def test_the_entry_of_an_agreement_says_what_was_stated(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        await world.browser.post("/fill/consent", headers=await hand_to_child(world), json=AGREED)
        query = sa.select(t.audit.c.event, t.audit.c.sealed_resource).where(t.audit.c.kind == "consent-given")
        ledger = world.rapport.state.rapport.ledger
        row = await ledger.read(lambda c: c.execute(query).one())
        entry = msgspec.json.decode(ledger.vault.open("audit", row.event, row.sealed_resource))
        details = [each for entity in entry["entity"] for each in entity.get("detail", [])]
        assert {"type": "stated", "valueString": "caregiver may-decide"} in details


async def test_nothing_is_asked_before_a_caregiver_has_agreed(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        shown = await world.browser.get("/fill/form", headers=headers)
        assert "something for a caregiver" in shown.text
        assert "data-question" not in shown.text
        kept = await world.browser.put("/fill/answers", headers=headers, json={"answers": ANSWERS})
        assert kept.status_code == 410
        assert (await send(world, headers)).status_code == 410
        agreed = await world.browser.post("/fill/consent", headers=headers, json=AGREED)
        assert agreed.json()["state"] == "agreed"
        assert "data-question" in (await world.browser.get("/fill/form", headers=headers)).text
        assert (await send(world, headers)).status_code == 200
        assert "consent-given" in await audited(world)


async def test_a_consent_counts_for_the_days_that_the_site_sets(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        await world.browser.post("/fill/consent", headers=await hand_to_child(world), json=AGREED)
        await unlock(world)
        world.clock.pass_time(days=29)
        again = await hand_to_child(world)
        assert "data-question" in (await world.browser.get("/fill/form", headers=again)).text
        await unlock(world)
        world.clock.pass_time(days=2)
        later = await hand_to_child(world)
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=later)).text


async def test_a_refusal_closes_the_form_and_the_next_one_asks_again(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        first = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=first, json=AGREED)
        await unlock(world)
        world.clock.pass_time(days=31)
        headers = await hand_to_child(world)
        refused = await world.browser.post("/fill/consent", headers=headers, json={"agreed": False})
        assert refused.json()["state"] == "refused"
        told_anew = await world.browser.get("/fill/form", headers={**headers, "Accept-Language": "fr"})
        assert (told_anew.status_code, told_anew.headers["x-rapport-refused"]) == (410, "true")
        assert re.search(
            r'lang="en" data-gate="[^"]*" data-cover data-over="/launches/[^"]+/return"', told_anew.text
        )
        assert (await audited(world)).count("consent-refused") == 1
        await unlock(world)
        told = re.findall(r"data-unsent>([^<]*)<", (await world.launch(CHILD)).text)
        assert [each.partition("(")[2] for each in told] == ["the caregiver did not agree)"]
        again = await hand_to_child(world)
        assert "data-unsent" not in (await world.launch(CHILD)).text
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=again)).text


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({}, ("are saved in their health record",)),
        ({"writing": ONLY_SCORES, "show_item_answers": True}, ("They do not go into the health record",)),
        ({"writing": ONLY_SCORES}, ("Single answers are not shown to the people who treat",)),
        (
            {"respondents": replace(CONSENT, ask_before_sharing=True), "auditors_see_answers": True},
            ("the young person decides whether", "People who check"),
        ),
    ],
)
async def test_a_caregiver_who_is_asked_is_told_who_reads_the_answers(
    tmp_path: Path, policy: dict[str, Any], told: tuple[str, ...]
) -> None:
    async with run_world(tmp_path, **{"respondents": CONSENT, **policy}) as world:
        gate = (await world.browser.get("/fill/form", headers=await hand_to_child(world))).text
    assert "something for a caregiver" in gate
    assert all(each in gate for each in told)
    assert ("People who check" in gate) == ("auditors_see_answers" in policy)


async def test_a_consent_cannot_be_read_out_of_nonsense(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        answer = await world.browser.post("/fill/consent", headers=headers, json={"agreed": "perhaps"})
        assert answer.status_code == 422
        assert "consent-given" not in await audited(world)


async def test_a_young_child_gets_a_link_only_with_a_caregiver_where_the_site_allows_it(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=RespondentPolicy(link_with_caregiver=True)) as world:
        people = await world.people()
        page = await world.launch(CHILD)
        made = await make_link(world, page, f"Patient/{people[CHILD]}", "rapport-checkin-child")
        assert made.status_code == 200, made.text
        secret = made.text.partition("/fill#")[2][:40]
        phone = world.new_browser()
        shown = await phone.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        assert "Please be there while the child answers" in shown.text
        theirs = await phone.get(
            "/fill/form", headers={"X-Rapport-Invitation": secret, "Accept-Language": "es-MX"}
        )
        assert "Acompáñele mientras responde" in theirs.text
        assert 'lang="es"' in theirs.text
        assert "waits for a caregiver" in (await world.browser.get(str(made.url))).text
        await phone.aclose()


async def test_an_older_patient_needs_no_caregiver(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=RespondentPolicy(consent_below_age=8)) as world:
        headers = await hand_to_child(world)
        assert "data-question" in (await world.browser.get("/fill/form", headers=headers)).text


async def test_on_the_clinicians_device_a_caregiver_is_asked_in_the_language_of_the_form(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = {**await hand_to_child(world), "Accept-Language": "de"}
        shown = await world.browser.get("/fill/form", headers=headers)
        assert "First, something for a caregiver" in shown.text


@pytest.mark.parametrize(
    ("writers", "show_answers", "audience"),
    [
        (None, False, "record"),
        ((WriterKind.OBSERVATIONS, WriterKind.RESPONSE), False, "record"),
        ((WriterKind.OBSERVATIONS,), True, "care-team"),
        ((WriterKind.FLOWSHEET,), False, "scores"),
    ],
)
async def test_who_can_read_the_answers_is_told_as_it_is(
    tmp_path: Path, writers: tuple[WriterKind, ...] | None, *, show_answers: bool, audience: str
) -> None:
    writing = Writing(writers=writers)
    async with run_world(tmp_path, writing=writing, show_item_answers=show_answers) as world:
        assert audience_of(world.rapport.state.rapport, "sandbox") == audience


@pytest.mark.parametrize(
    ("writers", "asks", "said"),
    [
        (None, False, "People who check the clinic's records can read single answers, too."),
        (
            (WriterKind.OBSERVATIONS,),
            False,
            "Your single answers are shown only to people who check the clinic's records.",
        ),
        (None, True, "People who check the clinic's records can read them, whatever you decide."),
    ],
)
async def test_that_auditors_can_read_the_answers_is_told(
    tmp_path: Path, writers: tuple[WriterKind, ...] | None, *, asks: bool, said: str
) -> None:
    policy = RespondentPolicy(ask_before_sharing=asks)
    for seen in (True, False):
        (tmp_path / str(seen)).mkdir()
        async with run_world(
            tmp_path / str(seen),
            writing=Writing(writers=writers),
            auditors_see_answers=seen,
            respondents=policy,
        ) as world:
            headers = await hand_to_child(world)
            form = (await world.browser.get("/fill/form", headers=headers)).text
        assert form.count(said) == (1 + asks if seen else 0)
        assert ("check the clinic's records" in form) is seen


async def test_the_pin_is_still_needed_after_a_refusal(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        page = await world.launch(CHILD)
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people[CHILD]}", pin=PIN)
        said = await world.browser.post(
            "/fill/consent", headers={"X-Rapport-Invitation": secret}, json={"agreed": False}
        )
        assert said.json()["return_url"].endswith("/return")
        assert (await world.browser.get(str(page.url))).status_code == 303


@pytest.mark.parametrize(("from_age", "adolescents"), [(0, "one"), (12, "all"), (13, "one")])
async def test_forms_for_older_ones_show_all_questions_where_the_site_wants_it(
    tmp_path: Path, from_age: int, adolescents: str
) -> None:
    policy = RespondentPolicy(whole_form_from_age=from_age)
    async with run_world(tmp_path, respondents=policy) as world:
        headers = await hand_to_child(world)
        child = await world.browser.get("/fill/form", headers=headers)
        await unlock(world)
        people = await world.people()
        page = await world.launch("wei-ling")
        secret = await world.hand_over(page, f"Patient/{people['wei-ling']}", "rapport-checkin-adolescent")
        adolescent = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert 'data-mode="one"' in child.text
    assert f'data-mode="{adolescents}"' in adolescent.text


async def test_a_reason_for_no_answer_stands_in_the_response_and_on_the_page(tmp_path: Path) -> None:
    policy = RespondentPolicy(ask_why_skipped=True)
    async with run_world(tmp_path, respondents=policy, show_item_answers=True) as world:
        headers = await hand_to_child(world)
        assert "It does not fit me" in (await world.browser.get("/fill/form", headers=headers)).text
        answers = {
            **ANSWERS,
            "goal-1": {"absent": "not-applicable"},
            "goal-2": None,
            "task-1": {"absent": "unknown"},
        }
        sent = await world.browser.post("/fill/submit", headers=headers, json={"answers": answers})
        assert sent.status_code == 200, sent.text
        response = await only_response(world)
        ledger = world.rapport.state.rapport.ledger
        record = await ledger.read(lambda c: read_kept(c, ledger.vault, response))
        assert b'"valueCode":"not-applicable"' in record.body
        assert b'"valueCode":"asked-declined"' in record.body
        total = next(each for each in record.results.scores if b"total" in each)
        assert b"dataAbsentReason" in total
        await unlock(world)
        launch = await world.launch(CHILD)
        page = await world.browser.get(f"{launch.url}/responses/{response}")
        assert "Said that it does not apply" in page.text
        assert "Did not want to answer" in page.text
        assert "Gave no answer and no reason" in page.text


async def test_a_reason_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        headers = await hand_to_child(world)
        bodies: tuple[dict[str, Any], ...] = (
            {"answers": {"goal-1": {"absent": "bored"}}},
            {"answers": {"goal-1": {}}},
        )
        for body in bodies:
            for method, path in (("PUT", "/fill/answers"), ("POST", "/fill/submit")):
                refused = await world.browser.request(method, path, headers=headers, json=body)
                assert refused.status_code == 422


async def test_on_this_device_only_the_form_in_hand_opens(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        page = await world.launch(CHILD)
        secret = await world.hand_over(page, f"Patient/{people[CHILD]}")
        child = {"X-Rapport-Invitation": secret}
        kept = {"answers": {"goal-1": "mostly"}}
        assert (await world.browser.put("/fill/answers", headers=child, json=kept)).status_code == 200
        await unlock(world)
        assert (await world.browser.get("/fill/form", headers=child)).status_code == 410
        page = await world.browser.get(str(page.url))
        mother = next(
            f"RelatedPerson/{each['id']}"
            for each in await world.search("RelatedPerson", patient=people[CHILD])
        )
        other = await world.hand_over(page, mother, "rapport-checkin-caregiver")
        assert (
            await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": other})
        ).status_code == 200
        assert (await world.browser.get("/fill/form", headers=child)).status_code == 410
        phone = world.new_browser()
        assert "checked" in (await phone.get("/fill/form", headers=child)).text
        await phone.aclose()


async def test_a_form_that_was_begun_goes_on_when_it_is_handed_over_again(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        page = await world.launch(CHILD)
        first = await world.hand_over(page, f"Patient/{people[CHILD]}")
        kept = {"answers": {"goal-1": "mostly"}}
        await world.browser.put("/fill/answers", headers={"X-Rapport-Invitation": first}, json=kept)
        await unlock(world)
        again = await world.hand_over(await world.browser.get(str(page.url)), f"Patient/{people[CHILD]}")
        assert again == first
        shown = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": again})
        assert 'value="mostly" checked' in shown.text


async def closed_for(
    phone: httpx.AsyncClient, headers: dict[str, str]
) -> list[tuple[str | None, str | None]]:
    """Ask for a form that is closed, keep an answer and send: gives what each is told of why."""
    given = {"answers": ANSWERS}
    told = (
        await phone.get("/fill/form", headers=headers),
        await phone.put("/fill/answers", headers=headers, json=given),
        await phone.post("/fill/submit", headers=headers, json=given),
    )
    assert {each.status_code for each in told} == {410}
    return [(each.headers.get("X-Rapport-Screen"), each.headers.get("X-Rapport-Refused")) for each in told]


async def test_a_caregiver_who_changed_their_mind_is_asked_again(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        first = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=first, json=AGREED)
        await unlock(world)
        people = await world.people()
        page = await world.launch(CHILD)
        assert "Ask the caregiver" in page.text
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        wish = {
            "csrf": csrf,
            "respondent": f"Patient/{people[CHILD]}",
            "instrument": "rapport-checkin-child",
            "language": "en",
            "pin": PIN,
            "consent_again": "true",
        }
        made = await world.browser.post(f"{page.url}/invitations", data=wish)
        headers = {"X-Rapport-Invitation": made.headers["location"].partition("#")[2]}
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=headers)).text
        async with world.new_browser() as phone:
            for_first = await closed_for(phone, first)
            await phone.post("/fill/consent", headers=headers, json={"agreed": False})
            refused = await closed_for(phone, headers)
        # Whoever has the form of before open reads why it is closed, at whichever request.
        assert for_first == [("asked-anew", None)] * 3
        assert refused == [(None, "true")] * 3
        await unlock(world)
        later = await hand_to_child(world)
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=later)).text
        world.clock.pass_time(minutes=1)
        await world.browser.post("/fill/consent", headers=later, json=AGREED)
        await unlock(world)
        last = await hand_to_child(world)
        assert "something for a caregiver" not in (await world.browser.get("/fill/form", headers=last)).text


async def test_a_caregiver_is_asked_again_of_a_form_with_answers_only_when_it_was_cancelled(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        first = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=first, json=AGREED)
        await world.browser.get("/fill/form", headers=first)
        kept = {"answers": {"goal-1": "mostly"}}
        await world.browser.put("/fill/answers", headers=first, json=kept)
        await unlock(world)
        page, child = await world.launch(CHILD), f"Patient/{(await world.people())[CHILD]}"
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        wish = {"csrf": csrf, "respondent": child, "instrument": "rapport-checkin-child", "language": "en"}
        more = {"pin": PIN, "consent_again": "true"}
        told = await world.browser.post(f"{page.url}/invitations", data=wish | more)
        assert told.status_code == 422
        assert "answers already, which would be lost" in told.text
        assert 'name="consent_again" value="true" checked' in told.text
        assert "1 of 6 answered" in told.text
        form = re.search(r"/invitations/([0-9a-f-]{36})/withdraw", told.text)
        assert form is not None
        await world.browser.post(
            f"{page.url}/invitations/{form[1]}/withdraw", data={"csrf": csrf, "sure": "yes"}
        )
        made = await world.browser.post(f"{page.url}/invitations", data=wish | more)
        again = {"X-Rapport-Invitation": made.headers["location"].partition("#")[2]}
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=again)).text


async def test_a_caregivers_refusal_is_told_beside_a_young_person_who_has_answered_in_the_session(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        first = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=first, json=AGREED)
        assert (await send(world, first)).status_code == 200
        await unlock(world)
        world.clock.pass_time(minutes=1)
        page, child = await world.launch(CHILD), f"Patient/{(await world.people())[CHILD]}"
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        wish = {"csrf": csrf, "respondent": child, "instrument": "rapport-checkin-child", "language": "en"}
        more = {"pin": PIN, "consent_again": "true"}
        made = await world.browser.post(f"{page.url}/invitations", data=wish | more)
        again = {"X-Rapport-Invitation": made.headers["location"].partition("#")[2]}
        await world.browser.post("/fill/consent", headers=again, json={"agreed": False})
        await unlock(world)
        told = re.findall(r"data-unsent>([^<]*)<", (await world.launch(CHILD)).text)
        assert [each.partition("(")[2] for each in told] == ["the caregiver did not agree)"]


async def test_a_phone_that_opened_the_tablets_form_has_no_way_to_the_clinicians_pages(world: World) -> None:
    headers = await hand_to_child(world)
    async with world.new_browser() as phone:
        sent = await phone.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
    assert sent.json() == {"state": "saved", "return_url": None}


async def test_a_failure_is_told_in_the_readers_language(world: World) -> None:
    german = {"Accept-Language": "de-AT,de;q=0.9", "Accept": "text/html"}
    async with world.new_browser() as stranger:
        page = await stranger.get("/launches/unknown", headers=german)
    assert "Ihre Sitzung ist beendet" in page.text
    assert "Alles, was gesendet wurde, ist sicher." in page.text


async def test_the_tablet_is_given_back_though_the_form_was_withdrawn(world: World) -> None:
    headers = await hand_to_child(world)
    ledger = world.rapport.state.rapport.ledger
    await ledger.bookkeep(
        lambda connection: change_rows(connection, t.invitation, (), {"state": "withdrawn"})
    )
    refused = await world.browser.post("/fill/submit", headers=headers, json={"answers": {}})
    assert refused.status_code == 410
    back = await world.browser.get(refused.headers["x-rapport-return"])
    assert 'name="pin"' in back.text
    async with world.new_browser() as phone:
        assert "x-rapport-return" not in (await phone.get("/fill/form", headers=headers)).headers


async def test_another_decision_about_single_answers_after_a_form_was_sent_is_told_as_not_sent(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=ASKING) as world:
        headers = await hand_to_child(world)
        told = [(await send(world, headers, share=share)).json().get("late") for share in (True, True, False)]
        assert told == [None, None, True]


async def test_another_reason_after_a_form_was_sent_is_told_as_not_sent(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=RespondentPolicy(ask_why_skipped=True)) as world:
        headers = await hand_to_child(world)
        told = []
        for why in (None, None, {"absent": "not-applicable"}):
            body = {"answers": {**ANSWERS, "goal-1": why}}
            sent = await world.browser.post("/fill/submit", headers=headers, json=body)
            told.append(sent.json().get("late"))
        assert told == [None, None, True]


@pytest.mark.parametrize("way", ["go on", "start"])
async def test_a_form_begun_before_a_consent_age_was_set_asks_the_caregiver_when_it_goes_on(
    tmp_path: Path, way: str
) -> None:
    first = next(iter(ANSWERS))
    async with run_world(tmp_path) as world:
        begun = await hand_to_child(world)
        kept = {"answers": {first: ANSWERS[first]}}
        assert (await world.browser.put("/fill/answers", headers=begun, json=kept)).status_code == 200
        await unlock(world)
    async with run_world(tmp_path, respondents=CONSENT) as world:
        if way == "start":
            headers = await hand_to_child(world)
        else:
            page = await world.launch(CHILD)
            (press,) = re.findall(r'name="press" value="(on [^"]+)"', page.text)
            csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
            data = {"csrf": csrf, "press": press, "pin": PIN}
            again = await world.browser.post(f"{page.url}/invitations", data=data)
            headers = {"X-Rapport-Invitation": again.headers["location"].partition("#")[2]}
        shown = await world.browser.get("/fill/form", headers=headers)
        assert "something for a caregiver" in shown.text
        assert "data-question" not in shown.text
        assert (await world.browser.get("/fill/form", headers=begun)).status_code == 410
        await world.browser.post("/fill/consent", headers=headers, json=AGREED)
        opened = await world.browser.get("/fill/form", headers=headers)
        assert f'value="{ANSWERS[first]}" checked' in opened.text
        assert (await send(world, headers)).status_code == 200


async def test_a_form_that_a_caregiver_agreed_to_goes_on_without_asking(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        first = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=first, json=AGREED)
        await unlock(world)
        again = await hand_to_child(world)
        assert again == first
        assert "data-question" in (await world.browser.get("/fill/form", headers=again)).text
