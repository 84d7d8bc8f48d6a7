"""The main job, end to end: launched from a chart, a form is filled, scored, and stands in the record."""

import asyncio
import re
from typing import Any

from plugin.ledger import tables as t
from plugin.observations.build import IDENTIFIER_SYSTEM
from tests.product.forms import ANSWERS
from tests.product.test_personalities import send_form
from tests.product.world import PIN, World, body_of

TOTAL = "rapport-checkin-child-total"


def codes(observation: dict[str, Any]) -> str:
    return str(observation["code"]["coding"][0]["code"])


async def send_child_form(world: World, answers: dict[str, str | None] | None = None) -> tuple[str, str]:
    """Launch, hand over to Amara, fill, send; gives patient and response id."""
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    sent = await world.fill(secret, answers or ANSWERS)
    assert sent.status_code == 200, sent.text
    await world.browser.post(
        sent.json()["return_url"], data={"csrf": await lock_csrf(world, sent), "pin": PIN}
    )
    listed = await world.browser.get(f"{page.url}/responses.json")
    return people["amara"], body_of(listed)[0]["id"]


async def lock_csrf(world: World, sent: Any) -> str:
    page = await world.browser.get(sent.json()["return_url"])
    return str(page.text.split('name="csrf" value="')[1].split('"')[0])


async def test_a_childs_form_is_scored_and_stands_in_the_record(world: World) -> None:
    patient, response = await send_child_form(world)
    panel, *rest = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")
    assert rest == []
    assert panel["performer"] == [{"reference": f"Patient/{patient}"}]
    members = {each["reference"].split("/")[-1] for each in panel["hasMember"]}
    found = await world.search("Observation", patient=patient, category="survey")
    scores = {codes(each): each["valueQuantity"]["value"] for each in found if each["id"] in members}
    assert scores == {
        TOTAL: 14,
        "rapport-checkin-child-goal": 7,
        "rapport-checkin-child-task": 1,
        "rapport-checkin-child-bond": 6,
    }


async def test_scores_follow_the_screening_assessment_profile(world: World) -> None:
    patient, response = await send_child_form(world)
    (total,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-total")
    (answered,) = await world.search("QuestionnaireResponse", identifier=f"{IDENTIFIER_SYSTEM}|{response}")
    assert total["status"] == "final"
    assert total["category"][0]["coding"][0]["code"] == "survey"
    assert total["valueQuantity"] == {
        "value": 14,
        "unit": "{score}",
        "system": "http://unitsofmeasure.org",
        "code": "{score}",
    }
    assert total["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{answered['id']}"}]
    assert total["effectiveDateTime"] == answered["authored"]
    assert "performer" not in total
    assert answered["questionnaire"].endswith("/rapport-checkin-child|1.1.0")
    assert answered["source"] == {"reference": f"Patient/{patient}"}
    (provenance,) = await world.search("Provenance", target=f"Observation/{total['id']}")
    assembler = next(each for each in provenance["agent"] if each["type"]["coding"][0]["code"] == "assembler")
    assert assembler["onBehalfOf"]["display"] == "Sandbox service"


