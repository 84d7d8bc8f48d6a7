"""Notes for the record: drafted from the scores, edited, written exactly once, kept, and copied where the EHR refuses."""

import asyncio
import base64
import html
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from plugin.access.unsaved import Unsaved, read_unsaved
from plugin.ledger import tables as t
from tests.product.forms import ANSWERS
from tests.product.test_corrections import forbid
from tests.product.test_personalities import send_form
from tests.product.test_plot import ACCEPTED
from tests.product.world import EHR, PIN, World, another_worker, run_world

DOCUMENTS = ("patient/DocumentReference.crs",)


async def draft(
    world: World, patient: str = "amara", **more: str
) -> tuple[httpx.AsyncClient, str, dict[str, str]]:
    """Open a draft; gives the browser, the address to send to, and the form as the page filled it."""
    browser = world.new_browser()
    page = await world.launch(patient, browser=browser, **more)
    shown = await browser.get(f"{page.url}/notes/new")
    assert shown.status_code == 200, shown.text
    values = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    text = shown.text.partition("<textarea")[2].partition(">\n")[2].partition("</textarea>")[0]
    return browser, f"{page.url}/notes", {**values, "text": html.unescape(text)}


async def send(
    world: World, browser: httpx.AsyncClient, address: str, form: dict[str, str]
) -> httpx.Response:
    """Press "Write to the record"; gives the note's page once the courier is done."""
    answer = await browser.post(address, data=form)
    assert answer.status_code == 303, answer.text
    while await world.rapport.state.rapport.courier.deliver_one():
        pass
    for _ in range(1000):
        page = await browser.get(f"https://rapport.invalid{answer.headers['location']}")
        if 'data-state="scored"' not in page.text and 'data-state="sending"' not in page.text:
            return page
        await asyncio.sleep(0.02)
    raise AssertionError(page.text)


async def texts(world: World, patient: str = "amara") -> list[str]:
    people = await world.people()
    found = await world.search("DocumentReference", patient=people[patient])
    found = [each for each in found if "/note" in str(each.get("identifier", ""))]
    return [base64.b64decode(each["content"][0]["attachment"]["data"]).decode() for each in found]


async def test_the_draft_names_each_raters_scores_and_no_answer(world: World) -> None:
    await send_form(world)
    _, _, form = await draft(world)
    assert re.search(
        r"^- Amara Okafor, Rapport Check-in, Total: 14 of 24 on 2 Mar 2026; \d+ last time", form["text"], re.M
    )
    assert "Answered in this session: Amara Okafor" in form["text"]
    assert "rupture" not in form["text"].lower()
    assert "Completely" not in form["text"]


