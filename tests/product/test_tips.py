"""What to do next, on the patient page: tied to what the scores show, and only where the site accepts interpretation."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.interpretation import Interpretation
from plugin.tips import read_tips
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


async def test_without_acceptance_there_are_none(world: World) -> None:
    page = await world.launch("wei-ling")
    assert tips(page.text) == []
    assert "What to do next" not in page.text


async def test_a_site_may_turn_them_off(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=replace(NAMED, tips=())) as world:
        page = await world.launch("wei-ling")
    assert tips(page.text) == []
    assert "data-finding" in page.text
