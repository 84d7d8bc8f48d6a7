"""What the site has adopted about a score's error is told on the patient page, and only then."""

from datetime import UTC, datetime

import pytest

from plugin.norming import Coefficient, Figures, Group, adopt, in_use, withdraw
from questionnaires import load_catalogue
from tests.product.world import World

CATALOGUE = load_catalogue()


async def adopt_figures(
    world: World,
    sd: float,
    *,
    site: str = "sandbox",
    rater: str = "child",
    instrument: str = "rapport-checkin-child",
    score: str = "score-total",
    mean: float = 14.0,
) -> str:
    figures = Figures(mean, sd, 120, Coefficient.ALPHA, 0.8, 0.7, 0.9, 110, "the ledger")
    group = Group(site, CATALOGUE.by_id(instrument).canonical, score, rater, "unknown")
    now = datetime(2026, 2, 1, tzinfo=UTC)
    ledger = world.rapport.state.rapport.ledger
    return str(await ledger.bookkeep(lambda c: adopt(c, group, figures, "Head of service", "own data", now)))


@pytest.mark.parametrize(
    ("sd", "told"),
    [
        (0.2, "The difference is larger than measurement error explains"),
        (9.0, "The difference is within measurement error"),
    ],
)
async def test_an_adopted_norm_says_what_a_difference_means(world: World, sd: float, told: str) -> None:
    await adopt_figures(world, sd)
    page = await world.launch("amara")
    assert told in page.text
    assert "own data (the ledger), alpha 0.80, n = 120, adopted 2026-02-01" in page.text


async def test_without_an_adopted_norm_nothing_is_said_about_change(world: World) -> None:
    page = await world.launch("amara")
    assert "last time" in page.text
    assert "measurement error" not in page.text


async def test_norms_of_another_site_or_rater_and_withdrawn_ones_do_not_count(world: World) -> None:
    await adopt_figures(world, 1.0, site="elsewhere")
    await adopt_figures(world, 1.0, rater="caregiver")
    norm = await adopt_figures(world, 1.0)
    ledger = world.rapport.state.rapport.ledger
    now = datetime(2026, 2, 2, tzinfo=UTC)
    await ledger.bookkeep(lambda c: withdraw(c, norm, "Head of service", "another sample", now))
    assert len(await ledger.read(in_use)) == 2
    page = await world.launch("amara")
    assert "measurement error" not in page.text
