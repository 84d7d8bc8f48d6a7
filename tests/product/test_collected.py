"""Responses that the EHR collected itself, found by searching: scored once, delivered once, or set aside with the reason."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.collecting.book import Found
from plugin.ledger import tables as t
from tests.product.collecting import (
    SUBSCRIBED,
    audited,
    collecting_world,
    found,
    look,
    rows,
    someones_answers,
    standing,
    started,
)
from tests.product.forms import ANSWERS, question
from tests.product.world import World

SCORES = 5  # panel, goal, task, bond, total


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def test_a_response_that_the_ehr_collected_is_scored_without_a_launch(
    tmp_path: Path, database: str | None
) -> None:
    async with collecting_world(tmp_path, database=database) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        await look(world)
        observations = await standing(world, reference, SCORES)
        values = {
            each["code"]["coding"][0]["code"]: each.get("valueQuantity", {}).get("value")
            for each in observations
        }
        assert values["rapport-checkin-child-total"] == 14
        assert {each["derivedFrom"][0]["reference"] for each in observations} == {reference}
        assert len(await world.search("QuestionnaireResponse", _id=reference.partition("/")[2])) == 1


async def test_it_is_scored_once_however_often_it_is_found(tmp_path: Path, database: str | None) -> None:
    async with collecting_world(tmp_path, database=database) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        before = len(await world.search("QuestionnaireResponse"))
        for _ in range(3):
            await look(world)
        await standing(world, reference, SCORES)
        await asyncio.sleep(0.2)
        assert len(await standing(world, reference, SCORES)) == SCORES
        assert len(await rows(world, t.response)) == 1
        assert len(await world.search("QuestionnaireResponse")) == before


async def test_what_came_while_rapport_was_away_is_found_by_the_next_process(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        clock = world.clock
    async with collecting_world(tmp_path, clock=clock) as world:
        world.hosts.cut.add("ehr.invalid")
        world.hosts.cut.clear()
        clock.pass_time(hours=5)
        reference = await world.collect(await someones_answers(world))
        await look(world)
        await standing(world, reference, SCORES)


async def test_what_was_there_before_is_left_alone_unless_the_site_says_since_when(tmp_path: Path) -> None:
    from dataclasses import replace
    from datetime import timedelta

    from tests.product.collecting import POLLING

    async with collecting_world(tmp_path) as world:
        await started(world)
        world.clock.pass_time(hours=2)
        reference = await world.collect(await someones_answers(world))
        clock = world.clock
    (tmp_path / "rapport.sqlite3").unlink()
    clock.pass_time(hours=2)
    async with collecting_world(tmp_path, clock=clock) as world:
        await look(world)
        assert await found(world) == ()
    (tmp_path / "rapport.sqlite3").unlink()
    early = replace(POLLING, since=clock() - timedelta(hours=3))
    async with collecting_world(tmp_path, early, clock=clock) as world:
        await look(world)
        await standing(world, reference, SCORES)


async def test_what_rapport_wrote_itself_is_recognised(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        page = await world.launch()
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        await world.delivered(code="rapport-checkin-child-total", date="ge2026-03-02T08:00:00Z")
        await look(world)
        assert [each.state for each in await found(world)] == [Found.OWN]
        assert len(await rows(world, t.response)) == 1


async def test_one_that_does_not_fit_its_form_is_set_aside_with_the_places(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        wrong = await someones_answers(world)
        wrong["item"] = [question("goal-1", "no-such-answer")]
        reference = await world.collect(wrong)
        await look(world)
        (aside,) = await found(world, Found.SET_ASIDE)
        assert aside.reference == reference
        assert "goal-1" in aside.reason
        assert "no-such-answer" not in aside.reason
        assert (await audited(world))["response-set-aside"] == 1


async def test_one_that_was_set_aside_is_looked_at_again_when_it_is_corrected(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world, item=[question("goal-1", "nonsense")]))
        await look(world)
        await world.collect(await someones_answers(world), reference)
        await look(world)
        await standing(world, reference, SCORES)
        assert [each.state for each in await found(world)] == [Found.KEPT]


async def test_unfinished_ones_and_other_forms_are_left_alone(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        await world.collect(await someones_answers(world, status="in-progress"))
        await world.collect(await someones_answers(world, questionnaire="http://forms.invalid/other|1"))
        await look(world)
        assert await found(world) == ()
        assert await rows(world, t.response) == []


async def test_one_that_is_finished_later_is_scored_then(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world, status="in-progress"))
        await look(world)
        await world.collect(await someones_answers(world), reference)
        await look(world)
        await standing(world, reference, SCORES)


async def test_receiving_and_searching_stand_in_the_trail(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        await look(world)
        await standing(world, reference, SCORES)
        told = await audited(world)
        assert told["response-received"] == 1
        assert told["record-searched"] == 1


async def test_an_ehr_that_is_away_costs_nothing_but_time(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        world.hosts.cut.add("ehr.invalid")
        await look(world)
        (row,) = await rows(world, t.collecting)
        assert row.trouble
        world.hosts.cut.clear()
        await look(world, seconds=1000)
        await standing(world, reference, SCORES)
        (row,) = await rows(world, t.collecting)
        assert row.trouble is None


async def test_an_ehr_where_nothing_can_be_found_is_told_in_words(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED, personality="athena") as world:
        await started(world)
        (row,) = await rows(world, t.collecting)
        assert "No way to find responses" in row.trouble


async def test_two_processes_that_look_at_the_same_time_score_it_once(
    tmp_path: Path, postgres_url: str
) -> None:
    from plugin.app import create_app

    async with collecting_world(tmp_path, database=postgres_url) as world:
        await started(world)
        async with httpx.AsyncClient(transport=world.hosts) as http:
            second = create_app(world.settings, http=http, clock=world.clock)
            async with second.router.lifespan_context(second):
                references = [await world.collect(await someones_answers(world)) for _ in range(6)]
                for _ in range(3):
                    second.state.rapport.collector.wake()
                    await look(world)
                for each in references:
                    assert len(await standing(world, each, SCORES)) == SCORES
        assert len(await rows(world, t.response)) == len(references)


async def test_metrics_tell_what_was_found(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        await world.collect(await someones_answers(world))
        await look(world)
        text = world.rapport.state.rapport.metrics.exposition().decode()
        assert 'rapport_collected_responses_total{outcome="kept",site="sandbox"} 1.0' in text


async def test_ready_names_the_collector(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        answer: Any = (await world.browser.get("/health/ready")).json()
        assert answer["parts"]["collector"] == "ok"


async def own_response(world: World) -> str:
    """Have a form filled in that Rapport writes and the collector has seen; gives its address in the EHR."""
    await started(world)
    page = await world.launch()
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    await world.delivered(code="rapport-checkin-child-total", date="ge2026-03-02T08:00:00Z")
    await look(world)
    (seen,) = await found(world)
    assert seen.state is Found.OWN
    return seen.reference


async def changed(world: World, reference: str, **changes: Any) -> None:
    """Change what stands in the EHR, past Rapport."""
    (there,) = await world.search("QuestionnaireResponse", _id=reference.partition("/")[2])
    await world.collect({**there, **changes}, reference)


async def test_one_that_was_entered_in_error_and_is_completed_again_is_set_aside_with_that_reason(
    tmp_path: Path,
) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        for status in ("completed", "entered-in-error", "completed"):
            await changed(world, reference, status=status)
            await look(world)
        (aside,) = await found(world, Found.SET_ASIDE)
        assert "marked as entered in error, which cannot be taken back" in aside.reason


async def test_one_of_rapports_own_whose_answers_were_changed_in_the_ehr_is_set_aside(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        reference = await own_response(world)
        other = [question(name, "completely") for name in ANSWERS]
        await changed(world, reference, status="amended", item=other)
        await look(world)
        (aside,) = await found(world)
        (kept,) = await rows(world, t.response)
        assert (aside.state, aside.response) == (Found.SET_ASIDE, kept.id)
        assert "answers were changed in the EHR" in aside.reason
        assert (await audited(world))["response-set-aside"] == 1
        assert await rows(world, t.revision) == []


async def test_one_of_rapports_own_that_was_marked_as_an_error_in_the_ehr_is_set_aside(
    tmp_path: Path,
) -> None:
    async with collecting_world(tmp_path) as world:
        reference = await own_response(world)
        await changed(world, reference, status="entered-in-error")
        await look(world)
        (aside,) = await found(world)
        assert aside.state is Found.SET_ASIDE
        assert "marked as entered in error in the EHR" in aside.reason


async def test_one_of_rapports_own_that_was_put_back_is_not_set_aside_any_more(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        reference = await own_response(world)
        (there,) = await world.search("QuestionnaireResponse", _id=reference.partition("/")[2])
        await changed(world, reference, item=[question(name, "completely") for name in ANSWERS])
        await look(world)
        await changed(world, reference, item=there["item"])
        await look(world)
        assert [each.state for each in await found(world)] == [Found.OWN]


async def test_another_wording_of_the_same_answers_is_no_change(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        reference = await own_response(world)
        (there,) = await world.search("QuestionnaireResponse", _id=reference.partition("/")[2])
        await changed(
            world, reference, item=[{**each, "text": "As the EHR words it"} for each in there["item"]]
        )
        await look(world)
        assert [each.state for each in await found(world)] == [Found.OWN]


async def test_of_many_that_came_at_once_the_page_shows_those_that_were_answered_last(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        # The newest is found first.
        for day in range(14, 0, -1):
            await world.collect(await someones_answers(world, authored=f"2026-02-{day:02}T09:00:00+00:00"))
            world.clock.pass_time(seconds=1)
        await look(world)
        page = await world.launch("amara")
    listed = page.text.partition("Recent responses")[2]
    days = [int(each) for each in re.findall(r"(\d+) Feb", listed.partition("</section>")[0])]
    assert max(days) == 14
    assert min(days) == 3
