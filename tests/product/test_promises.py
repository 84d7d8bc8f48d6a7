"""What a form says of single answers holds for its response, whatever the site decides after it was opened."""

import asyncio
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from plugin.delivery.keep import read_kept
from plugin.exports import ExportVerifier, read_manifest
from plugin.respondents import RespondentPolicy
from plugin.responses.labels import Label, read_labels
from plugin.routes.state import Rapport
from plugin.verify import Progress
from plugin.writing import DEFAULT_WRITING, WriterKind, Writing
from tests.product.forms import ANSWERS
from tests.product.test_administering import sign_in
from tests.product.test_auditing import AUDITOR, BOOK, Audit, logged
from tests.product.test_kept import get, unlock
from tests.product.test_personalities import settled
from tests.product.test_remote import secret_of, teenagers_link
from tests.product.test_respondents import ASKING, CHILD, hand_to_child, only_response
from tests.product.world import World, run_world

SCORES_ONLY = Writing(writers=(WriterKind.OBSERVATIONS,))
NOBODY = "Your single answers are not shown to anybody here."
TEAM = "people who look after you at the clinic can read your answers."


def decide(world: World, *, writing: Writing | None = None, **policy: object) -> None:
    """Have the site decide otherwise from now on, as a restart with other settings does."""
    rapport: Rapport = world.rapport.state.rapport
    settings = rapport.settings
    site = replace(settings.policies["sandbox"], **policy)  # type: ignore[arg-type] # fields of the policy
    written = settings.writing if writing is None else {**settings.writing, "sandbox": writing}
    settings = replace(settings, policies={"sandbox": site}, writing=written)
    world.rapport.state.rapport = replace(rapport, settings=settings)


async def open_form(browser: httpx.AsyncClient, headers: dict[str, str]) -> tuple[str, str]:
    """Open a form; gives its page and what it promises, as its script sends that."""
    page = await browser.get("/fill/form", headers=headers)
    assert page.status_code == 200, page.text
    (promised,) = re.findall(r'data-promised="([^"]*)"', page.text)
    return page.text, promised


async def send(browser: httpx.AsyncClient, headers: dict[str, str], **more: object) -> None:
    body = {"answers": ANSWERS, **more}
    sent = await browser.post("/fill/submit", headers=headers, json=body)
    assert sent.status_code == 200, sent.text


async def labels_of_only_response(world: World) -> frozenset[Label]:
    ledger, response = world.rapport.state.rapport.ledger, await only_response(world)
    record = await ledger.read(lambda c: read_kept(c, ledger.vault, response))
    return read_labels(record.body)


async def details(world: World) -> str:
    launch = await world.launch(CHILD)
    page = await world.browser.get(f"{launch.url}/responses/{await only_response(world)}")
    assert page.status_code == 200
    return page.text


async def test_a_no_holds_though_the_site_has_stopped_asking_since_the_form_opened(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=ASKING, show_item_answers=True) as world:
        headers = await hand_to_child(world)
        _, promised = await open_form(world.browser, headers)
        decide(world, respondents=RespondentPolicy())
        await send(world.browser, headers, share=False, promised=promised)
        await settled(world, await only_response(world))
        assert Label.ANSWERS_NOT_SHARED in await labels_of_only_response(world)
        child = (await world.people())[CHILD]
        in_record = await world.search("QuestionnaireResponse", patient=child)
        assert await only_response(world) not in str(in_record)


