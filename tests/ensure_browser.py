"""Makes sure that a browser is there for the tests: Chromium of this machine, else Playwright's own is fetched."""

import subprocess
import sys

from playwright.sync_api import sync_playwright

from tests.browser import NoBrowser, find_chromium


def is_there() -> bool:
    with sync_playwright() as playwright:
        try:
            find_chromium(playwright)
        except NoBrowser:
            return False
        return True


def main() -> None:
    if is_there():
        return
    print("No Chromium on this machine: fetching Playwright's own.", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if not is_there():
        sys.exit(
            "The tests need a browser and none could be fetched.\n"
            "Install Chromium (Debian, Ubuntu: apt install chromium) or set RAPPORT_CHROMIUM to its program, then try again."
        )


if __name__ == "__main__":
    main()