async def test_what_was_edited_is_what_stands_in_the_record(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        page = await send(
            world, browser, address, {**form, "text": "We spoke about school.\n<b>Ärger & Ruhe</b>"}
        )
        assert "In the record" in page.text
        assert await texts(world) == ["We spoke about school.\n<b>Ärger & Ruhe</b>\n"]


@pytest.mark.parametrize("personality", ["epic", "oracle", "veradigm"])
async def test_it_is_as_each_ehr_that_takes_documents_wants_it(tmp_path: Path, personality: str) -> None:
    async with run_world(tmp_path, personality=personality, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world, encounter="1001-20260302")
        page = await send(world, browser, address, {**form, "text": "Ärger & Ruhe"})
    assert "In the record" in page.text


async def test_a_sign_in_that_ends_before_its_time_is_renewed_and_the_note_is_written(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        await forbid(world, "POST", "/r4/DocumentReference", kind="token-expired", count=1)
        browser, address, form = await draft(world)
        page = await send(world, browser, address, form)
        assert "In the record" in page.text
        assert len(await texts(world)) == 1


@pytest.mark.parametrize("own", [("system/Observation.rs",), ("system/DocumentReference.crs",)])
async def test_a_sign_in_that_cannot_be_renewed_is_waited_for_where_rapport_itself_may_write_no_document(
    tmp_path: Path, own: tuple[str, ...]
) -> None:
    """The EHR has revoked what the launch holds: its token, and the one that would get another."""
    async with run_world(tmp_path, more_scopes=DOCUMENTS, backend_scopes=own) as world:
        browser, address, form = await draft(world)
        await forbid(world, "POST", "/r4/DocumentReference", kind="token-revoked", count=1)
        page = await send(world, browser, address, form)
        is_able = "DocumentReference" in own[0]
        assert ("In the record" in page.text) is is_able
        assert ("Waiting for sign-in" in page.text) is not is_able
        assert len(await texts(world)) == is_able


async def test_the_same_form_twice_is_one_note(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        await send(world, browser, address, form)
        await send(world, browser, address, form)
        assert len(await texts(world)) == 1


async def test_the_same_text_again_under_a_new_id_is_one_note_and_the_page_says_so(tmp_path: Path) -> None:
    """The browser's Back loads the draft anew, with another id, and puts what was written into it."""
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        own = {**form, "text": "We spoke about school."}
        first = await send(world, browser, address, own)
        back = await browser.get(f"{address}/new")
        assert "A note was written from here already:" in back.text
        assert urlsplit(str(first.url)).path in back.text
        anew = re.findall(r'name="note" value="([^"]+)"', back.text)[0]
        again = await send(world, browser, address, {**own, "note": anew})
        assert "Nothing was written a second time." in again.text
        assert str(again.url).partition("?")[0] == str(first.url)
        assert len(await texts(world)) == 1
        await send(world, browser, address, {**own, "note": anew, "text": "And about home."})
        assert len(await texts(world)) == 2


async def test_another_text_from_a_draft_that_was_written_needs_another_press(tmp_path: Path) -> None:
    """A browser may show the page as it was left, with its old id: what is written there then is not lost."""
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        await send(world, browser, address, form)
        page = await browser.post(address, data={**form, "text": "And about home."})
        assert page.status_code == 409
        assert "From this draft another text was written already." in page.text
        assert "And about home." in page.text
        (anew,) = re.findall(r'name="note" value="([^"]+)"', page.text)
        await send(world, browser, address, {**form, "note": anew, "text": "And about home."})
        assert len(await texts(world)) == 2


@pytest.mark.parametrize("kind", ["failed-after-commit", "reset-after-commit"])
async def test_an_attempt_whose_end_is_not_known_is_looked_up(tmp_path: Path, kind: str) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        asked = {"kind": kind, "method": "POST", "path": "/r4/DocumentReference*", "count": 1}
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=asked)).status_code == 201
        page = await send(world, browser, address, form)
        assert "Outcome unknown" in page.text
        world.clock.pass_time(minutes=20)
        while await world.rapport.state.rapport.courier.deliver_one():
            pass
        assert "In the record" in (await browser.get(str(page.url))).text
        assert len(await texts(world)) == 1


async def test_without_the_scope_the_text_is_kept_and_can_be_copied(world: World) -> None:
    browser, address, form = await draft(world)
    drafted = await browser.get(f"{address}/new")
    assert "does not let Rapport write documents" in drafted.text
    assert "It is written into the record" not in drafted.text
    page = await send(world, browser, address, form)
    assert "Refused by the EHR" in page.text
    assert "did not grant Rapport to write documents" in page.text
    assert 'data-copy="text"' in page.text
    assert await texts(world) == []


async def test_an_ehr_that_refuses_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        asked = {"kind": "forbidden", "method": "POST", "path": "/r4/DocumentReference*", "count": 1}
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=asked)).status_code == 201
        page = await send(world, browser, address, form)
        assert "Refused by the EHR" in page.text
        again = await browser.post(f"{page.url}/retry", data={"csrf": form["csrf"]})
        assert again.status_code == 303
        while await world.rapport.state.rapport.courier.deliver_one():
            pass
        assert "In the record" in (await browser.get(str(page.url))).text