@pytest.mark.parametrize("since", ["opened", "begun", "sent"])
async def test_answers_that_were_to_be_shown_to_nobody_are_not_shown_though_the_site_shows_them_now(
    tmp_path: Path, since: str
) -> None:
    async with run_world(tmp_path, writing=SCORES_ONLY) as world:
        headers = await hand_to_child(world)
        page, promised = await open_form(world.browser, headers)
        assert NOBODY in page
        if since == "begun":
            first = next(iter(ANSWERS))
            kept = {"answers": {first: ANSWERS[first]}, "promised": promised}
            assert (await world.browser.put("/fill/answers", headers=headers, json=kept)).status_code == 200
            decide(world, show_item_answers=True)
            page, promised = await open_form(world.browser, headers)
            assert NOBODY in page
        if since == "opened":
            decide(world, show_item_answers=True, writing=DEFAULT_WRITING)
        await send(world.browser, headers, promised=promised)
        decide(world, show_item_answers=True)
        response = await only_response(world)
        await settled(world, response)
        await unlock(world)
        assert "Mostly yes" not in (shown := await details(world))
        assert "as the form told it" in shown
        assert (await get(world, f"QuestionnaireResponse/{response}")).status_code == 403
        assert response not in str(
            await world.search("QuestionnaireResponse", patient=(await world.people())[CHILD])
        )


async def test_answers_that_a_form_said_are_read_are_shown_though_the_site_was_asked_to_hide_them_meanwhile(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, writing=SCORES_ONLY, show_item_answers=True) as world:
        headers = await hand_to_child(world)
        page, promised = await open_form(world.browser, headers)
        assert TEAM in page
        decide(world, show_item_answers=False)
        await send(world.browser, headers, promised=promised)
        await unlock(world)
        assert "Mostly yes" not in await details(world)
        decide(world, show_item_answers=True)
        assert "Mostly yes" in await details(world)


async def test_nobody_makes_up_a_promise(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=SCORES_ONLY) as world:
        _, of_another = await open_form(
            world.new_browser(), {"X-Rapport-Invitation": secret_of(await teenagers_link(world))}
        )
        assert of_another
        decide(world, show_item_answers=True, auditors_see_answers=True)
        headers = await hand_to_child(world)
        await send(world.browser, headers, promised=f"{of_another} answers-not-shown")
        assert Label.ANSWERS_NOT_SHOWN not in await labels_of_only_response(world)


@pytest.mark.parametrize(("share", "writing"), [(None, SCORES_ONLY), (False, DEFAULT_WRITING)])
async def test_auditors_do_not_read_what_a_form_did_not_say_they_read(
    tmp_path: Path, share: bool | None, writing: Writing
) -> None:
    policy = RespondentPolicy(ask_before_sharing=share is not None)
    async with run_world(tmp_path, roles=BOOK, respondents=policy, writing=writing) as world:
        headers = await hand_to_child(world)
        _, promised = await open_form(world.browser, headers)
        decide(world, auditors_see_answers=True)
        await send(world.browser, headers, promised=promised, **({} if share is None else {"share": share}))
        response = await only_response(world)
        await settled(world, response)
        browser, desk = await sign_in(world, AUDITOR)
        audit = Audit(world, browser, str(desk.url), response)
        page = (await audit.get(audit.chain)).text
        assert "held back" in page
        assert '"valueCoding"' not in page.replace("&#34;", '"')
        await logged(world)
        given = await audit.post("/exports", first="2026-01-01", last="2026-03-31", why="The inspector")
        assert given.status_code == 200, given.text
        zipfile.ZipFile(io.BytesIO(given.content)).extractall(tmp_path / "out")
        (folder,) = (tmp_path / "out").iterdir()
        manifest = read_manifest(folder)
        assert manifest.held_back == (response,)
        assert manifest.counts["administrations"] == manifest.counts["scores"] == 0
        verifier = ExportVerifier(folder, manifest, manifest.log.verifier_key)
        assert await asyncio.to_thread(lambda: list(verifier.verify(Progress()))) == []


async def test_answers_in_the_record_are_promised_to_nobody_and_bear_no_such_label(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        headers = await hand_to_child(world)
        _, promised = await open_form(world.browser, headers)
        assert promised == ""
        await send(world.browser, headers, promised=promised)
        labels = await labels_of_only_response(world)
        assert labels == {Label.RATERS_APART, Label.SCORE_NOT_FOR_RESPONDENT}
