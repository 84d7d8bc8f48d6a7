"""A site drops a Questionnaire that we did not write: on the menu, filled, scored, in the record; a broken one stops nobody."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.product import public_forms
from tests.product.public_forms import FREQUENCY, GAD_7, GAD_7_TOTAL, LOINC, PHQ_9, PHQ_9_TOTAL, Json
from tests.product.world import RAPPORT, World, run_world
from tests.questionnaires import forms

TEENAGER = "wei-ling"
FORMS = [
    (public_forms.by_the_option_of_the_form, PHQ_9, PHQ_9_TOTAL),
    (public_forms.by_a_contained_value_set, PHQ_9, PHQ_9_TOTAL),
    (public_forms.by_ordinal, GAD_7, GAD_7_TOTAL),
    (public_forms.by_the_answers_extension, GAD_7, GAD_7_TOTAL),
]


def drop(folder: Path, name: str, form: Json) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(json.dumps(form), encoding="utf-8")
    return file


async def send(world: World, instrument: str, answers: Json) -> str:
    people = await world.people()
    page = await world.launch(TEENAGER)
    secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", instrument)
    sent = await world.fill(secret, answers)
    assert sent.status_code == 200, sent.text
    return people[TEENAGER]


@pytest.mark.parametrize(("write", "texts", "code"), FORMS)
async def test_a_public_form_becomes_its_total_under_its_own_code(
    tmp_path: Path, write: Callable[[], Json], texts: dict[str, str], code: str
) -> None:
    drop(tmp_path / "own", "Their Form.json", write())
    given = {f"/{item}": FREQUENCY[place % 4] for place, item in enumerate(texts)}
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        page = await world.launch(TEENAGER)
        assert write()["title"] in page.text
        patient = await send(world, "their-form", {item: option[0] for item, option in given.items()})
        (found,) = await world.delivered(code=f"{LOINC}|{code}", patient=patient)
        assert found["valueQuantity"]["value"] == sum(option[2] for option in given.values())
        (panel,) = await world.search(
            "Observation", code=f"{LOINC}|{write()['code'][0]['code']}", patient=patient
        )
        assert len(panel["hasMember"]) == 1


async def test_a_score_without_a_code_is_written_under_the_sites_own(tmp_path: Path) -> None:
    asked = [forms.question("a"), forms.question("b")]
    scored = forms.score("sum of all", "%resource.item.answer.value.weight().sum()")
    del scored["code"]
    plain = forms.form(*asked, scored)
    del plain["extension"], plain["url"], plain["version"]
    drop(tmp_path / "own", "ours.json", plain)
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        patient = await send(world, "ours", {"a": "s1", "b": "s3"})
        system = "https://w3id.org/rapport-fhir/site/CodeSystem/ours"
        (found,) = await world.delivered(code=f"{system}|sum of all", patient=patient)
        assert found["valueQuantity"]["value"] == 4


async def test_a_broken_form_is_left_out_and_named_while_the_others_work(tmp_path: Path) -> None:
    drop(tmp_path / "own", "broken.json", {"resourceType": "Bundle", "type": "collection"})
    drop(tmp_path / "own", "no-json.json", {})
    (tmp_path / "own" / "no-json.json").write_text('{"resourceType": ', encoding="utf-8")
    unreachable = public_forms.by_a_contained_value_set("%resource.item")
    drop(tmp_path / "own", "blind.json", unreachable)
    drop(tmp_path / "own", "gad-7.json", public_forms.by_ordinal())
    places = (tmp_path / "own", tmp_path / "nowhere")
    async with run_world(tmp_path, instrument_folders=places) as world:
        page = await world.launch(TEENAGER)
        assert 'value="gad-7"' in page.text
        health = (await world.browser.get(f"{RAPPORT}/health")).json()
        said = {each["file"]: each["problems"][0] for each in health["instruments"]["left_out"]}
        assert said["broken.json"]["found"] == "It is a Bundle, not a Questionnaire"
        assert "The JSON is broken" in said["no-json.json"]["found"]
        assert said["nowhere"]["found"] == "There is no such folder or file"
        blind = said["blind/questionnaire.json"]
        assert blind["place"] == f"/{PHQ_9_TOTAL}"
        assert "it reads no answer that counts" in blind["found"]
        assert str(tmp_path) not in json.dumps(health)
