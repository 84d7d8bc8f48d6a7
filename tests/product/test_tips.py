"""What to do next, on the patient page: tied to what the scores show, and only where the site accepts interpretation."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.interpretation import Interpretation, Rupture
from plugin.tips import read_tips
from tests.product.forms import ANSWERS
from tests.product.test_norms import adopt_figures
from tests.product.test_plot import ACCEPTED
from tests.product.world import World, run_world

CHILD, ADOLESCENT = "rapport-checkin-child", "rapport-checkin-adolescent"
FORMS = (CHILD, ADOLESCENT, "rapport-checkin-caregiver", "rapport-checkin-therapist")
NAMED = replace(ACCEPTED, instruments=FORMS)


def tips(html: str) -> list[str]:
    return re.findall(r'data-tip="([a-z0-9-]+)"', html)


@pytest.mark.parametrize(
    ("patient", "encounter", "shown"),
    [
        ("wei-ling", None, ["rupture-explore", "rupture-caregiver", "rupture-therapist"]),  # falling for all
        ("mateo", None, ["under-11-talk"]),  # 8 years, growing
        ("نور", None, []),  # a rupture that was repaired
        ("freya", "1008-20260302", ["early-ask"]),  # fourth session, nobody has answered
        ("oliver", "1005-20260302", ["remote-caregiver", "early-ask"]),  # the same, by video
    ],
)
async def test_tips_follow_what_the_scores_show(
    tmp_path: Path, patient: str, encounter: str | None, shown: list[str]
) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        session: dict[str, Any] = {"encounter": encounter} if encounter else {}
        assert tips((await world.launch(patient, **session)).text) == shown


async def shown_with(
    folder: Path, accepted: Interpretation, patient: str, **figures: str | float
) -> list[str]:
    async with run_world(folder, interpretation=accepted) as world:
        await adopt_figures(world, 2.0, **figures)  # type: ignore[arg-type] # checked by the tests
        return tips((await world.launch(patient, practitioner="203")).text)


async def test_divergence_needs_a_norm_and_is_told(tmp_path: Path) -> None:
    assert "divergence-ask" in await shown_with(tmp_path, NAMED, "wei-ling", instrument=ADOLESCENT)


@pytest.mark.parametrize(("low", "shown"), [(None, False), (1.0, True), (5.0, False)])
async def test_a_score_is_low_only_by_the_sites_own_bound(
    tmp_path: Path, low: float | None, *, shown: bool
) -> None:
    figures: dict[str, str | float] = {"instrument": CHILD, "score": "score-bond", "mean": 12.0}
    found = await shown_with(tmp_path, replace(NAMED, low=low), "amara", **figures)
    assert ("bond-feedback" in found) is shown


HIGH = dict.fromkeys(ANSWERS, "completely")
LOW = dict.fromkeys(ANSWERS, "not-at-all")


async def rate(world: World, *sessions: Mapping[str, str | None]) -> str:
    """Have Freya, of whom nothing was asked yet, answer in sessions a week apart; gives the patient page after them."""
    freya = f"Patient/{(await world.people())['freya']}"
    for answers in sessions:
        world.browser = world.new_browser()
        secret = await world.hand_over(await world.launch("freya"), freya)
        assert (await world.fill(secret, answers)).status_code == 200
        world.clock.pass_time(days=7)
    world.browser = world.new_browser()
    return (await world.launch("freya")).text


async def test_a_fall_after_a_good_start_is_told_before_there_are_sessions_enough_for_a_rupture(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        await adopt_figures(world, 2.0)
        page = await rate(world, HIGH, HIGH)
        assert "drop-explore" not in tips(page)
        page = await rate(world, LOW)
    assert "(rupture)" not in page
    assert tips(page)[0] == "drop-explore"
    assert "total lies below the one before by more than measurement error explains" in page


async def test_what_error_explains_is_no_drop(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        await adopt_figures(world, 2.0)  # from 2.48 on
        page = await rate(world, HIGH, {**HIGH, "goal-1": "mostly", "task-1": "mostly"})
    assert "within measurement error" in page
    assert "drop-explore" not in tips(page)


async def test_without_a_norm_no_drop_is_told(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        assert "drop-explore" not in tips(await rate(world, HIGH, LOW))


async def test_without_acceptance_no_drop_is_told(world: World) -> None:
    await adopt_figures(world, 2.0)
    page = await rate(world, HIGH, LOW)
    assert "larger than measurement error explains" in page
    assert tips(page) == []


@pytest.mark.parametrize("rupture", ["none", "gumz-1sd"])
@pytest.mark.parametrize(
    ("rater", "form", "tip"),
    [
        ("child", ADOLESCENT, "drop-explore"),
        ("caregiver", FORMS[2], "drop-caregiver"),
        ("therapist", FORMS[3], "drop-therapist"),
    ],
)
async def test_each_rater_who_drops_has_a_tip_but_none_who_is_down_by_a_rupture(
    tmp_path: Path, rater: str, form: str, tip: str, rupture: Rupture
) -> None:
    """Wei-Ling's scores fall from session to session, for all three."""
    accepted = replace(NAMED, instruments=(form,), rupture=rupture)
    async with run_world(tmp_path, interpretation=accepted) as world:
        await adopt_figures(world, 0.1, instrument=form, rater=rater)
        shown = tips((await world.launch("wei-ling")).text)
    assert [each for each in shown if each.startswith("drop")] == ([tip] if rupture == "none" else [])


