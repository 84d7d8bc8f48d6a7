"""A form gets a new version while somebody has it open: it goes on as it was begun, and the next one is the new one."""

import json
from pathlib import Path

from tests.product.test_own_forms import TEENAGER, drop
from tests.product.test_remote import make_link, secret_of
from tests.product.world import World, run_world
from tests.questionnaires import forms

SUM = "%resource.item.answer.value.weight().sum()"
FIRST = forms.form(
    forms.question("a", text="As it was"), forms.question("gone"), forms.score("sum", SUM), version="1.0.0"
)
SECOND = forms.form(forms.question("a", (0, 5, 6, 7), text="As it is now"), forms.score("sum", SUM))


async def begun(world: World) -> str:
    """A teenager gets a link and answers one question; gives the link's secret."""
    page = await world.launch(TEENAGER)
    secret = secret_of(await make_link(world, page, f"Patient/{(await world.people())[TEENAGER]}", "ours"))
    async with world.new_browser() as phone:
        kept = await phone.put("/fill/answers", headers=told(secret), json={"answers": {"gone": "s2"}})
        assert kept.status_code == 200, kept.text
    return secret


def renew(own: Path) -> None:
    """Put the second version in place, and keep the first."""
    drop(own, "ours.json", SECOND)
    (own / "earlier").mkdir()
    drop(own / "earlier" / "ours", "first.json", FIRST)


def told(secret: str) -> dict[str, str]:
    return {"X-Rapport-Invitation": secret}


async def test_what_was_begun_by_the_earlier_version_goes_on_and_is_scored_by_it(tmp_path: Path) -> None:
    own = tmp_path / "own"
    drop(own, "ours.json", FIRST)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        secret = await begun(world)
    renew(own)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        patient = (await world.people())[TEENAGER]
        async with world.new_browser() as phone:
            form = await phone.get("/fill/form", headers=told(secret))
            assert "As it was" in form.text
            assert 'value="s2" checked' in form.text
            sent = await phone.post(
                "/fill/submit", headers=told(secret), json={"answers": {"a": "s1", "gone": "s2"}}
            )
            assert sent.status_code == 200, sent.text
        await world.launch(TEENAGER)
        (found,) = await world.delivered(code="https://site.invalid/CodeSystem/score|sum", patient=patient)
        assert found["valueQuantity"]["value"] == 3
        assert world.rapport.state.rapport.intake.catalogue.by_id("ours").version == "2.0.0"
        new = await world.hand_over(await world.launch(TEENAGER), f"Patient/{patient}", "ours")
        assert "As it is now" in (await world.browser.get("/fill/form", headers=told(new))).text


async def test_starting_the_form_again_goes_on_with_what_was_begun_by_the_earlier_version(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    drop(own, "ours.json", FIRST)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        secret = await begun(world)
    renew(own)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        patient = (await world.people())[TEENAGER]
        assert (
            secret_of(await make_link(world, await world.launch(TEENAGER), f"Patient/{patient}", "ours"))
            == secret
        )


async def test_without_the_earlier_version_the_form_is_closed_and_says_that_it_was_changed(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    drop(own, "ours.json", FIRST)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        secret = await begun(world)
    drop(own, "ours.json", SECOND)
    async with run_world(tmp_path, instrument_folders=(own,)) as world, world.new_browser() as phone:
        screen = await phone.get("/fill", headers={"Accept-Language": "de"})
        assert "Vielleicht wurde er schon gesendet, zurückgezogen oder geändert" in screen.text
        form = await phone.get("/fill/form", headers=told(secret))
        kept = await phone.put("/fill/answers", headers=told(secret), json={"answers": {"a": "s1"}})
        sent = await phone.post("/fill/submit", headers=told(secret), json={"answers": {"a": "s1"}})
        again = secret_of(
            await make_link(
                world, await world.launch(TEENAGER), f"Patient/{(await world.people())[TEENAGER]}", "ours"
            )
        )
        assert (await phone.get("/fill/form", headers=told(again))).status_code == 200
    for answer in (form, kept, sent):
        assert answer.status_code == 410
        (issue,) = answer.json()["issue"]
        assert issue["diagnostics"] == "This form was changed after it was begun. Ask for a new one."
    assert "X-Rapport-Unsent" in sent.headers


async def test_the_form_of_an_old_response_is_found_over_fhir(tmp_path: Path) -> None:
    own = tmp_path / "own"
    renew(own)
    async with run_world(tmp_path, instrument_folders=(own,)) as world:
        for asked, version in (
            ({"url": f"{FIRST['url']}|1.0.0"}, "1.0.0"),
            ({"url": FIRST["url"], "version": "1.0.0"}, "1.0.0"),
            ({"url": FIRST["url"]}, "2.0.0"),
        ):
            found = await world.browser.get("/fhir/Questionnaire", params=asked)
            (entry,) = json.loads(found.content)["entry"]
            assert entry["resource"]["version"] == version
            # Each has an address of its own, where it is.
            read = await world.browser.get(entry["fullUrl"])
            assert json.loads(read.content) == entry["resource"]
            assert entry["fullUrl"].endswith(f"/{entry['resource']['id']}")
            by_id = await world.browser.get("/fhir/Questionnaire", params={"_id": entry["resource"]["id"]})
            assert json.loads(by_id.content)["entry"] == [entry]
        listed = await world.browser.get("/fhir/Questionnaire")
        assert "1.0.0" not in {
            each["resource"]["version"]
            for each in json.loads(listed.content)["entry"]
            if each["resource"]["url"] == FIRST["url"]
        }
