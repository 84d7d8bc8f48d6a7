"""The one way in which tests start a browser: finds Chromium on this machine, or says what to install."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.async_api import Page as AsyncPage
from playwright.async_api import Playwright as AsyncPlaywright
from playwright.async_api import expect as expect_later
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

# For axe, of a page that it has judged: what other colours can change, and what cannot be otherwise in the same colours. Contrast
# takes four fifths of its time.
_OF_COLOURS = ("color-contrast", "link-in-text-block", "target-size")
_SEEN_BEFORE = {"color-contrast": {"enabled": False}}
_HAS_AXE = "'axe' in globalThis"
# What does violate, in full; describing whatever does not takes longer than judging it.
_JUDGE = "async (options) => ({ violations: (await axe.run(options)).violations })"
PATIENCE = (
    60_000  # milliseconds for whatever a page is waited for: long, for machines that do other work beside it
)
expect.set_options(timeout=PATIENCE)
expect_later.set_options(timeout=PATIENCE)

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SHELLS = ("chromium-headless-shell", "chrome-headless-shell")


class NoBrowser(Exception):
    """No Chromium was found; the message says what to do."""


def find_chromium(playwright: Playwright | AsyncPlaywright, *, engine_only: bool = False) -> str:
    """Give the path of Chromium: RAPPORT_CHROMIUM, else one on PATH, else Playwright's own; NoBrowser if none.

    `engine_only`: the headless shell will do, and is taken if it is there. It shows, runs and prints pages with the same
    engine for a third of the processor's time, without what else a browser has: profiles, settings of cookies, a memory of
    pages that were left.
    """
    asked = os.environ.get("RAPPORT_CHROMIUM")
    if asked:
        if Path(asked).is_file():
            return asked
        raise NoBrowser(f"RAPPORT_CHROMIUM names {asked}, which is no file. Set it to the browser's program.")
    for name in (*_SHELLS, *_NAMES) if engine_only else _NAMES:
        found = shutil.which(name)
        if found:
            return found
    own = playwright.chromium.executable_path
    if Path(own).is_file():
        return own
    raise NoBrowser(
        "Browser tests need Chromium, and there is none: install it (apt-get install chromium, or "
        "`python -m playwright install chromium`), or set RAPPORT_CHROMIUM to its program."
    )


def sandbox_arguments() -> list[str]:
    """Chromium's sandbox refuses to run as root; for everybody else it stays on."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


class Judged(Enum):
    """By what axe judges a page: by everything, what other colours can change, or what another width can."""

    WHOLE = auto()
    COLOURS = auto()
    WIDTH = auto()


def judge(page: Page, by: Judged = Judged.WHOLE) -> AxeResults:
    """Have axe judge a page as it stands."""
    if not page.evaluate(_HAS_AXE):
        page.evaluate(AXE_SCRIPT)
    return AxeResults(page.evaluate(_JUDGE, _judging(by)))


async def judge_later(page: AsyncPage, by: Judged = Judged.WHOLE) -> AxeResults:
    """Have axe judge a page as `judge` does."""
    if not await page.evaluate(_HAS_AXE):
        await page.evaluate(AXE_SCRIPT)
    return AxeResults(await page.evaluate(_JUDGE, _judging(by)))


def _judging(by: Judged) -> dict[str, Any]:
    rules: dict[Judged, dict[str, Any]] = {
        Judged.WHOLE: {},
        Judged.COLOURS: {"runOnly": _OF_COLOURS},
        Judged.WIDTH: {"rules": _SEEN_BEFORE},
    }
    return {"resultTypes": ["violations"], **rules[by]}


def shown(page: Page) -> str:
    """Tell what each frame of a page shows, for the report of a test that failed."""
    told = []
    for frame in page.frames:
        try:
            words = frame.locator("body").inner_text(timeout=2000)[:1500]
        except Error as error:
            words = f"(nothing to be read: {error.message.splitlines()[0]})"
        told.append(f"{urlsplit(frame.url).path or frame.url}\n{words}")
    return "\n\n".join(told)


@contextmanager
def open_browser(
    *, remembers_pages: bool = False, engine_only: bool = False, one_process: bool = False
) -> Iterator[Browser]:
    """Run headless Chromium until the block ends; `remembers_pages`: with its memory of pages that were left (bfcache).

    `one_process`: all pages that a context has of one host take one process, and what of their scripts is compiled already.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright, engine_only=engine_only),
            args=[*sandbox_arguments(), *(["--renderer-process-limit=1"] if one_process else [])],
            ignore_default_args=["--disable-back-forward-cache"] if remembers_pages else None,
        )
        try:
            yield browser
        finally:
            browser.close()