async def test_a_rupture_of_the_young_person_alone_is_taken_to_supervision_too(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=replace(NAMED, instruments=(ADOLESCENT,))) as world:
        page = await world.launch("wei-ling")
    assert tips(page.text) == ["rupture-explore", "rupture-withdrawal", "rupture-supervision"]


async def test_who_has_no_form_at_their_age_is_told_with_the_reason_and_not_to_be_asked(
    tmp_path: Path,
) -> None:
    """Elif is six; the youngest form is for older children."""
    async with run_world(tmp_path, interpretation=NAMED) as world:
        page = await world.launch("elif")
        assert re.search(r"<b>Elif Yıldırım</b> no form for 6 years of age", page.text)
        assert "early-ask" not in tips(page.text)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "Elif" not in draft.text.partition("Due and not answered:")[2].partition("\n")[0]


async def test_a_sites_own_tip_comes_first_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "tips.toml"
    file.write_text(
        '[[tip]]\nid = "ours"\nwhen = "rupture-young"\ntext = "Ask <b>what</b> happened."\nsource = "Guideline, 2026"\n',
        encoding="utf-8",
    )
    own = replace(NAMED, instruments=(ADOLESCENT,), tips=read_tips(file))
    async with run_world(tmp_path, interpretation=own) as world:
        page = await world.launch("wei-ling")
    assert tips(page.text) == ["ours", "rupture-explore", "rupture-withdrawal"]
    assert "Ask &lt;b&gt;what&lt;/b&gt; happened." in page.text
    assert "Guideline, 2026" in page.text
    assert re.search(
        r"Shown because the young person's total has fallen \(\d+ \w+ \d{4}\) and is not back\.",
        page.text.replace("&#39;", "'"),
    )


async def test_a_sites_own_tip_of_a_lighter_occasion_stands_behind_the_weightier(tmp_path: Path) -> None:
    file = tmp_path / "tips.toml"
    file.write_text(
        '[[tip]]\nid = "ours"\nwhen = "rupture-therapist"\ntext = "Ask a colleague."\nsource = "Guideline, 2026"\n',
        encoding="utf-8",
    )
    async with run_world(tmp_path, interpretation=replace(NAMED, tips=read_tips(file))) as world:
        page = await world.launch("wei-ling")
    assert tips(page.text) == ["rupture-explore", "rupture-caregiver", "ours"]


async def test_without_acceptance_there_are_none(world: World) -> None:
    page = await world.launch("wei-ling")
    assert tips(page.text) == []
    assert "What to do next" not in page.text


async def test_a_site_may_turn_them_off(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=replace(NAMED, tips=())) as world:
        page = await world.launch("wei-ling")
    assert tips(page.text) == []
    assert "data-finding" in page.text
