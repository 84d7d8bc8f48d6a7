"""One form open on two pages, a tablet and a phone: what either of them was told is kept, and sent."""

import asyncio
import html
import re
from typing import Any

import httpx
import pytest

from tests.product.forms import ANSWERS
from tests.product.world import World


async def open_form(world: World) -> dict[str, str]:
    """Launch and hand over; gives the header that opens the form, on as many pages as one likes."""
    people = await world.people()
    page = await world.launch()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    await world.browser.get("/fill/form", headers=headers)
    return headers


async def keep(world: World, headers: dict[str, str], **body: Any) -> list[str]:
    answer = await world.browser.put("/fill/answers", headers=headers, json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["answered"])


async def send(world: World, headers: dict[str, str], **body: Any) -> httpx.Response:
    return await world.browser.post("/fill/submit", headers=headers, json=body)


async def test_answers_of_one_page_do_not_undo_those_of_another(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "goal-2": "mostly"})
    assert await keep(world, headers, answers={"goal-1": "a-little"}) == ["goal-1", "goal-2"]


async def test_what_the_network_delivers_once_more_does_not_undo_what_was_kept_since(world: World) -> None:
    headers = await open_form(world)
    form = await world.browser.get("/fill/form", headers=headers)
    (mark,) = re.findall(r'data-mark="(\w+)"', form.text)
    first = {"answers": {"goal-1": "a-little"}, "after": mark}
    kept = (await world.browser.put("/fill/answers", headers=headers, json=first)).json()
    changed = {"answers": {"goal-1": "mostly"}, "after": kept["mark"]}
    newest = (await world.browser.put("/fill/answers", headers=headers, json=changed)).json()["mark"]

    late = await world.browser.put("/fill/answers", headers=headers, json=first)
    assert late.status_code == 412
    # By what differs a page knows whose it is.
    assert late.json() == {"state": "moved", "mark": newest, "others": {"goal-1": "mostly"}}
    sent = await send(world, headers, answers={"goal-1": "mostly"}, changed=[])
    assert sent.status_code == 200, sent.text


@pytest.mark.parametrize(
    ("tried", "status"),
    [((None, '"somewhat"'), 409), ((None, '"somewhat"', '"mostly"'), 200), (('"mostly"',), 200)],
)
async def test_what_was_tried_in_vain_does_not_replace_another_pages_answer_unseen(
    world: World, tried: tuple[str | None, ...], status: int
) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "goal-2": "mostly"})
    own = {"goal-1": "somewhat", "goal-2": "mostly"}
    sent = await send(world, headers, answers=own, changed=["goal-1"], tried={"goal-1": tried})
    assert sent.status_code == status, sent.text


async def test_a_page_that_is_told_of_other_answers_keeps_its_own_when_it_asks_again(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-2": "mostly"})  # on another page
    own = {"answers": {"goal-1": "a-little"}, "after": "of-before"}
    mark = (await world.browser.put("/fill/answers", headers=headers, json=own)).json()["mark"]
    assert await keep(world, headers, **{**own, "after": mark}) == ["goal-1", "goal-2"]


async def test_an_answer_that_is_taken_back_is_kept_no_longer(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "goal-2": "mostly"})
    assert await keep(world, headers, answers={}, removed=["goal-1"]) == ["goal-2"]


async def test_a_page_that_does_not_know_of_an_answer_cannot_send_without_it(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "bond-2": "mostly"})
    refused = await send(world, headers, answers={"goal-1": "mostly"})
    assert refused.status_code == 409
    said = refused.json()["issue"][0]["diagnostics"]
    assert "bond-2" in said
    assert "look over the answers" in said
    form = await world.browser.get("/fill/form", headers=headers)
    assert form.text.count(" checked") == 2


async def test_a_page_that_took_an_answer_back_can_send_without_it(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "bond-2": "mostly"})
    taken = await send(world, headers, answers={"goal-1": "mostly"}, removed=["bond-2"])
    assert taken.status_code == 200


async def test_an_older_answer_is_not_sent_in_the_place_of_a_newer_one_from_another_page(
    world: World,
) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "bond-2": "mostly"})  # both pages show these
    await keep(world, headers, answers={"goal-1": "a-little"})
    shown = {"goal-1": "mostly", "bond-2": "completely"}
    refused = await send(world, headers, answers=shown, changed=["bond-2"])
    assert refused.status_code == 409
    said = refused.json()["issue"][0]["diagnostics"]
    assert "goal-1" in said
    assert "bond-2" not in said
    looked_over = await send(world, headers, answers=shown, changed=["goal-1", "bond-2"])
    assert looked_over.status_code == 200


async def test_an_answer_to_no_question_cannot_be_taken_back(world: World) -> None:
    headers = await open_form(world)
    answer = await world.browser.put(
        "/fill/answers", headers=headers, json={"answers": {}, "removed": ["goal-9"]}
    )
    assert answer.status_code == 422
    assert "goal-9" in answer.text


