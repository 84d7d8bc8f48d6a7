"""What the site has adopted about a score's error is told on the patient page, and only then."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.norming import Coefficient, Figures, Group, adopt, in_use, withdraw
from questionnaires import load_catalogue
from tests.product.test_administering import BOOK, sign_in
from tests.product.test_personalities import send_form
from tests.product.world import World, run_world

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
    version: str | None = None,
    ages: str = "unknown",
) -> str:
    figures = Figures(mean, sd, 120, Coefficient.ALPHA, 0.8, 0.7, 0.9, 110, "the ledger")
    form = CATALOGUE.by_id(instrument)
    group = Group(site, f"{form.url}|{version or form.version}", score, rater, ages)
    now = datetime(2026, 2, 1, tzinfo=UTC)
    ledger = world.rapport.state.rapport.ledger
    return str(await ledger.bookkeep(lambda c: adopt(c, group, figures, "Head of service", "own data", now)))


async def answered_before(world: World, version: str) -> None:
    """Have somebody else's form of another version beside the one that there is."""
    form = CATALOGUE.by_id("rapport-checkin-child")

    def copy(connection: sa.Connection) -> None:
        row = dict(connection.execute(sa.select(t.response)).mappings().first() or {})
        other = {"id": version, "identifier": version, "invitation": None, "patient": f"Patient/{version}"}
        connection.execute(t.response.insert().values(row | other | {"instrument": f"{form.url}|{version}"}))

    await world.rapport.state.rapport.ledger.bookkeep(copy)


@pytest.mark.parametrize(
    ("sd", "told"),
    [
        (0.2, "larger than measurement error explains"),
        (9.0, "within measurement error"),
    ],
)
async def test_an_adopted_norm_says_what_a_difference_means(world: World, sd: float, told: str) -> None:
    await adopt_figures(world, sd)
    page = await world.launch("amara")
    assert told in page.text
    assert "own data (the ledger), alpha 0.80, n = 120, adopted 1 Feb 2026" in page.text


async def test_each_band_has_the_source_of_its_norm_beside_it_whatever_changed(world: World) -> None:
    await adopt_figures(world, 1.0, score="score-bond", ages="7–11")  # no total is told
    page = await world.launch("amara")
    assert "data-change" not in page.text
    figure = page.text.partition("Shade what does not differ")[2].partition("</figure>")[0]
    source = "own data, ages 7–11 (the ledger), alpha 0.80, n = 120, adopted 1 Feb 2026."
    assert f"Measurement error (Amara Okafor): {source}" in figure
    assert "No reliable change from the first score</th><td>5.76 – 8</td>" in figure  # 7 ± 1.24, of 8


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("de", "eigene Daten (aus Rapport), alpha 0,80, n = 120, beschlossen am 1. Feb. 2026"),
        ("fr", "données propres (de Rapport), alpha 0,80, n = 120, adopté le 1er févr. 2026"),
    ],
)
async def test_where_the_error_comes_from_is_written_as_the_readers_language_does(
    world: World, language: str, told: str
) -> None:
    await adopt_figures(world, 9.0)
    page = await world.launch("amara")
    heard = {"Accept-Language": language}
    for address in (str(page.url), f"{page.url}/notes/new"):
        assert told in (await world.browser.get(address, headers=heard)).text


async def test_the_choice_of_forms_does_not_deny_a_norm_that_is_in_use(world: World) -> None:
    without = (await world.launch("amara")).text
    await adopt_figures(world, 9.0)
    page = (await world.launch("amara")).text
    denied, own = "no norm and no cut-off", "its norms are your service&#39;s own"
    assert own not in without
    assert page.count(own) == 1
    assert page.count(denied) == without.count(denied) - 1


async def test_what_was_adopted_for_the_version_before_holds_as_long_as_that_asks_and_counts_alike(
    world: World,
) -> None:
    await adopt_figures(world, 9.0, version="0.9.0")
    assert "within measurement error" not in (await world.launch("amara")).text
    await adopt_figures(world, 9.0, version="1.0.0")
    assert "within measurement error" in (await world.launch("amara")).text


async def test_without_an_adopted_norm_the_page_says_that_it_does_not_know_what_a_difference_means(
    world: World,
) -> None:
    page = await world.launch("amara")
    assert "last time" in page.text
    assert "data-change" not in page.text
    assert "How much measurement error alone moves a score is not known (Rapport Check-in)" in page.text


async def test_where_the_error_of_one_persons_score_is_known_the_others_are_named(world: World) -> None:
    await adopt_figures(world, 1.0)
    page = await world.launch("amara")
    told = page.text.partition("data-unknown>")[2].partition("</p>")[0]
    assert "is not known (Ngozi Okafor, Samuel Adeyemi): a small difference" in told


async def test_norms_of_another_site_or_rater_and_withdrawn_ones_do_not_count(world: World) -> None:
    await adopt_figures(world, 1.0, site="elsewhere")
    await adopt_figures(world, 1.0, rater="caregiver")
    norm = await adopt_figures(world, 1.0)
    ledger = world.rapport.state.rapport.ledger
    now = datetime(2026, 2, 2, tzinfo=UTC)
    await ledger.bookkeep(lambda c: withdraw(c, norm, "Head of service", "another sample", now))
    assert len(await ledger.read(in_use)) == 2
    page = await world.launch("amara")
    assert "data-change" not in page.text


async def test_the_administrators_page_says_that_no_norm_is_in_use_and_how_many_people_are_lacking(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        empty = await browser.get(f"{desk.url}/norms")
        assert "None. The patient page says of no difference" in empty.text
        assert "rapport norms adopt INSTRUMENT SCORE --site sandbox" in empty.text
        assert "Nobody yet." in empty.text
        await send_form(world)
        page = await browser.get(f"{desk.url}/norms")
        assert "29 more are needed" in page.text
        assert "99 more are needed" in page.text
        await answered_before(world, "1.0.0")
        page = await browser.get(f"{desk.url}/norms")
        assert "2 people, 2 forms" in page.text  # with the version of today, as `rapport norms show` counts
        assert "28 more are needed" in page.text
        await answered_before(world, "0.9.0")
        page = await browser.get(f"{desk.url}/norms")
        assert "28 more are needed" in page.text
        assert "29 more are needed" in page.text


async def test_the_administrators_page_shows_a_norm_while_it_is_in_use_and_every_decision(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        await adopt_figures(world, 5.0, site="elsewhere")
        norm = await adopt_figures(world, 4.0)
        browser, desk = await sign_in(world)
        page = (await browser.get(f"{desk.url}/norms")).text
        assert "<b>5.0</b>" in page  # 1.96 · 4 · √2 · √(1 − 0.8)
        assert "alpha 0.80" in page
        assert page.count("rapport norms withdraw") == page.count(f"rapport norms withdraw {norm}") == 1
        ledger = world.rapport.state.rapport.ledger
        now = datetime(2026, 2, 2, tzinfo=UTC)
        await ledger.bookkeep(lambda c: withdraw(c, norm, "Head of service", "another sample", now))
        page = (await browser.get(f"{desk.url}/norms")).text
        assert "None. The patient page says of no difference" in page
        assert page.index("another sample") < page.index("own data")
