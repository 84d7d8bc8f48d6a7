"""LHC-Forms and the Smart Forms renderer show the scores that Rapport computes, for the same answers given by hand.

benchmarks/renderers.py does the same with all instruments and the whole conformance kit.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser

from plugin.responses import check_response, read_response
from plugin.scores import compile_key, compute
from questionnaires import load_catalogue
from questionnaires.examples import read_examples, response_to
from questionnaires.kit import Finding, find_failures, read_cases
from tests.browser import open_browser
from tests.renderers.driving import open_desk
from tests.renderers.installing import why_not
from tests.renderers.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("installed")]
CHILD = load_catalogue().by_id("rapport-checkin-child")
each_renderer = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(scope="module")
def installed() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser(engine_only=True) as opened:
        yield opened


def by_rapport(body: bytes) -> dict[str, Decimal | None]:
    answers = check_response(read_response(body), CHILD, patient=None)
    return {score.link_id: score.value for score in compute(compile_key(CHILD), answers)}


@each_renderer
def test_a_renderer_shows_the_same_scores_for_the_same_answers(browser: Browser, name: str) -> None:
    examples = read_examples(CHILD.id)
    bodies = [response_to(example, CHILD.resource) for example in examples]
    with open_desk(browser, name) as desk:
        found = [desk.fill(CHILD.resource, body) for body in bodies]
    assert [each.complaints for each in found] == [[]] * len(found)
    wanted = [by_rapport(body) for body in bodies]
    assert [each.scores(frozenset(wanted[0])) for each in found] == wanted
    totals = {each["score-total"] for each in wanted}
    assert len(totals) > 1
    assert None in totals


@each_renderer
def test_what_a_renderer_cannot_do_is_found_by_the_kit(browser: Browser, name: str) -> None:
    """A comparison that cannot fail would be none: neither renderer of these versions passes number options of a choice."""
    (case,) = [each for each in read_cases() if each.id == "integer-choice"]
    with open_desk(browser, name) as desk:
        filled = desk.fill(case.questionnaire, case.files["response-zero.json"])
    failures = find_failures(
        case, [Finding(case.id, "response-zero.json", filled.scores(frozenset({"total"})))]
    )
    assert "response-zero.json: total is without a value, not 0" in failures
    assert any("“0”" in each for each in filled.complaints)
