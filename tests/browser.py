"""The one way in which tests start a browser: finds Chromium on this machine, or says what to install."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Playwright as AsyncPlaywright
from playwright.async_api import expect as expect_later
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

# For axe, of a page that takes other colours: what these can change.
OF_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block", "target-size"]}
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


@contextmanager
def open_browser(*, remembers_pages: bool = False, engine_only: bool = False) -> Iterator[Browser]:
    """Run headless Chromium until the block ends; `remembers_pages`: with its memory of pages that were left (bfcache)."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright, engine_only=engine_only),
            args=sandbox_arguments(),
            ignore_default_args=["--disable-back-forward-cache"] if remembers_pages else None,
        )
        try:
            yield browser
        finally:
            browser.close()
