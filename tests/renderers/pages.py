"""How a person finds questions and options in each renderer, and answers them."""

import re
from dataclasses import dataclass

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Locator, Page

from tests.renderers.answers import Given
from tests.renderers.installing import version_of

_PACE = 700  # ms


class Unanswerable(Exception):
    """A person cannot give this answer; the message says why."""


@dataclass(frozen=True)
class RendererPage:
    """A renderer: its page here, its package on npm, and where its page has what.

    `shown` is there once a form is; `ready` is true once a form can be opened.
    """

    name: str
    title: str
    package: str
    ready: str
    shown: str

    @property
    def version(self) -> str:
        """Name and version."""
        return f"{self.title} {version_of(self.package)}"

    def question(self, page: Page, given: Given) -> Locator:
        """Find the question that is answered."""
        raise NotImplementedError

    def add_again(self, page: Page, link_id: str) -> None:
        """Add a repetition of a group."""
        raise NotImplementedError

    def answer(self, page: Page, given: Given) -> None:
        """Give an answer; Unanswerable if the page has no way."""
        try:
            if given.again is not None:
                self.add_again(page, given.again)
            question = self.question(page, given)
            if given.text is not None:
                _type(question, given.text)
                return
            options = self._options(question)
            place = _find(options, given)
            if place is None and not options and question.locator("input[type=text]").count():
                _type(question, given.label or "")
                raise Unanswerable(f"{given.link_id} shows a field to type into, and none of its options")
            if place is None:
                shown = ", ".join(options) or "none"
                raise Unanswerable(f"{given.link_id} has no option “{given.label}”; shown are: {shown}")
            question.locator("label", has=page.locator("input")).nth(place).click()
        except BrowserError as error:
            said = error.message.splitlines()[0]
            raise Unanswerable(f"{given.link_id} cannot be answered: {said}") from None

    def label(self, page: Page, given: Given) -> str | None:
        """Give the words of the option if they are not those of the form; None if they are, or if it is not there."""
        options = self._options(self.question(page, given))
        place = _find(options, given)
        if place is None or _says(options[place], given.label):
            return None
        return options[place]

    def _options(self, question: Locator) -> list[str]:
        labels = question.locator("label", has=question.page.locator("input")).all_inner_texts()
        return [each.strip() for each in labels]


def _type(question: Locator, text: str) -> None:
    field = question.locator("input").first
    field.fill(text)
    field.press("Tab")
    # A person's pace: what is typed is taken over a moment later, and typing on at once would lose it in Smart Forms.
    question.page.wait_for_timeout(_PACE)


def _find(options: list[str], given: Given) -> int | None:
    """Find an option by its words, else by its place if as many are shown as the form has."""
    for place, shown in enumerate(options):
        if given.label is not None and _says(shown, given.label):
            return place
    return given.place if len(options) == given.count else None


def _says(shown: str, label: str | None) -> bool:
    # LHC-Forms writes the weight behind the words: "Often - 3".
    return label is None or re.sub(r" - -?[\d.]+$", "", shown) == label


class LhcForms(RendererPage):
    """LHC-Forms numbers its items by linkId and the repetition at each level."""

    def question(self, page: Page, given: Given) -> Locator:
        place = "/".join(map(str, given.path))
        return page.locator(f"[id='item-{given.link_id}/{place}'] lhc-item-question").first

    def add_again(self, page: Page, link_id: str) -> None:
        page.locator(f"[id^='add-{link_id}/']").last.click()


class SmartForms(RendererPage):
    """Smart Forms marks its fields with data-linkid."""

    def question(self, page: Page, given: Given) -> Locator:
        found = page.locator(f"[data-linkid='{given.link_id}']:has(input)")
        return found.nth(min(given.repetition, max(found.count() - 1, 0)))

    def add_again(self, page: Page, link_id: str) -> None:
        page.get_by_role("button", name="Add Item").last.click()


PAGES: dict[str, RendererPage] = {
    "lhc-forms": LhcForms(
        name="lhc-forms",
        title="LHC-Forms",
        package="lforms",
        ready="() => window.openForm && window.LForms?.Util?.addFormToPage && Boolean(window.LForms.FHIR)",
        shown="#form lhc-item-question",
    ),
    "smart-forms": SmartForms(
        name="smart-forms",
        title="Smart Forms renderer",
        package="@aehrc/smart-forms-renderer",
        ready="() => Boolean(window.openForm)",
        shown="#form [data-linkid]",
    ),
}
