"""Scores entered from paper: only where the licence has been attested, by the clinician, never handed to anybody."""

import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from plugin.settings import Attestation
from tests.product.test_lock import csrf_of
from tests.product.test_remote import make_link
from tests.product.world import World, run_world

ATTESTED = {"srs": Attestation("Licence 4711", "A. Lead, service manager", date(2026, 1, 31), 34.0)}
LINES = {"line-1": "8.5", "line-2": "9", "line-3": "7.3", "line-4": "10"}
TEENAGER = "wei-ling"


@pytest.fixture
async def licensed(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, attested=ATTESTED) as running:
        yield running


async def test_without_attestation_it_is_not_offered_and_says_why(world: World) -> None:
    people = await world.people()
    page = await world.launch(TEENAGER)
    assert 'value="srs"' not in page.text
    assert "attested its licence" in page.text
    refused = await make_link(world, page, f"Patient/{people[TEENAGER]}", "srs")
    assert refused.status_code == 422


async def test_four_numbers_become_a_total_with_its_snomed_code(licensed: World) -> None:
    people = await licensed.people()
    page = await licensed.launch(TEENAGER)
    secret = await licensed.hand_over(page, f"Patient/{people[TEENAGER]}", "srs", pin="")
    headers = {"X-Rapport-Invitation": secret}
    form = await licensed.browser.get("/fill/form", headers=headers)
    assert form.text.count(" data-number ") == 4
    assert "as they stand on the completed form" in form.text
    assert "not want to answer" not in form.text
    sent = await licensed.fill(secret, LINES)
    assert sent.status_code == 200, sent.text
    (total,) = await licensed.delivered(code="http://snomed.info/sct|720482000", patient=people[TEENAGER])
    assert total["valueQuantity"]["value"] == pytest.approx(34.8)
    again = await licensed.browser.get(f"{page.url}")
    assert again.status_code == 200, "the clinician's session is not locked"
    responses = (await licensed.browser.get(f"{page.url}/responses.json")).json()
    shown = await licensed.browser.get(f"{page.url}/responses/{responses[0]['id']}")
    assert "own threshold for the total: 34" in shown.text
    assert "<dd>7.3</dd>" in shown.text, "what the clinician has entered is not kept from clinicians"
    assert re.search(r"<li>.*Cut-offs of 36, 34 and others are printed by vendors", shown.text)


async def test_it_is_not_chosen_beforehand_where_a_form_can_be_filled(licensed: World) -> None:
    page = await licensed.launch(TEENAGER)
    offered = re.findall(r'name="instrument" value="([^"]+)"', page.text)
    assert offered.index("rapport-checkin-adolescent") < offered.index("srs")


@pytest.mark.parametrize("wrong", ["10.1", "-1", "eight", "8.55"])
async def test_a_number_outside_the_line_is_named(licensed: World, wrong: str) -> None:
    people = await licensed.people()
    page = await licensed.launch(TEENAGER)
    secret = await licensed.hand_over(page, f"Patient/{people[TEENAGER]}", "srs", pin="")
    sent = await licensed.fill(secret, {**LINES, "line-2": wrong})
    assert sent.status_code == 422
    assert "line-2" in sent.text


async def test_it_is_never_sent_as_a_link(licensed: World) -> None:
    people = await licensed.people()
    page = await licensed.launch(TEENAGER)
    refused = await make_link(licensed, page, f"Patient/{people[TEENAGER]}", "srs")
    assert refused.status_code == 422
    assert "entered from paper" in refused.text


async def test_around_the_lines_stand_the_clinicians_words(licensed: World) -> None:
    people = await licensed.people()
    page = await licensed.launch(TEENAGER)
    secret = await licensed.hand_over(page, f"Patient/{people[TEENAGER]}", "srs", pin="")
    headers = {"X-Rapport-Invitation": secret, "Accept-Language": "de-AT"}
    form = await licensed.browser.get("/fill/form", headers=headers)
    assert "Was eingegeben wird, wird in der Akte gespeichert" in form.text
    assert (
        'data-wrong="Bitte eine Zahl von 0 bis 10 angeben. Höchstens 1 Stelle nach dem Komma."' in form.text
    )
    assert '<h1 tabindex="-1" lang="en"' in form.text  # the title is its holder's


async def test_paper_that_was_begun_goes_on_without_a_pin(licensed: World) -> None:
    people = await licensed.people()
    page = await licensed.launch(TEENAGER)
    secret = await licensed.hand_over(page, f"Patient/{people[TEENAGER]}", "srs", pin="")
    again = await licensed.launch(TEENAGER)
    (press,) = re.findall(r'name="press" value="(on [^"]+)" formnovalidate', again.text)
    data = {"csrf": csrf_of(again), "press": press}
    opened = await licensed.browser.post(f"{again.url}/invitations", data=data)
    assert opened.headers["location"] == f"/fill#{secret}"
