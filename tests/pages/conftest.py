"""A browser for the whole run, a fresh desk and page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import PATIENCE, open_browser
from tests.pages.serving import Desk, new_desk, serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser(engine_only=True) as opened:
        yield opened


@pytest.fixture
def desk() -> Desk:
    return new_desk()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with serve(desk) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 820, "height": 1180}, locale="en-GB", timezone_id="UTC")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None
    )
    yield opened
    context.close()
    assert complaints == []
