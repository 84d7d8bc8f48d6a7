"""The score ledger on the clinician's page of one response: what every total was made of, as far as the policy lets them see."""

import re
from pathlib import Path

import pytest

from questionnaires import load_catalogue
from tests.product.forms import ANSWERS
from tests.product.test_path import send_child_form
from tests.product.world import World, run_world


async def total_of(world: World, answers: dict[str, str | None]) -> tuple[str, list[str]]:
    """Have a form answered; gives the page of the response, and the rows of the total's table as texts."""
    _, response = await send_child_form(world, answers)
    page = await world.launch()
    text = (await world.browser.get(f"{page.url.path}/responses/{response}")).text
    tables = text.split('aria-label="Items of ')[1:]
    (total,) = (each.split("</table>")[0] for each in tables if "total" in each.split('"')[0].lower())
    return text, [re.sub(r"<[^>]+>", " ", row) for row in total.split("<tr>")[2:]]


async def test_every_item_stands_with_its_answer_and_what_it_counts(tmp_path: Path) -> None:
    async with run_world(tmp_path, show_item_answers=True) as world:
        text, rows = await total_of(world, dict(ANSWERS))
        assert len(rows) == 6
        assert sum(int(re.findall(r"\d+", row)[-1]) for row in rows) == 14
        assert "Yes, all the way" in rows[0]
        assert "weight()" in text.split("Rule")[1][:400]
        assert "no reversed items" in text


async def test_where_the_policy_keeps_answers_back_items_stand_without_them(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        text, rows = await total_of(world, ANSWERS)
        assert len(rows) == 6
        assert "Yes, all the way" not in text
        assert "Counts as" not in text


async def test_a_skipped_item_is_told(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        _, rows = await total_of(world, {**ANSWERS, "goal-2": None})
        assert [("skipped" in row) for row in rows] == [False, True, False, False, False, False]


async def test_why_a_score_is_missing_is_told_by_the_number_of_the_question(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        text, _ = await total_of(world, {**ANSWERS, "goal-2": None})
        assert "<p>unanswered questions: no. 2</p>" in text
        assert "no answer to goal-2" not in text


async def test_scores_and_reasons_are_told_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        _, response = await send_child_form(world, {**ANSWERS, "goal-2": None})
        world.browser.headers["Accept-Language"] = "de"
        page = await world.launch()
        text = (await world.browser.get(f"{page.url.path}/responses/{response}")).text
        assert "<h3>Gesamt: nicht berechnet</h3>" in text
        assert "<p>unbeantwortete Fragen: Nr. 2</p>" in text
        assert "Nicht validiert" in text


@pytest.mark.parametrize("form", load_catalogue().all(), ids=lambda each: each.id)
def test_every_form_of_the_package_says_whose_it_is_and_what_its_key_is(form: object) -> None:
    told = dict(form.citations)  # type: ignore[attr-defined]  # an Instrument
    assert told["Holder"]
    assert told.get("Key") or told["Validation"]
