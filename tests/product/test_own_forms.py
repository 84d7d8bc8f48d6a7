"""A site drops a Questionnaire that we did not write: on the menu, filled, scored, in the record; a broken one stops nobody."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from plugin.pages.kinds import asked_of, step_of
from tests.product import public_forms
from tests.product.public_forms import FREQUENCY, GAD_7, GAD_7_TOTAL, LOINC, PHQ_9, PHQ_9_TOTAL, Json
from tests.product.test_kept import unlock
from tests.product.test_remote import make_link
from tests.product.world import RAPPORT, World, run_world
from tests.questionnaires import forms

TEENAGER = "wei-ling"
FORMS = [
    (public_forms.by_the_option_of_the_form, PHQ_9, PHQ_9_TOTAL),
    (public_forms.by_a_contained_value_set, PHQ_9, PHQ_9_TOTAL),
    (public_forms.by_everything_but_the_total, PHQ_9, PHQ_9_TOTAL),
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


@pytest.mark.parametrize(
    ("says", "shown"), [(None, "one"), ("prior-edit", "one"), ("random", "all"), ("as you like", "one")]
)
async def test_a_form_that_says_how_it_wants_to_be_shown_is_shown_so(
    tmp_path: Path, says: str | None, shown: str
) -> None:
    form = public_forms.by_ordinal()
    mode = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-entryMode"
    if says:
        form["extension"] = [*form.get("extension", ()), {"url": mode, "valueCode": says}]
    drop(tmp_path / "own", "Their Form.json", form)
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "their-form")
        given = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert f'data-mode="{shown}"' in given.text


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
        blind = said["blind.json"]
        assert blind["place"] == f"/{PHQ_9_TOTAL}"
        assert "it reads no answer that counts" in blind["found"]
        assert str(tmp_path) not in json.dumps(health)


def every_kind() -> Json:
    yes = [{"question": "any", "operator": "=", "answerBoolean": True}]
    items: list[Json] = [
        {"linkId": "any", "text": "Anything?", "type": "boolean"},
        {"linkId": "many", "text": "How many?", "type": "integer", "enableWhen": yes, "required": True},
        {
            "linkId": "g",
            "text": "About you",
            "type": "group",
            "item": [
                {"linkId": "hint", "text": "Take your time.", "type": "display"},
                {"linkId": "height", "text": "Height", "type": "decimal"},
                {"linkId": "day", "text": "Day", "type": "date"},
                {"linkId": "clock", "text": "Time", "type": "time"},
            ],
        },
        {"linkId": "word", "text": "A word", "type": "string"},
        {"linkId": "words", "text": "More words", "type": "text"},
        {"linkId": "lines", "text": "Names", "type": "string", "repeats": True},
        forms.question("several", repeats=True),
        forms.question("open", type="open-choice"),
        forms.question("a"),
        forms.score("total", "%resource.item.where(linkId in ('several' | 'a')).answer.value.weight().sum()"),
    ]
    return forms.form(*items)


ANSWERS: Json = {
    "any": "true",
    "many": "2",
    "height": "1.62",
    "day": "2026-02-28",
    "clock": "09:30",
    "word": "calm",
    "words": "two\nlines",
    "lines": ["one", "two"],
    "several": ["s1", "s3"],
    "open": "something else",
    "a": "s2",
}


async def test_every_usual_kind_of_question_is_asked_and_answered(tmp_path: Path) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        patient = await send(world, "kinds", ANSWERS)
        await world.delivered(code="https://site.invalid/CodeSystem/score|total", patient=patient)
        (kept,) = [
            each
            for each in await world.search("QuestionnaireResponse", patient=patient)
            if each["questionnaire"].startswith("https://site.invalid/Questionnaire/made-up")
        ]
        given = {
            item["linkId"]: [next(iter(answer.values())) for answer in item["answer"]]
            for each in kept["item"]
            for item in (each.get("item") or [each])
        }
        codings = {link_id: [each["code"] for each in given.pop(link_id)] for link_id in ("several", "a")}
        assert codings == {"several": ["s1", "s3"], "a": ["s2"]}
        assert given == {
            "any": [True],
            "many": [2],
            "height": [1.62],
            "day": ["2026-02-28"],
            "clock": ["09:30:00"],
            "word": ["calm"],
            "words": ["two\nlines"],
            "lines": ["one", "two"],
            "open": ["something else"],
        }
        (found,) = await world.search(
            "Observation", code="https://site.invalid/CodeSystem/score|total", patient=patient
        )
        assert found["valueQuantity"]["value"] == 1 + 3 + 2


async def test_how_far_a_form_is_promises_no_question_that_may_not_be_asked(tmp_path: Path) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        headers = {
            "X-Rapport-Invitation": await world.hand_over(page, f"Patient/{people[TEENAGER]}", "kinds")
        }
        await world.browser.get("/fill/form", headers=headers)
        await world.browser.put("/fill/answers", headers=headers, json={"answers": {"any": "false"}})
        async with world.new_browser() as other:
            assert "1 of at most 11 answered" in (await world.launch(TEENAGER, browser=other)).text


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("cut \ud83d", "cut \ufffd"),
        ("\ude42 cut", "\ufffd cut"),
        ("\ud83d\ud83d\ude42", "\ufffd\U0001f642"),
        ("whole \U0001f642", "whole \U0001f642"),
        ("typed \\ud83d", "typed \\ud83d"),
    ],
)
async def test_half_a_character_in_an_answer_takes_nothing_else_with_it(
    tmp_path: Path, words: str, kept: str
) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "kinds")
        headers = {"X-Rapport-Invitation": secret}
        body = json.dumps({"answers": ANSWERS | {"words": words}})
        draft = await world.browser.put("/fill/answers", headers=headers, content=body)
        assert draft.status_code == 200, draft.text
        form = await world.browser.get("/fill/form", headers=headers)
        assert kept in form.text
        sent = await world.browser.post("/fill/submit", headers=headers, content=body)
        assert sent.status_code == 200, sent.text
        await world.delivered(code="https://site.invalid/CodeSystem/score|total", patient=people[TEENAGER])
        found = await world.search("QuestionnaireResponse", patient=people[TEENAGER])
        assert kept in {
            answer.get("valueString")
            for each in found
            for item in each["item"]
            for answer in item.get("answer", ())
        }


@pytest.mark.parametrize(
    ("change", "link_id"),
    [
        ({"many": "two"}, "many"),
        ({"day": "2026-02-30"}, "day"),
        ({"day": "0020-02-02"}, "day"),
        ({"clock": "25:00"}, "clock"),
        ({"word": ["one", "two"]}, "word"),
        ({"several": ["s1", "s9"]}, "several"),
        ({"any": "false"}, "many"),
        ({"any": "perhaps"}, "any"),
    ],
)
async def test_an_answer_of_another_kind_is_named(tmp_path: Path, change: Json, link_id: str) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "kinds")
        refused = await world.fill(secret, ANSWERS | change)
        assert refused.status_code == 422
        assert link_id in refused.text


@pytest.mark.parametrize(
    ("change", "link_id", "code"),
    [
        ({"word": "a" * 41}, "word", "too-long"),
        ({"lines": ["short", "b" * 41]}, "lines", "too-long"),
        ({"open": "c" * 41}, "open", "too-long"),
        ({"day": "2025-12-31"}, "day", "value"),
    ],
)
async def test_an_answer_beyond_what_its_form_takes_is_named(
    tmp_path: Path, change: Json, link_id: str, code: str
) -> None:
    form = every_kind()
    (day,) = (each for each in form["item"][2]["item"] if each["linkId"] == "day")
    day["extension"] = [
        {"url": "http://hl7.org/fhir/StructureDefinition/minValue", "valueDate": "2026"},
    ]
    for item in form["item"]:
        if item["linkId"] in {"word", "lines", "open"}:
            item["maxLength"] = 40
    drop(tmp_path / "own", "kinds.json", form)
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "kinds")
        given = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        assert given.text.count('data-longest="40"') == 3
        assert 'min="2026-01-01" max="2200-12-31"' in given.text
        refused = await world.fill(secret, ANSWERS | change)
        assert refused.status_code == 422
        (issue,) = refused.json()["issue"]
        assert (issue["code"], issue["details"]["text"]) == (code, f"linkId {link_id}")
        sent = await world.fill(secret, ANSWERS | {"word": "a" * 40})
        assert sent.status_code == 200


async def test_a_score_whose_range_nobody_knows_is_not_told_as_a_share_of_the_highest_there_was(
    tmp_path: Path,
) -> None:
    items = [
        forms.question("a"),
        forms.question("b"),
        forms.score("total", "%resource.item.answer.value.weight().sum()"),
    ]
    drop(tmp_path / "own", "sum.json", forms.form(*items))
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        patient = await send(world, "sum", {"a": "s2"})
        await world.delivered(code="https://site.invalid/CodeSystem/score|total", patient=patient)
        await unlock(world)
        launched = await world.launch(TEENAGER)
        page, note = launched.text, (await world.browser.get(f"{launched.url}/notes/new")).text
        assert "2 of 2" not in page
        assert "2 of 2" not in note
        assert "total: 2 on 2 Mar 2026" in note
        assert '<span class="now">2</span>' in page
        figure = page.partition("</b> Made up</figcaption>")[2].partition("</figure>")[0]
        assert "<svg" in figure
        assert "scale 0 to" not in figure
        assert "0–100" not in figure


async def test_a_required_question_without_an_answer_is_named(tmp_path: Path) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    fewer = {link_id: answer for link_id, answer in ANSWERS.items() if link_id != "many"}
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "kinds")
        refused = await world.fill(secret, fewer)
        assert refused.status_code == 422
        (issue,) = refused.json()["issue"]
        assert (issue["code"], issue["details"]["text"]) == ("required", "linkId many")


async def test_a_question_that_is_not_asked_is_not_required(tmp_path: Path) -> None:
    drop(tmp_path / "own", "kinds.json", every_kind())
    fewer = {link_id: answer for link_id, answer in ANSWERS.items() if link_id != "many"}
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        await send(world, "kinds", fewer | {"any": "false"})


async def test_a_form_with_a_question_that_cannot_be_asked_says_which(tmp_path: Path) -> None:
    photo = {"linkId": "photo", "text": "A photo", "type": "attachment"}
    drop(tmp_path / "own", "photo.json", forms.form(photo, forms.question("a")))
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        page = await world.launch(TEENAGER)
        assert 'value="photo"' not in page.text
        assert "has no way to ask photo (attachment)" in page.text


async def test_a_form_of_another_site_is_not_offered_here(tmp_path: Path) -> None:
    place = tmp_path / "own"
    drop(place, "gad-7.json", public_forms.by_ordinal())
    async with run_world(tmp_path, instrument_folders=(place,), only_elsewhere=(place,)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        assert 'value="gad-7"' not in page.text
        refused = await make_link(world, page, f"Patient/{people[TEENAGER]}", "gad-7")
        assert refused.status_code == 422
        assert "belongs to another site" in refused.text


def _control(code: str) -> Json:
    system = "http://hl7.org/fhir/questionnaire-item-control"
    concept = {"coding": [{"system": system, "code": code}]}
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl",
        "valueCodeableConcept": concept,
    }


def _line(link_id: str) -> Json:
    texts = {"lower": "Not at all", "upper": "Very much", "help": "Today: this hour."}
    bounds = [
        {"url": f"http://hl7.org/fhir/StructureDefinition/{name}", "valueInteger": value}
        for name, value in (("minValue", 0), ("maxValue", 100), ("questionnaire-sliderStepValue", 5))
    ]
    return {
        "linkId": link_id,
        "text": "How was it today?",
        "type": "integer",
        "extension": [_control("slider"), *bounds],
        "item": [
            {"linkId": f"{link_id}-{code}", "type": "display", "text": text, "extension": [_control(code)]}
            for code, text in texts.items()
        ],
    }


async def test_a_visual_analogue_scale_is_asked_as_a_line_and_scored(tmp_path: Path) -> None:
    scored = forms.score("sum", "%resource.item.where(linkId != 'sum').answer.value.sum()")
    drop(tmp_path / "own", "line.json", forms.form(_line("a"), _line("b"), scored))
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "line")
        asked = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        first = asked.text.partition('type="range"')[2].partition("</fieldset>")[0]
        assert 'min="0" max="100" step="5"' in first
        assert "<span>Not at all</span><span>Very much</span>" in first
        assert "Today: this hour." in first
        sent = await world.fill(secret, {"a": "35", "b": "60"})
        assert sent.status_code == 200, sent.text
        (found,) = await world.delivered(code=f"{scored['code'][0]['system']}|{scored['code'][0]['code']}")
        assert found["valueQuantity"]["value"] == 95


async def test_no_place_on_a_line_is_finer_than_its_form_allows(tmp_path: Path) -> None:
    bounds = {"minValue": {"valueDecimal": 0}, "maxValue": {"valueDecimal": 7}}
    extension = [
        {"url": f"http://hl7.org/fhir/StructureDefinition/{name}", **value}
        for name, value in {**bounds, "maxDecimalPlaces": {"valueInteger": 1}}.items()
    ]
    line = _line("a") | {"type": "decimal", "extension": [_control("slider"), *extension]}
    (asked, *_) = asked_of(forms.load(tmp_path / "line", forms.form(line)))
    assert step_of(asked.item) == Decimal("0.1")
