"""The kit through the front door: responses sent over HTTP, or filled on the respondent's page, and what the record holds then.

One sandbox EHR and one Rapport serve all cases.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, async_playwright

from questionnaires.kit import Case, read_cases
from tests.browser import PATIENCE, find_chromium, sandbox_arguments
from tests.conformance.answering import bare, choices, fill, read
from tests.conformance.test_engines import expected_of, read_observations
from tests.product.test_bad_input import app_token, post
from tests.product.test_personalities import settled
from tests.product.world import RAPPORT, Clock, World, run_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
CASES = read_cases()
BY_ID = {case.id: case for case in CASES}
PATIENT = "wei-ling"
# One response a case that a page can be filled with: a group is asked once there, and blank forms are not sent.
FILLED = [
    ("zero-weight", "response-all-zero.json"),
    ("decimal-answer", "response-zero.json"),
    ("decimal-answer", "response-parts.json"),
    ("boolean-answer", "response-all-no.json"),
    ("repeated-answers", "response-three.json"),
    ("skipped", "response-one-blank.json"),
    ("declined", "response-on-the-item.json"),
    ("integer-options", "response-some.json"),
    ("integer-choice", "response-zero.json"),
    ("nested-groups", "response-all.json"),
    ("translated-options", "response-german.json"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    clock = Clock()
    clock.now = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    kit = Path(str(files("questionnaires") / "conformance"))
    folder = tmp_path_factory.mktemp("conformance")
    async with run_world(folder, clock, instrument_folders=(kit,)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = find_chromium(playwright, engine_only=True)
        opened = await playwright.chromium.launch(executable_path=found, args=sandbox_arguments())
        yield opened
        await opened.close()


async def send(world: World, body: bytes, token: str) -> httpx.Response:
    """Send a response of the kit as one of a patient of the sandbox."""
    people = await world.people()
    response = json.loads(body, parse_float=Decimal)
    response["subject"] = {"reference": f"Patient/{people[PATIENT]}"}
    return await post(world, json.dumps(response, default=float).encode(), token=token)


async def derived(world: World, response: str) -> list[dict[str, Any]]:
    """Give the Observations of the record that derive from a response of the record."""
    people = await world.people()
    return [
        each
        for each in await world.search("Observation", patient=people[PATIENT])
        if each.get("derivedFrom") == [{"reference": f"QuestionnaireResponse/{response}"}]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_what_is_sent_over_http_stands_in_the_record_with_the_scores_expected(
    world: World, case: Case
) -> None:
    token = await app_token(world, PATIENT)
    order = case.submissions.order if case.submissions else tuple(each.file for each in case.responses)
    answers = [await send(world, case.files[file], token) for file in order]
    assert [each.status_code for each in answers] == [
        200 if file in order[:place] else 201 for place, file in enumerate(order)
    ]
    for each in answers:
        await settled(world, each.headers["location"].rpartition("/")[2])

    times: dict[str, datetime] = {}
    for file in dict.fromkeys(order):
        sent = read(case.files[file])
        identifier = f"{sent['identifier']['system']}|{sent['identifier']['value']}"
        (kept,) = await world.search("QuestionnaireResponse", identifier=identifier)
        observations = await derived(world, kept["id"])
        assert read_observations(case, observations) == expected_of(case, file)
        # A panel and one Observation a score: nothing twice.
        assert len(observations) == 1 + len(expected_of(case, file))
        (times[file],) = {datetime.fromisoformat(each["effectiveDateTime"]) for each in observations}
        assert times[file] == datetime.fromisoformat(sent["authored"])
    if case.submissions:
        assert len(times) == case.submissions.kept
        assert max(times, key=lambda file: times[file]) == case.submissions.latest


async def carry(world: World, route: Route) -> None:
    """Bring a request of the browser to Rapport, and the answer back."""
    request = route.request
    client = world.new_browser()
    answer = await client.request(
        request.method, request.url, headers=await request.all_headers(), content=request.post_data_buffer
    )
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    await route.fulfill(status=answer.status_code, headers=headers, body=answer.content)


@pytest.mark.browser
@pytest.mark.parametrize(("name", "file"), FILLED, ids=lambda each: each.removeprefix("response-"))
async def test_the_respondents_page_sends_the_response_expected(
    world: World, browser: Browser, name: str, file: str
) -> None:
    case = BY_ID[name]
    expected = read(case.files[file])
    people = await world.people()
    world.browser = world.new_browser()
    page_of_patient = await world.launch(PATIENT)
    respondent = f"Patient/{people[PATIENT]}"
    secret = await world.hand_over(page_of_patient, respondent, name, language=expected["language"])
    context = await browser.new_context(viewport={"width": 820, "height": 1180})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    await page.route(f"{RAPPORT}/**", lambda route: carry(world, route))
    before = {each["id"] for each in await world.search("QuestionnaireResponse", patient=people[PATIENT])}
    await page.goto(f"{RAPPORT}/fill#{secret}")
    await page.locator("[data-form]").wait_for()
    await fill(page, choices(expected["item"]))
    await context.close()

    for _ in range(3000):
        now = await world.search("QuestionnaireResponse", patient=people[PATIENT])
        if len(now) > len(before):
            break
        await asyncio.sleep(0.02)
    (sent,) = [each for each in now if each["id"] not in before]
    assert sent["language"] == expected["language"]
    assert bare(sent["item"]) == bare(expected["item"])
    assert read_observations(case, await derived(world, sent["id"])) == expected_of(case, file)
