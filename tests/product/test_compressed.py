"""What a form costs to load: pages that hold nothing of anybody are compressed, those with answers are not."""

from plugin import pages
from tests.pages import samples
from tests.product.test_two_pages import keep, open_form
from tests.product.world import World


async def test_the_page_around_a_form_is_compressed(world: World) -> None:
    packed = await world.browser.get("/fill", headers={"Accept-Encoding": "gzip, br"})
    plain = await world.browser.get("/fill", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 0.5 * int(plain.headers["content-length"])
    assert packed.text == plain.text
    assert {each.headers["vary"] for each in (packed, plain)} == {"Accept-Encoding"}


async def test_a_form_without_answers_is_compressed(world: World) -> None:
    headers = await open_form(world)
    form = await world.browser.get("/fill/form", headers={**headers, "Accept-Encoding": "gzip"})
    assert form.headers["content-encoding"] == "gzip"
    assert "data-form" in form.text


async def test_a_form_with_answers_is_not_so_that_its_length_tells_nothing_of_them(world: World) -> None:
    headers = await open_form(world)
    lengths = set()
    for answer in ("not-at-all", "mostly", None):
        await keep(world, headers, answers={"goal-1": answer})
        form = await world.browser.get("/fill/form", headers={**headers, "Accept-Encoding": "gzip"})
        assert "content-encoding" not in form.headers
        lengths.add(form.headers["content-length"])
    assert len(lengths) == 1


def test_a_form_is_as_long_however_many_of_several_options_were_chosen() -> None:
    several = tuple(each for each in samples.KINDS if each.link_id == "who")
    chosen: tuple[list[str] | None, ...] = (["a-little"], ["not-at-all", "somewhat"], None)
    forms = [
        samples.form(questions=several, answers={"who": each}, reasons=reasons, asks_why=True)
        for each in chosen
        for reasons in ({}, {"who": "asked-unknown"}, {"who": "unknown"})
        if each is None or not reasons
    ]
    assert len({len(pages.render_form(each)) for each in forms}) == 1