async def test_each_step_is_in_the_trail_and_the_text_is_not(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        await send(world, browser, address, {**form, "text": "We spoke about school."})
        ledger = world.rapport.state.rapport.ledger
        rows = await ledger.read(lambda c: c.execute(sa.select(t.audit).order_by(t.audit.c.id)).all())
        kinds = [row.kind for row in rows]
        assert {"note-written", "note-delivery", "note-viewed"} <= set(kinds)
        bodies = [ledger.vault.open("audit", row.event, row.sealed_resource) for row in rows]
        assert not any(b"school" in body for body in bodies)


async def test_another_patients_note_is_not_there(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        await send(world, browser, address, form)
        other, elsewhere, _ = await draft(world, "mateo")
        assert (await other.get(f"{elsewhere}/{form['note']}")).status_code == 404


async def test_a_note_that_is_sent_when_the_sign_in_is_over_is_told_as_not_written_and_its_text_given_back(
    world: World,
) -> None:
    browser, address, form = await draft(world)
    browser.cookies.clear()
    refused = await browser.post(address, data={**form, "text": "<b>Ann</b>\nspoke."})
    assert refused.status_code == 401
    assert "Not written: your sign-in is over." in refused.text
    assert "Everything that was sent is safe" not in refused.text
    assert "\n&lt;b&gt;Ann&lt;/b&gt;\nspoke.</textarea>" in refused.text
    assert refused.headers["cache-control"] == "no-store"
    elsewhere = await browser.get(address.removesuffix("/notes"))
    assert "Everything that was sent is safe" in elsewhere.text
    assert await texts(world) == []


async def test_an_empty_note_is_refused(world: World) -> None:
    browser, address, form = await draft(world)
    refused = await browser.post(address, data={**form, "text": "  \n "})
    assert refused.status_code == 422
    assert "The note is empty" in refused.text


async def test_the_patient_page_lists_notes_with_their_states(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=DOCUMENTS) as world:
        browser, address, form = await draft(world)
        await send(world, browser, address, form)
        page = await browser.get(address.removesuffix("/notes"))
        part = page.text.partition("Notes for the record")[2]
        assert f'data-response="{form["note"]}"' in part
        assert "In the record" in part


async def test_ruptures_are_in_the_draft_only_where_the_site_accepts_them(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        _, _, form = await draft(world, "نور")
        assert "a rupture by the rule below" in form["text"]
        assert "16 on average over sessions 1 to 4, from 4 scores." in form["text"]
        assert "Gumz 2012" in form["text"]


async def test_the_draft_says_of_the_scores_whatever_the_page_says(tmp_path: Path) -> None:
    names = tuple(f"rapport-checkin-{each}" for each in ("adolescent", "caregiver", "therapist"))
    async with run_world(tmp_path, interpretation=replace(ACCEPTED, instruments=names)) as world:
        browser, address, form = await draft(world, "wei-ling")
        page = await browser.get(address.removesuffix("/notes"))
    said = re.findall(r"<li data-finding=[^>]*>(.*?)</li>", page.text, re.DOTALL)
    told = [html.unescape(re.sub(r"<[^>]+>", "", each)) for each in said]
    assert {"did not come back", "both rated", "on average"} <= {
        words for words in ("did not come back", "both rated", "on average") for each in told if words in each
    }
    assert [each for each in told if f"- {each}\n" not in form["text"]] == []


async def test_the_draft_says_why_a_score_was_not_computed(world: World) -> None:
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    assert (await world.fill(secret, {**ANSWERS, "bond-2": None})).status_code == 200
    world.browser = world.new_browser()
    _, _, form = await draft(world, "amara")
    assert "Total: not computed on 2 Mar 2026 (unanswered questions: no. 6)" in form["text"]


async def test_a_draft_before_anybody_answered_says_so_in_good_german(world: World) -> None:
    world.browser.headers["Accept-Language"] = "de"
    page = await world.launch("amara")
    shown = await world.browser.get(f"{page.url}/notes/new")
    assert "In dieser Sitzung hat noch niemand geantwortet." in shown.text


async def test_what_is_being_written_is_there_again_behind_the_lock_of_another_charts_hand_over(
    world: World,
) -> None:
    noted = await world.launch("amara")
    shown = await world.browser.get(f"{noted.url}/notes/new")
    form = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    kept = f"{noted.url}/notes/draft"
    assert (await world.browser.post(kept, data=form | {"text": "half a sent"})).status_code == 204
    other = await world.launch("mateo")
    await world.hand_over(other, f"Patient/{(await world.people())['mateo']}")
    lock = await world.follow(await world.browser.get(f"{noted.url}/notes/new"))
    assert "half a sent" not in lock.text
    refused = await world.browser.post(kept, data=form | {"text": "a child's"})
    assert refused.headers["location"].endswith("/return")
    action = re.search(r'action="([^"]+)"', lock.text)
    assert action
    csrf = re.search(r'name="csrf" value="([^"]+)"', lock.text)
    assert csrf
    opened = await world.browser.post(action[1], data={"csrf": csrf[1], "pin": PIN})
    again = await world.follow(opened)
    assert "half a sent" in again.text
    assert "have not saved it yet" in again.text
    assert re.search(r"<textarea [^>]*data-first", again.text)  # the keyboard goes on where it was
    assert not re.search(r"<textarea [^>]*data-first", shown.text)
    assert "half a sent" not in (await world.browser.get(f"{other.url}/notes/new")).text
    await world.browser.post(f"{noted.url}/notes", data=form | {"text": "a sentence"})
    assert "have not saved it yet" not in (await world.browser.get(f"{noted.url}/notes/new")).text


async def test_of_two_drafts_the_one_that_is_saved_is_forgotten_and_comes_back_by_no_late_request(
    world: World,
) -> None:
    page = await world.launch("amara")

    async def begin() -> dict[str, str]:
        shown = await world.browser.get(f"{page.url}/notes/new?anew=true")
        assert shown.headers["location"].endswith("/notes/new")  # loaded again, it forgets nothing
        return dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', (await world.follow(shown)).text))

    first, second = await begin(), await begin()
    await world.browser.post(f"{page.url}/notes/draft", data=first | {"text": "one"})
    await world.browser.post(f"{page.url}/notes/draft", data=second | {"text": "an other"})
    await world.browser.post(f"{page.url}/notes", data=first | {"text": "one"})
    assert await unsaved(world, page.url.path) == "an other"
    shown = await world.browser.get(f"{page.url}/notes/new")
    assert f'name="note" value="{second["note"]}"' in shown.text
    await world.browser.post(f"{page.url}/notes", data=second | {"text": "another"})
    assert await unsaved(world, page.url.path) is None
    await world.browser.post(f"{page.url}/notes/draft", data=second | {"text": "an other"})
    assert await unsaved(world, page.url.path) is None


async def test_what_is_being_written_goes_on_where_the_chart_was_opened_again(world: World) -> None:
    noted = await world.launch("amara")
    shown = await world.browser.get(f"{noted.url}/notes/new")
    form = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    await world.browser.post(f"{noted.url}/notes/draft", data=form | {"text": "half a sent"})
    again = await world.launch("amara")
    assert again.url != noted.url
    found = (await world.browser.get(f"{again.url}/notes/new")).text
    assert "half a sent" in found
    assert f'name="note" value="{form["note"]}"' in found
    for elsewhere in (await world.launch("mateo"), await world.launch("amara", browser=world.new_browser())):
        assert "half a sent" not in (await world.browser.get(f"{elsewhere.url}/notes/new")).text
    await world.follow(await world.browser.get(f"{again.url}/notes/new?anew=true"))
    for each in (noted, again):
        assert "half a sent" not in (await world.browser.get(f"{each.url}/notes/new")).text


async def test_what_is_being_written_ends_with_the_sign_in(world: World) -> None:
    noted = await world.launch("amara")
    shown = await world.browser.get(f"{noted.url}/notes/new")
    form = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    await world.browser.post(f"{noted.url}/notes/draft", data=form | {"text": "half a sent"})
    people = await world.people()
    other = "202" if people["practitioner"] != "202" else "201"
    await world.launch("mateo", practitioner=other)
    assert await unsaved(world, noted.url.path) is None


async def unsaved(world: World, page: str) -> str | None:
    ledger = world.rapport.state.rapport.ledger
    kept: Unsaved | None = await ledger.read(lambda c: read_unsaved(c, ledger.vault, page.rpartition("/")[2]))
    return kept.text if kept else None


async def test_what_is_being_written_is_there_whichever_worker_answers_and_goes_with_its_sign_in(
    world: World,
) -> None:
    noted = await world.launch("amara")
    shown = await world.browser.get(f"{noted.url}/notes/new")
    form = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    await world.browser.post(f"{noted.url}/notes/draft", data=form | {"text": "half a sent"})
    async with another_worker(world):
        assert "half a sent" in (await world.browser.get(f"{noted.url}/notes/new")).text
    housekeeping = world.rapport.state.housekeeping
    await housekeeping.sweep()
    assert await unsaved(world, noted.url.path) == "half a sent"
    world.clock.pass_time(hours=24)
    await housekeeping.sweep()
    assert await unsaved(world, noted.url.path) is None