async def test_answers_that_come_after_others_were_sent_are_told_as_late(world: World) -> None:
    headers = await open_form(world)
    sent = {"goal-1": "mostly", "goal-2": None, "bond-2": "mostly"}
    first = await send(world, headers, answers=sent)
    assert "late" not in first.json()
    assert "late" not in (await send(world, headers, answers=sent)).json()
    assert "late" not in (await send(world, headers, answers={})).json()  # a page that was loaded again
    for later in ({**sent, "goal-1": "a-little"}, {**sent, "goal-2": "mostly"}, {"goal-1": "mostly"}):
        answer = await send(world, headers, answers=later, changed=["goal-1"])
        assert answer.status_code == 200
        assert answer.json()["late"] is True
    assert (await send(world, headers, answers={**sent, "goal-1": "no such"})).json()["late"] is True
    kept = await world.browser.put("/fill/answers", headers=headers, json={"answers": later})
    assert kept.status_code == 410


@pytest.mark.parametrize("nothing", [{"removed": ["goal-1"]}, {"changed": []}], ids=str)
async def test_a_form_without_answers_that_comes_after_others_were_sent_is_told_as_late(
    world: World, nothing: dict[str, list[str]]
) -> None:
    headers = await open_form(world)
    first = await send(world, headers, answers={"goal-1": "mostly"})
    assert "late" not in first.json()
    assert (await send(world, headers, answers={}, **nothing)).json()["late"] is True


async def test_a_form_that_was_sent_without_answers_is_not_late_when_it_comes_again(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly"})
    empty = {"answers": {}, "removed": ["goal-1"], "changed": []}
    told = [(await send(world, headers, **empty)).json() for _ in range(2)]
    assert [each.get("late") for each in told] == [None, None]


async def test_a_page_whose_answers_are_all_among_what_another_has_sent_is_not_told_as_late(
    world: World,
) -> None:
    headers = await open_form(world)
    await send(world, headers, answers={"goal-1": "mostly", "goal-2": None, "bond-2": "mostly"})
    told = [
        (await send(world, headers, **body)).json().get("late")
        for body in (
            {"answers": {"goal-1": "mostly", "goal-2": None}},
            {"answers": {"goal-1": "mostly"}, "removed": ["task-1"]},
            {"answers": {"goal-1": "mostly"}, "removed": ["goal-2"]},
            {"answers": {"goal-1": "mostly", "task-1": None}},
        )
    ]
    assert told == [None, None, True, True]


async def test_of_pages_that_send_in_the_same_moment_those_that_were_not_first_are_told(
    world: World,
) -> None:
    headers = await open_form(world)
    sent = [{**ANSWERS, "goal-1": each} for each in ("mostly", "a-little", "completely")]
    answers = await asyncio.gather(*(send(world, headers, answers=each) for each in sent))
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert sorted(each.json().get("late", False) for each in answers) == [False, True, True]


async def test_an_answer_that_another_page_took_back_is_not_sent_after_all(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "bond-2": "mostly"})  # both pages show these
    await keep(world, headers, answers={}, removed=["goal-1"])
    shown = {"goal-1": "mostly", "bond-2": "mostly"}
    refused = await send(world, headers, answers=shown, changed=[])
    assert refused.status_code == 409
    assert "goal-1" in refused.text
    assert (await send(world, headers, answers=shown, changed=["goal-1"])).status_code == 200


@pytest.mark.parametrize("wait", range(1, 10, 2))  # ms: kept before, while or after the other is sent
async def test_no_answer_is_told_as_kept_and_missing_in_what_another_page_sends_meanwhile(
    world: World, wait: int
) -> None:
    given = {"goal-1": "mostly", "goal-2": "mostly"}
    headers = await open_form(world)
    await keep(world, headers, answers=given)

    async def keep_another() -> httpx.Response:
        await asyncio.sleep(wait / 1000)
        body = {"answers": {"bond-2": "mostly"}}
        return await world.browser.put("/fill/answers", headers=headers, json=body)

    kept, sent = await asyncio.gather(keep_another(), send(world, headers, answers=given, changed=[]))
    assert (kept.status_code, sent.status_code) in {(200, 409), (410, 200)}


async def test_a_page_from_before_an_upgrade_still_finds_what_it_reads_of_a_form(world: World) -> None:
    headers = await open_form(world)
    await keep(world, headers, answers={"goal-1": "mostly", "goal-2": None})
    form = html.unescape((await world.browser.get("/fill/form", headers=headers)).text)
    assert 'data-kept="["goal-1", "goal-2"]"' in form
    assert 'data-answers="{"goal-1": "mostly", "goal-2": null} ' in form