async def test_a_score_with_a_missing_answer_is_absent_and_says_which(world: World) -> None:
    _, response = await send_child_form(world, {**ANSWERS, "goal-2": None})
    (goal,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-goal")
    (total,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-total")
    (bond,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-bond")
    for absent in (goal, total):
        assert "valueQuantity" not in absent
        assert "goal-2" in absent["dataAbsentReason"]["text"]
    assert bond["valueQuantity"]["value"] == 6


async def test_lowest_answers_give_zero_not_nothing(world: World) -> None:
    _, response = await send_child_form(world, dict.fromkeys(ANSWERS, "not-at-all"))
    (total,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-total")
    assert total["valueQuantity"]["value"] == 0


async def test_sending_twice_makes_one_response(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    await world.browser.get("/fill/form", headers=headers)
    first = await world.browser.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
    second = await world.browser.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    before = len(await world.delivered(code=TOTAL, patient=people["amara"], status="final"))
    assert len(await world.search("Observation", code=TOTAL, patient=people["amara"])) == before


async def test_answers_are_kept_as_they_are_given_and_come_back(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    await world.browser.get("/fill/form", headers=headers)
    kept = await world.browser.put("/fill/answers", headers=headers, json={"answers": {"goal-1": "mostly"}})
    assert kept.status_code == 200
    async with world.new_browser() as other_device:
        form = await other_device.get("/fill/form", headers=headers)
    chosen = [part for part in form.text.split("<input") if 'value="mostly"' in part and "checked" in part]
    assert len(chosen) == 1
    assert 'name="q1"' in chosen[0]


async def test_the_form_shows_no_weight(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    for word in ("itemWeight", "ordinal", "score", "weight"):
        assert word not in form.text


async def test_a_caregiver_answers_in_her_language(world: World) -> None:
    people = await world.people()
    (caregiver, *_) = await world.search("RelatedPerson", patient=people["amara"])
    page = await world.launch("amara")
    secret = await world.hand_over(
        page, f"RelatedPerson/{caregiver['id']}", instrument="rapport-checkin-caregiver", language="es"
    )
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert "No quiero responder" in form.text
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text


async def test_while_the_device_is_handed_over_nothing_of_the_chart_is_reachable(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{people['amara']}")
    locked = await world.browser.get(str(page.url))
    assert locked.status_code == 303
    assert locked.headers["location"].endswith("/return")
    assert (await world.browser.get(f"{page.url}/responses.json")).status_code == 423
    lock = await world.follow(locked)
    assert "Amara" not in lock.text
    again = await world.launch("amara")
    assert "Amara" not in again.text


async def test_the_therapist_answers_without_hand_over(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(
        page, f"Practitioner/{people['practitioner']}", instrument="rapport-checkin-therapist", pin=""
    )
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    assert (await world.browser.get(str(page.url))).status_code == 200


async def test_past_scores_of_the_record_are_plotted_per_rater(world: World) -> None:
    page = await world.launch("amara")
    assert "<svg" in page.text
    assert "Amara" in page.text
    assert "None came by Rapport yet: the scores above stand in the record." in page.text
    assert "No responses yet" not in page.text


async def test_a_patient_without_history_has_an_empty_state(world: World) -> None:
    histories = {
        each["subject"]["reference"].split("/")[1] for each in await world.search("QuestionnaireResponse")
    }
    fresh = next(
        name
        for name, each in (await world.people()).items()
        if each not in histories and name != "practitioner"
    )
    page = await world.launch(fresh)
    assert page.status_code == 200
    assert "No alliance scores yet" in page.text
    assert "No responses yet." in page.text


async def test_every_write_has_its_audit_entry(world: World) -> None:
    import sqlalchemy as sa

    from plugin.ledger import tables as t

    _, response = await send_child_form(world)
    await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")
    ledger = world.rapport.state.rapport.ledger
    for _ in range(3000):
        kinds = await ledger.read(lambda c: set(c.execute(sa.select(t.audit.c.kind)).scalars()))
        if "delivery" in kinds:
            break
        await asyncio.sleep(0.02)
    assert kinds >= {
        "launch",
        "patient-viewed",
        "hand-over",
        "invitation-opened",
        "response-received",
        "hand-over-ended",
        "delivery",
    }


async def test_the_lock_speaks_the_language_of_who_holds_the_device(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{people['amara']}", language="es")
    locked = await world.browser.get(f"{page.url}/return")
    assert '<html lang="es"' in locked.text


async def test_the_empty_form_speaks_the_browsers_language(world: World) -> None:
    shell = await world.browser.get("/fill", headers={"Accept-Language": "fr-CA, en;q=0.5"})
    assert '<html lang="fr"' in shell.text


async def test_answers_after_sending_are_refused_not_dropped(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200
    late = await world.browser.put(
        "/fill/answers", headers={"X-Rapport-Invitation": secret}, json={"answers": {"goal-1": "mostly"}}
    )
    assert late.status_code == 410


async def test_a_response_to_a_version_no_longer_installed_shows_its_stored_scores(world: World) -> None:
    _, response = await send_child_form(world)
    ledger = world.rapport.state.rapport.ledger
    older = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child|0.9.0"
    await ledger.bookkeep(
        lambda connection: connection.execute(
            t.response.update().where(t.response.c.id == response).values(instrument=older)
        )
    )
    page = await world.launch("amara")
    shown = await world.browser.get(f"{page.url}/responses/{response}")
    assert page.status_code == shown.status_code == 200
    assert "not installed now" in shown.text
    assert "14" in shown.text


async def test_files_are_kept_by_browsers_and_pages_are_not(world: World) -> None:
    page = await world.launch("amara")
    style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    file = await world.browser.get(style)
    assert "immutable" in file.headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"


def standing_of(page: Any, name: str) -> str:
    _, *choices = page.text.split('<label class="choice">')
    choice = next(part for part in choices if f"<b>{name}</b>" in part)
    return str(choice.split('class="standing', 1)[1].split(">", 1)[1].split("<")[0])


async def test_who_has_answered_and_who_is_due_stands_beside_each_name(world: World) -> None:
    page = await world.launch("amara")
    assert standing_of(page, "Amara Okafor") == "due"
    await send_child_form(world)
    page = await world.launch("amara")
    assert standing_of(page, "Amara Okafor") == "has answered"
    assert standing_of(page, "Ngozi Okafor") == "due"


async def test_a_score_that_the_record_has_before_the_ledger_knows_is_shown_once(world: World) -> None:
    from tests.product.test_delivery import forget_that_it_was_delivered

    _, response = await send_child_form(world)
    await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/score-total")
    world.rapport.state.rapport.worker._owner = "nobody who is alive"
    await forget_that_it_was_delivered(world)
    page = await world.launch("amara")
    told = page.text.split('<ul class="facts">')[1].split("</ul>")[0]
    assert re.search(r"Amara Okafor</b>\s*<span class=\"now\">14 of 24</span>.*?>today", told, re.DOTALL)
    assert "14 last time" not in told


async def test_a_draft_stands_behind_the_forms_that_are_meant_for_use(world: World) -> None:
    page = await world.launch("amara")
    assert page.text.index('value="rapport-checkin-caregiver"') < page.text.index(
        'value="peq-camhs-caregiver"'
    )


async def test_everybody_who_is_due_and_who_has_answered_is_named_before_the_first_press(
    world: World,
) -> None:
    """In an EHR's frame the presses of four people reach below the first screen."""
    await send_form(world)
    world.browser = world.new_browser()
    page = await world.launch("amara")
    card = page.text.partition('id="due"')[2].partition('name="press"')[0]
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", card))
    assert "Due now Chidi Okafor, Ngozi Okafor, Tomasz Zieliński Amara Okafor has answered" in told
