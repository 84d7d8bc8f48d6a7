"""What a statement of the check-in means, for whoever asks: in the language of the form, and never an answer."""

import html
import json

import pytest

from tests.product.forms import ANSWERS, CHILD
from tests.product.world import World


async def form_of(world: World, instrument: str, language: str) -> str:
    page = await world.launch()
    amara = f"Patient/{(await world.people())['amara']}"
    secret = await world.hand_over(page, amara, instrument, language)
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    return html.unescape(form.text)


@pytest.mark.parametrize(
    ("language", "asked", "told"),
    [
        ("en", "What does this mean?", "When someone cares about you, it matters to them how you are."),
        (
            "de",
            "Was bedeutet das?",
            "Wenn du jemandem wichtig bist, ist dieser Person nicht egal, wie es dir geht.",
        ),
    ],
)
async def test_a_child_finds_under_each_statement_what_it_means(
    world: World, language: str, asked: str, told: str
) -> None:
    form = await form_of(world, "rapport-checkin-child", language)
    assert form.count(asked) == 6
    assert told in form


async def test_what_is_explained_is_no_question_and_no_answer(world: World) -> None:
    page = await world.launch()
    amara = f"Patient/{(await world.people())['amara']}"
    sent = await world.fill(await world.hand_over(page, amara), ANSWERS)
    assert sent.status_code == 200
    (response,) = await world.delivered("QuestionnaireResponse", questionnaire=f"{CHILD}|1.1.0")
    assert "-help" not in json.dumps(response["item"])
    assert [each["linkId"] for each in response["item"]] == list(ANSWERS)
