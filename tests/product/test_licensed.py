"""A licensed instrument: refused without its wording, filled with it, and its warnings where it is chosen and read."""

import json
from pathlib import Path

from questionnaires import load_catalogue, walk
from tests.product.test_path import lock_csrf
from tests.product.test_remote import make_link
from tests.product.world import PIN, World, run_world

FORM = "wai-s-client"
TEENAGER = "wei-ling"


def write_pack(folder: Path, form: str = FORM) -> Path:
    """Write a wording pack of made-up texts, as a licensed site does with its own."""
    instrument = load_catalogue().by_id(form)
    asked = [item for item in walk(instrument.items) if item.is_question]
    pack = {
        "instrument": form,
        "version": instrument.version,
        "language": "en",
        "licence": "Made up for this test",
        "holder": "Nobody",
        "date": "2026-01-01",
        "title": "Made-up wording",
        "intro": "Made-up opening",
        "items": {item.link_id: f"Sentence {number}" for number, item in enumerate(asked, 1)},
        "options": {option.code: f"Step {option.code}" for option in asked[0].options},
    }
    place = folder / "wording" / form
    place.mkdir(parents=True)
    (place / "en.json").write_text(json.dumps(pack), encoding="utf-8")
    return folder / "wording"


async def test_without_wording_it_is_listed_with_its_reason_and_refused(world: World) -> None:
    people = await world.people()
    page = await world.launch(TEENAGER)
    assert f'value="{FORM}"' not in page.text
    assert "wording must be supplied" in page.text
    refused = await make_link(world, page, f"Patient/{people[TEENAGER]}", FORM)
    assert refused.status_code == 422


async def test_with_wording_it_is_filled_and_its_warning_stands_where_it_is_chosen_and_read(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, wording=write_pack(tmp_path)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        assert "Subscales are exploratory for young people" in page.text
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", FORM)
        sent = await world.fill(secret, {f"item-{number}": "5" for number in range(1, 13)})
        assert sent.status_code == 200, sent.text
        (total,) = await world.delivered(code="wai-s-client-total", patient=people[TEENAGER])
        assert total["valueQuantity"]["value"] == 10 * 5 + 2 * 3
        unlocking = {"csrf": await lock_csrf(world, sent), "pin": PIN}
        await world.browser.post(sent.json()["return_url"], data=unlocking)
        responses = (await world.browser.get(f"{page.url}/responses.json")).json()
        shown = await world.browser.get(f"{page.url}/responses/{responses[0]['id']}")
        assert "Subscales are exploratory for young people" in shown.text


async def test_what_opens_a_form_is_said_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, wording=write_pack(tmp_path)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", FORM)
        form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        assert form.text.count("Made-up opening") == 1
