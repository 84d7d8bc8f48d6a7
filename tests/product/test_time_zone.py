"""A site's own days: afternoons in Los Angeles and mornings in Sydney, which UTC cuts in two."""

import base64
import io
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.research_settings import BACKEND_SCOPES
from plugin.roles import Role, RoleBook
from plugin.writing import DocumentForm, Writing
from tests.product.forms import ANSWERS
from tests.product.test_administering import sign_in
from tests.product.test_caseload import FIRST, OF_BOTH, caseload, needs
from tests.product.test_cds_hooks import CLIENT, call, chart, keep_score, post
from tests.product.test_path import standing_of
from tests.product.test_personalities import newest
from tests.product.test_research import export, policy, table_of
from tests.product.world import Clock, World, run_world

LOS_ANGELES, SYDNEY = ZoneInfo("America/Los_Angeles"), ZoneInfo("Australia/Sydney")
BEFORE = datetime(2026, 3, 2, 23, 50, tzinfo=UTC)  # 15:50 in Los Angeles
AFTER = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)  # 16:10
CHILD = "Freya Lindqvist"


def clock_at(moment: datetime) -> Clock:
    clock = Clock()
    clock.now = moment
    return clock


async def answer(world: World, moment: datetime, rater: str) -> None:
    """Have the child, or the therapist, answer at a moment, launched without an encounter."""
    world.clock.now = moment
    world.browser = world.new_browser()
    page = await world.launch("freya", practitioner=FIRST)
    patient = (await world.people())["freya"]
    who, pin = (f"Patient/{patient}", "4711") if rater == "child" else (f"Practitioner/{FIRST}", "")
    secret = await world.hand_over(page, who, f"rapport-checkin-{rater}", pin=pin)
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text


async def patient_page(world: World) -> httpx.Response:
    world.browser = world.new_browser()
    return await world.launch("freya", practitioner=FIRST)


async def newest_response(world: World) -> str:
    ledger = world.rapport.state.rapport.ledger
    return str(await ledger.read(lambda connection: connection.execute(newest()).scalar_one()))


def standings(page: httpx.Response) -> dict[str, str]:
    """Say how each who can answer stands in this session, by their names."""
    names = re.findall(r'<label class="choice">.*?<b>(.*?)</b>', page.text, re.DOTALL)
    return {name: standing_of(page, name) for name in names if f"<b>{name}</b>" in page.text}


def days_of_table(page: httpx.Response) -> list[str]:
    """Give the rows' heads of the first plot's table."""
    table = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [head.partition(",")[0] for head in re.findall(r'<th scope="row">(.*?)</th>', table)]


async def test_who_answered_before_and_after_midnight_of_utc_answered_in_this_session(tmp_path: Path) -> None:
    async with run_world(tmp_path, clock_at(BEFORE), zone=LOS_ANGELES) as world:
        await answer(world, BEFORE, "child")
        await answer(world, AFTER, "therapist")
        page = await patient_page(world)
    told = standings(page)
    assert [told[each] for each in told if told[each] == "has answered"] == ["has answered"] * 2, told
    assert page.text.count("· today") + page.text.count(">today") == 2
    assert days_of_table(page) == ["2 Mar 2026"]


async def test_a_form_that_only_the_record_has_counts_on_the_day_of_the_site(tmp_path: Path) -> None:
    async with run_world(tmp_path, clock_at(AFTER), zone=LOS_ANGELES) as world:
        keep_score(world.ehr.state.store, "2026-03-02T23:50:00Z", "Patient/1008", 20)
        keep_score(world.ehr.state.store, "2026-02-01", "Patient/1008", 18)
        page = await patient_page(world)
    assert standings(page)[CHILD] == "has answered"
    assert days_of_table(page) == ["2 Mar 2026", "1 Feb 2026"]


async def test_in_sydney_the_morning_is_of_its_own_day(tmp_path: Path) -> None:
    morning, noon = datetime(2026, 3, 2, 22, 30, tzinfo=UTC), datetime(2026, 3, 3, 1, 10, tzinfo=UTC)
    async with run_world(tmp_path, clock_at(morning), zone=SYDNEY, roles=OF_BOTH) as world:
        await answer(world, morning, "child")
        await answer(world, noon, "therapist")
        page = await patient_page(world)
        assert list(standings(page).values()).count("has answered") == 2
        assert days_of_table(page) == ["3 Mar 2026"]
        world.clock.now = datetime(2026, 3, 3, 22, 0, tzinfo=UTC)  # the next morning, the same day of UTC
        assert "has answered" not in standings(await patient_page(world)).values()


