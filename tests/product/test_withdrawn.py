"""A form that is withdrawn in the moment it is sent: whoever comes second is told, and nothing withdrawn is filed."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.gates import GateAnswer, answer_gate
from plugin.access.invitations import mark_expired, withdraw
from plugin.ledger import remove_rows
from plugin.ledger import tables as t
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Progress, Verifier
from tests.product.forms import ANSWERS
from tests.product.test_auditing import logged
from tests.product.test_kept import unlock
from tests.product.test_remote import secret_of, teenagers_link
from tests.product.test_respondents import AGREED, CONSENT, hand_to_child
from tests.product.world import World, run_world

ENDS: Mapping[str, Callable[[Connection, Any], object]] = {
    "withdrawn": lambda c, row: withdraw(c, row.id, row.site, row.patient),
    "expired": lambda c, row: mark_expired(c, row.id),
    "agreed": lambda c, row: answer_gate(c, row.id, GateAnswer.AGREED, row.created),
    "refused": lambda c, row: answer_gate(c, row.id, GateAnswer.REFUSED, row.created),
    "erased": lambda c, row: remove_rows(c, t.invitation, (t.invitation.c.id == row.id,)),
}


async def only_form(world: World) -> Any:
    return await world.rapport.state.rapport.ledger.read(lambda c: c.execute(sa.select(t.invitation)).one())


@asynccontextmanager
async def ending_meanwhile(world: World, end: str) -> AsyncIterator[None]:
    """End the only form in a transaction that is open as long as the block: who sends in it finds the form still open."""
    ledger, row = world.rapport.state.rapport.ledger, await only_form(world)
    begun, go_on = threading.Event(), threading.Event()

    def close(connection: Connection) -> None:
        begun.set()
        go_on.wait(30)
        ENDS[end](connection, row)

    ending = asyncio.create_task(ledger.bookkeep(close))
    await asyncio.to_thread(begun.wait, 30)
    try:
        yield
    finally:
        go_on.set()
        await ending


async def flaws(world: World) -> list[Finding]:
    """Verify the whole ledger."""
    await logged(world)
    rapport = world.rapport.state.rapport
    settings, intake, vault = rapport.settings, rapport.intake, rapport.ledger.vault
    key = LogSigner(settings.log_name, settings.log_key).verifier
    verifier = Verifier(intake.catalogue, intake.keys, vault, Tiles(settings.log_folder), key)
    return list(await rapport.ledger.read(lambda c: list(verifier.verify(c, Progress()))))


async def kinds(world: World) -> list[str]:
    ledger = world.rapport.state.rapport.ledger
    return list(await ledger.read(lambda c: c.execute(sa.select(t.audit.c.kind)).scalars().all()))


@pytest.mark.parametrize("end", ["withdrawn", "expired", "erased"])
async def test_a_form_that_ends_while_it_is_sent_is_not_kept_and_its_page_is_told_that(
    world: World, end: str
) -> None:
    headers = {"X-Rapport-Invitation": secret_of(await teenagers_link(world))}
    async with world.new_browser() as phone:
        await phone.get("/fill/form", headers=headers)
        async with ending_meanwhile(world, end):
            sending = asyncio.create_task(
                phone.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
            )
            await asyncio.sleep(1)  # it has looked by then
            assert not sending.done()
        refused = await sending
        asked = await phone.post("/fill/submit", headers=headers, json={"answers": {}})
    assert refused.status_code == 410
    assert refused.headers["X-Rapport-Unsent"] == "true"
    assert "X-Rapport-Unsent" not in asked.headers
    ledger = world.rapport.state.rapport.ledger
    assert await ledger.read(lambda c: c.execute(sa.select(t.response)).all()) == []
    assert await ledger.read(lambda c: c.execute(sa.select(t.delivery)).all()) == []
    assert "response-received" not in await kinds(world)
    assert "access-refused" in await kinds(world)


async def test_of_two_caregivers_who_decide_at_once_whoever_refuses_counts_and_both_are_told(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)

        async def say(said: dict[str, object]) -> str:
            answer = await world.browser.post("/fill/consent", headers=headers, json=said)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["state"])

        async with ending_meanwhile(world, "agreed"):
            refusing = asyncio.create_task(say({"agreed": False}))
            await asyncio.sleep(1)  # it has looked by then
        assert await refusing == "refused"
        assert [await say(AGREED), await say({"agreed": False})] == ["refused", "refused"]
        assert (await kinds(world)).count("consent-refused") == 1
        assert (await world.browser.get("/fill/form", headers=headers)).status_code == 410


async def test_an_agreement_that_comes_in_the_moment_of_a_refusal_does_not_open_the_form(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        async with ending_meanwhile(world, "refused"):
            agreeing = asyncio.create_task(world.browser.post("/fill/consent", headers=headers, json=AGREED))
            await asyncio.sleep(1)  # it has looked by then
        assert (await agreeing).json()["state"] == "refused"
        assert "consent-given" not in await kinds(world)
        assert (await world.browser.get("/fill/form", headers=headers)).status_code == 410


async def test_a_refusal_after_an_agreement_closes_the_form_ends_the_consent_and_verifies(
    tmp_path: Path,
) -> None:
    """The father's phone still shows the question, and the young person is answering; the mother agreed."""
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        assert (await world.browser.post("/fill/consent", headers=headers, json=AGREED)).status_code == 200
        kept = await world.browser.put("/fill/answers", headers=headers, json={"answers": ANSWERS})
        assert kept.status_code == 200
        world.clock.pass_time(minutes=1)
        async with world.new_browser() as phone:
            refused = await phone.post("/fill/consent", headers=headers, json={"agreed": False})
            assert refused.json()["state"] == "refused"
            agreed = await phone.post("/fill/consent", headers=headers, json=AGREED)
            assert agreed.json()["state"] == "refused"
        sent = await world.browser.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
        assert sent.status_code == 410
        row = await only_form(world)
        assert (row.state, row.gate_answer, row.sealed_draft) == ("withdrawn", "refused", None)
        said = [each for each in await kinds(world) if each.startswith("consent")]
        assert said == ["consent-given", "consent-refused"]
        await unlock(world)
        assert "the caregiver did not agree" in (await world.launch("amara")).text
        later = await hand_to_child(world)
        assert "something for a caregiver" in (await world.browser.get("/fill/form", headers=later)).text
        assert await flaws(world) == []


