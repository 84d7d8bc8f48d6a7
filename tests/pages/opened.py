"""A rendered page, opened in a browser with its style and scripts and without a server."""

from playwright.sync_api import Browser, Page, Route

from tests.pages.serving import STATIC


def open_page(browser: Browser, whole: str, path: str, *, scheme: str, width: int) -> Page:
    """Open HTML at an address of ours; files of `plugin/static` are given, everything else is this page."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type] # a literal type of Playwright's

    def answer(route: Route) -> None:
        file = STATIC / route.request.url.rpartition("/")[2].partition("?")[0]
        if file.is_file():
            route.fulfill(path=file)
        else:
            route.fulfill(body=whole, content_type="text/html; charset=utf-8")

    page.route("**/*", answer)
    page.goto(f"http://rapport.invalid{path}")
    return page
