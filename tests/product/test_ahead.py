"""Scores that the record dates on a day which is still to come: named, and the latest of nothing."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugin.delivery.pdf import can_render
from tests.product.forms import response_of
from tests.product.test_caseload import FIRST, OF_BOTH, caseload, needs
from tests.product.test_cds_hooks import CLIENT, any_fall_of, chart, keep_score
from tests.product.test_later_versions import submitted
from tests.product.test_odd_history import NOUR, Resources, findings, tell, totals
from tests.product.test_plot import ACCEPTED
from tests.product.world import World, run_world

TOLD = (
    "1 form is dated on a day that is still to come (Nour Al-Haddad, 9 Feb 2031): its scores are neither drawn nor "
    "compared. Have its date put right in the record."
)


def latest_in_2031(found: Resources) -> Resources:
    """Date the young person's last form five years late, all of its scores."""
    last = totals(found, "adolescent")[-1]["effectiveDateTime"]
    for each in found:
        if "adolescent" in each["code"]["coding"][0]["code"] and each["effectiveDateTime"] == last:
            each["effectiveDateTime"] = "2031-02-09T09:00:00+00:00"
            each["valueQuantity"] = {"value": 1}
    return found


async def test_a_score_of_a_day_to_come_is_named_and_neither_drawn_nor_compared(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", latest_in_2031)
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert page.text.count(TOLD) == 1
    assert TOLD in draft.text
    changed = page.text.partition('class="facts"')[2].partition("</ul>")[0]
    assert "2031" not in changed
    assert '<span class="now">1 of 24' not in changed
    assert 'class="moved"' in changed
    assert re.sub('"[^"]*"', "", page.text).count("2031") == 1  # no row of a table, no place on an axis
    assert "fell to 1 on" not in findings(page)


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
async def test_the_pdf_names_it_too(world: World) -> None:
    tell(world, "/r4/Observation", latest_in_2031)
    page = await world.launch(NOUR)
    answer = await world.browser.get(f"{page.url}/summary.pdf")
    text = await asyncio.to_thread(
        subprocess.run, ["pdftotext", "-raw", "-", "-"], input=answer.content, capture_output=True, check=True
    )
    assert TOLD in re.sub(r"\s+", " ", text.stdout.decode())


@pytest.mark.parametrize(
    ("day", "is_named"), [("2026-03-03", False), ("2026-03-04", True)], ids=["tomorrow", "later"]
)
async def test_clocks_and_zones_may_differ_by_a_day(world: World, day: str, *, is_named: bool) -> None:
    keep_score(world.ehr.state.store, "2026-02-01", "Patient/1008", 18)
    keep_score(world.ehr.state.store, day, "Patient/1008", 20)
    page = await world.launch("freya")
    assert ("still to come" in page.text) is is_named
    latest = page.text.partition('class="now">')[2].partition("<")[0]
    assert latest == ("18 of 24" if is_named else "20 of 24")


async def test_where_every_score_is_of_a_day_to_come_nothing_else_is_shown(world: World) -> None:
    keep_score(world.ehr.state.store, "2027-02-01", "Patient/1008", 18)
    page = await world.launch("freya")
    assert "1 form is dated on a day that is still to come (Freya Lindqvist, 1 Feb 2027)" in page.text
    assert "What changed" not in page.text
    assert "No alliance scores yet" not in page.text


@pytest.mark.parametrize(
    ("dated", "told"),
    [
        ({"effectiveDateTime": "2026-02"}, "1 form is not dated on one day (Freya Lindqvist, 2026-02)"),
        ({}, "1 form is not dated on one day (Freya Lindqvist, without a day)"),
        (
            {"effectivePeriod": {"start": "2026-02-01", "end": "2026-02-14"}},
            "1 form is not dated on one day (Freya Lindqvist, 2026-02-01 – 2026-02-14)",
        ),
        (
            {"effectiveDateTime": "2026-02-01", "valueQuantity": {"value": "20"}},
            "1 form of the record has scores that cannot be read (the young person, 2026-02-01)",
        ),
    ],
    ids=["a month", "nothing", "two weeks", "a text"],
)
async def test_a_score_without_a_day_is_named_with_what_stands_there(
    world: World, dated: dict[str, Any], told: str
) -> None:
    def change(found: Resources) -> Resources:
        for each in found:
            if each.get("valueQuantity", {}).get("value") == 20:
                del each["effectiveDateTime"]
                each.update(dated)
        return found

    keep_score(world.ehr.state.store, "2026-01-05", "Patient/1008", 18)
    keep_score(world.ehr.state.store, "2026-02-01", "Patient/1008", 20)
    tell(world, "/r4/Observation", change)
    page = await world.launch("freya")
    draft = await world.browser.get(f"{page.url}/notes/new")
    assert page.text.count(told) == 1
    assert told in draft.text
    assert page.text.partition('class="now">')[2].partition("<")[0] == "18 of 24"


async def test_a_period_within_one_day_is_that_day(world: World) -> None:
    period = {"start": "2026-02-01T09:00:00Z", "end": "2026-02-01T09:20:00Z"}

    def change(found: Resources) -> Resources:
        for each in found:
            del each["effectiveDateTime"]
            each["effectivePeriod"] = period
        return found

    keep_score(world.ehr.state.store, "2026-02-01", "Patient/1008", 18)
    tell(world, "/r4/Observation", change)
    page = await world.launch("freya")
    assert "on 1 Feb 2026" in page.text
    assert "is not dated" not in page.text


async def test_a_fall_to_a_day_to_come_is_on_no_card(tmp_path: Path) -> None:
    interpretation = any_fall_of("rapport-checkin-child", tmp_path)
    async with run_world(tmp_path, cds=CLIENT, interpretation=interpretation) as world:
        for when, value in (("2026-02-01", 20), ("2026-02-02", 20), ("2026-02-03", 20), ("2027-02-04", 9)):
            keep_score(world.ehr.state.store, when, "Patient/1008", value)
        assert "fell" not in (await chart(world, "freya")).text


async def test_an_answer_of_a_day_to_come_keeps_nobody_from_being_overdue(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await world.launch("amara", practitioner=FIRST, encounter="1001-20260302")
        amara = (await world.people())["amara"]
        sent = await submitted(world, response_of(amara, authored="2027-03-02T09:00:00+00:00"))
        assert sent.status_code == 201, sent.text
        world.clock.pass_time(days=1)
        assert "overdue" in needs(await caseload(world), amara)
