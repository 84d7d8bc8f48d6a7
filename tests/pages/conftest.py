"""A browser for the whole run, a fresh desk and page for each test."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import PATIENCE, open_browser
from tests.pages.serving import Desk, new_desk, serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser(engine_only=True, one_process=True) as opened:
        yield opened


def open_context(browser: Browser) -> BrowserContext:
    """Open what pages stand in: a tablet, held upright."""
    return browser.new_context(viewport={"width": 820, "height": 1180}, locale="en-GB", timezone_id="UTC")


@dataclass
class Shared:
    """A context that pages of several tests stand in, one after the other; one that always stands keeps their process."""

    context: BrowserContext
    standing: Page

    def clear(self) -> None:
        """Leave nothing of a test to the next one: every test has an origin of its own, and so its own stores."""
        for each in self.context.pages:
            if each is not self.standing:
                each.close()
        self.context.set_offline(offline=False)
        self.context.clear_cookies()
        clocked = self.standing.evaluate("'__pwClock' in globalThis")
        assert not clocked, "a clock stays in a context: take `own_context`"


@pytest.fixture(scope="module")
def shared(browser: Browser) -> Iterator[Shared]:
    context = open_context(browser)
    standing = context.new_page()
    standing.route("**", lambda route: route.fulfill(body="", content_type="text/html"))
    standing.goto("http://127.0.0.1/")
    yield Shared(context, standing)
    context.close()


@pytest.fixture
def own_context(browser: Browser) -> Iterator[BrowserContext]:
    """Give `page` a context that no other test has: for one that sets the clock."""
    context = open_context(browser)
    yield context
    context.close()


@pytest.fixture
def desk() -> Desk:
    return new_desk()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with serve(desk) as found:
        yield found


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    alone = "own_context" in request.fixturenames
    shared: Shared | None = None if alone else request.getfixturevalue("shared")
    context = shared.context if shared else request.getfixturevalue("own_context")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None
    )
    yield opened
    if shared:
        shared.clear()
    else:
        context.close()
    assert complaints == []
