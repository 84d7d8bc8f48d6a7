"""A name of many letters without a break makes no page of a clinician wider than a phone; one of fewer is not broken."""

from typing import Literal

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LENGTHEN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let many = 0;
  while (walker.nextNode()) {
    const found = walker.currentNode;
    const longer = found.data.replace(/Kowalski|Osei|Haddad|Hernández/g, (name) => name + "k".repeat(160));
    many += longer !== found.data;
    found.data = longer;
  }
  return many;
}"""
# A table may go on to the side, by some columns: not by a name.
TOO_WIDE = """() => [document.scrollingElement, ...document.querySelectorAll(".caseload th, .caseload td")]
    .filter((each) => each.scrollWidth > each.clientWidth + 1)
    .concat([...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > 600))
    .map((each) => each.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize(
    "path",
    [
        "/due",
        "/patient",
        "/observed",
        "/noted",
        "/empty",
        "/slow",
        "/response",
        "/note",
        "/caseload",
        "/caseload-plots",
    ],
)
def test_a_name_of_many_letters_breaks(page: Page, address: str, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{address}{path}")
    assert page.evaluate(LENGTHEN) > 0
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate(TOO_WIDE) == []


BROKEN = """() => {
  for (const row of document.querySelectorAll("figure table tr"))
    [...row.cells].forEach((cell, place) => {
      if (row.parentElement.tagName === "THEAD" && place > 0) cell.textContent = "Bezugsbetreuerin Featherstone";
      else if (place === 1) cell.textContent = "not computed: unanswered questions: no. 5";
    });
  return [...document.querySelectorAll("figure thead th")].flatMap((head) => {
    const text = head.firstChild, said = document.createRange();
    return [...text.data.matchAll(/[^ ]+/g)].filter((word) => {
      said.setStart(text, word.index);
      said.setEnd(text, word.index + word[0].length);
      return said.getClientRects().length > 1;
    }).map((word) => word[0]);
  });
}"""


@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_name_in_the_head_of_a_table_is_not_broken_for_a_long_cell(
    page: Page, address: str, media: Literal["screen", "print"]
) -> None:
    page.set_viewport_size({"width": 1000 if media == "screen" else 680, "height": 780})
    page.goto(f"{address}/patient")
    page.emulate_media(media=media)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate(BROKEN) == []