async def test_a_refusal_after_the_form_was_sent_is_not_taken(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        headers = await hand_to_child(world)
        await world.browser.post("/fill/consent", headers=headers, json=AGREED)
        await world.browser.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
        refused = await world.browser.post("/fill/consent", headers=headers, json={"agreed": False})
        assert refused.status_code == 410
        assert "consent-refused" not in await kinds(world)


async def cancel(world: World, made: httpx.Response, **more: str) -> httpx.Response:
    csrf = made.text.split('name="csrf" value="')[1].split('"')[0]
    return await world.browser.post(f"{made.url}/withdraw", data={"csrf": csrf, **more})


async def answer_two(world: World, made: httpx.Response) -> dict[str, str]:
    """Answer two questions from another device; gives the header that opens the form."""
    headers = {"X-Rapport-Invitation": secret_of(made)}
    async with world.new_browser() as phone:
        answers = dict(list(ANSWERS.items())[:2])
        kept = await phone.put("/fill/answers", headers=headers, json={"answers": answers})
        assert kept.status_code == 200
    return headers


async def test_before_answers_are_withdrawn_with_their_form_it_is_asked_once(world: World) -> None:
    made = await teenagers_link(world)
    headers = await answer_two(world, made)
    pressed = await cancel(world, made)
    question = f"{made.url.path}/withdraw"
    assert (pressed.status_code, pressed.headers["location"]) == (303, question)
    asked = await world.browser.get(question)
    assert "2 answers would be lost" in asked.text
    named = re.search(r'<p class="quiet"><b>[^<]+</b> · [^<]+</p>', made.text)
    assert named
    assert named[0] in asked.text
    assert f'href="{made.url.path}"' in asked.text
    assert (await world.browser.get("/fill/form", headers=headers)).status_code == 200
    assert "invitation-withdrawn" not in await kinds(world)
    assert (await cancel(world, asked_on(asked, made), sure="yes")).status_code == 303
    assert (await world.browser.get("/fill/form", headers=headers)).status_code == 410
    assert (await kinds(world)).count("invitation-withdrawn") == 1
    back = await world.browser.get(question)  # as the browser's Back asks for it
    assert (back.status_code, back.headers["location"]) == (303, made.url.path.partition("/invitations")[0])


def asked_on(asked: httpx.Response, made: httpx.Response) -> httpx.Response:
    """Give the question as if it stood at the link's address: it is answered by its own form, without script."""
    assert f'action="{made.url.path}/withdraw"' in asked.text
    assert 'name="sure" value="yes"' in asked.text
    return httpx.Response(200, text=asked.text, request=httpx.Request("GET", made.url))


async def test_a_form_without_answers_is_withdrawn_at_once(world: World) -> None:
    made = await teenagers_link(world)
    async with world.new_browser() as phone:
        await phone.get("/fill/form", headers={"X-Rapport-Invitation": secret_of(made)})
    assert (await cancel(world, made)).status_code == 303
    assert (await only_form(world)).state == "withdrawn"


async def test_answers_that_were_altered_hold_up_no_withdrawal(world: World) -> None:
    made = await teenagers_link(world)
    await answer_two(world, made)
    await world.rapport.state.rapport.ledger.bookkeep(
        lambda c: c.execute(t.invitation.update().values(sealed_draft=b"x" * 60))
    )
    assert (await cancel(world, made)).status_code == 303
    assert (await only_form(world)).state == "withdrawn"


async def test_a_clinician_who_withdraws_what_was_just_sent_is_told_that_and_the_trail_does_not_say_withdrawn(
    world: World,
) -> None:
    made = await teenagers_link(world)
    headers = {"X-Rapport-Invitation": secret_of(made)}
    async with world.new_browser() as phone:
        assert (
            await phone.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
        ).status_code == 200
    late = await cancel(world, made)
    assert late.status_code == 410
    assert "before it could be withdrawn" in late.text
    assert "invitation-withdrawn" not in await kinds(world)
    assert (await only_form(world)).state == "submitted"


async def test_a_second_press_finds_a_form_withdrawn(world: World) -> None:
    made = await teenagers_link(world)
    assert [(await cancel(world, made)).status_code for _ in range(2)] == [303, 303]
    assert (await kinds(world)).count("invitation-withdrawn") == 1