async def test_the_caseload_counts_one_session_and_nobody_is_overdue_before_the_day_is_over(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, clock_at(BEFORE), zone=LOS_ANGELES, roles=OF_BOTH) as world:
        await patient_page(world)
        world.clock.now = AFTER
        await patient_page(world)
        assert needs(await caseload(world), "1008") == []
        await answer(world, AFTER, "child")
        page = await caseload(world)
        row = page.text.partition('data-patient="1008"')[2].partition("</tr>")[0]
        assert re.findall(r"\d+ sessions?", row) == ["1 session"]
        assert re.findall(r"\d+ \w{3} 2026", row) == ["2 Mar 2026", "2 Mar 2026"]
        world.clock.now = datetime(2026, 3, 3, 8, 10, tzinfo=UTC)  # ten minutes into the next day there
        await world.hand_over(await patient_page(world), "Patient/1008")  # else the chart was opened to look
        assert needs(await caseload(world), "1008") == []
        world.clock.pass_time(days=1)
        assert needs(await caseload(world), "1008") == ["overdue"]


async def test_no_card_asks_for_a_form_that_was_answered_twenty_minutes_ago(tmp_path: Path) -> None:
    async with run_world(tmp_path, clock_at(BEFORE), zone=LOS_ANGELES, cds=CLIENT) as world:
        await chart(world)
        await answer(world, BEFORE, "child")
        world.clock.now = AFTER
        asked = call("1008")
        asked["context"]["encounterId"] = "another"
        assert (await post(world, asked)).json() == {"cards": []}
        world.clock.pass_time(days=1)
        assert len((await post(world, asked)).json()["cards"]) == 1


async def test_the_note_and_the_document_write_the_day_of_the_site_and_the_record_keeps_the_moment(
    tmp_path: Path,
) -> None:
    writing = Writing(document=DocumentForm())
    async with run_world(tmp_path, clock_at(AFTER), writing=writing, zone=LOS_ANGELES) as world:
        await answer(world, AFTER, "child")
        (document,) = await world.delivered(
            identifier=f"{IDENTIFIER_SYSTEM}|{await newest_response(world)}/document",
            kind="DocumentReference",
        )
        page = await patient_page(world)
        draft = await world.browser.get(f"{page.url}/notes/new")
    text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
    assert "Answered:    2026-03-02 16:10 PST" in text
    assert document["date"].startswith("2026-03-03T00:10:00")
    assert "2 Mar 2026" in draft.text
    assert "3 Mar 2026" not in draft.text


@pytest.mark.parametrize(("day", "given"), [("2026-03-02", 1), ("2026-03-03", 0)])
async def test_a_research_export_takes_days_of_the_site(tmp_path: Path, day: str, given: int) -> None:
    decided = policy(tmp_path, consent="not-refused")
    async with run_world(
        tmp_path, clock_at(AFTER), backend_scopes=BACKEND_SCOPES, zone=LOS_ANGELES, **decided
    ) as world:
        await answer(world, AFTER, "child")
        answered = await export(world, first=day, last=day)
        rows = table_of(answered)
    assert len(rows) == given
    with zipfile.ZipFile(io.BytesIO(answered.content)) as archive:
        assert json.loads(archive.read("codebook.json"))["time_zone"] == "America/Los_Angeles"


async def test_auditors_are_offered_the_quarter_that_it_is_at_the_site(tmp_path: Path) -> None:
    roles = RoleBook({"Practitioner/201": frozenset({Role.AUDITOR})})
    newer = clock_at(datetime(2026, 4, 1, 0, 10, tzinfo=UTC))
    async with run_world(tmp_path, newer, zone=LOS_ANGELES, roles=roles, auditors_see_answers=True) as world:
        browser, desk = await sign_in(world, "201")
        for place in ("reviews", "exports"):
            page = await browser.get(f"{desk.url}/{place}")
            offered = re.findall(r'name="(?:first|last)" type="date"[^>]*? value="([^"]+)"', page.text)
            assert offered == ["2026-01-01", "2026-03-31"]


async def test_the_picture_of_a_chain_tells_the_clock_of_the_site(tmp_path: Path) -> None:
    roles = RoleBook({"Practitioner/201": frozenset({Role.AUDITOR})})
    async with run_world(tmp_path, clock_at(AFTER), zone=LOS_ANGELES, roles=roles) as world:
        await answer(world, AFTER, "child")
        browser, desk = await sign_in(world, "201")
        page = await browser.get(f"{desk.url}/audit/responses/{await newest_response(world)}")
    assert "), 2 Mar 2026, 16:10" in page.text
    assert "3 Mar 2026, 00:10 UTC" in page.text


async def test_a_young_person_is_as_old_as_the_day_at_the_site_makes_them(tmp_path: Path) -> None:
    async with run_world(tmp_path, clock_at(AFTER), zone=LOS_ANGELES) as world:
        (freya,) = await world.search("Patient", _id="1008")
        year = int(freya["birthDate"][:4]) + 10
        birthday = datetime.fromisoformat(f"{year}{freya['birthDate'][4:]}T00:10:00+00:00")
        world.clock.now = birthday
        assert "(9 years)" in (await patient_page(world)).text
        world.clock.pass_time(hours=12)
        assert "(10 years)" in (await patient_page(world)).text
