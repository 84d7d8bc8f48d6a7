"""No template holds words of its own: all that a browser shows or reads out comes through gettext."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from plugin import pages
from plugin.pages.engine import _environment

TEMPLATES = Path(pages.__file__).parent / "templates"
ALL = sorted(each for each in TEMPLATES.rglob("*") if each.suffix in {".html", ".txt"})
# What a browser shows or reads out besides the text.
SHOWN = {"alt", "title", "placeholder", "aria-label", "aria-description", "aria-roledescription", "label"}
SHOWN |= {"data-done", "data-slow"}
# What is the same in every language: code, and pictures, whose words are values.
SAME = {"code", "pre", "script", "style"}
NAMES = {"Rapport", "HTTP"}
# Blocks and captures that hold classes and attributes, no text.
MARKUP = {"kind", "wording", "interface", "described", "marks"}
GETTEXT = {"_", "gettext", "ngettext"}
_WORD = re.compile(r"[^\W\d_]{2,}")
_jinja = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)


class _Words(HTMLParser):
    """Collects the words that stand in the HTML itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in SAME
        for name, value in attrs:
            if name in SHOWN:
                self._take(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in SAME

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._take(data)

    def _take(self, text: str) -> None:
        self.found += [each for each in _WORD.findall(text) if each not in NAMES]


def words_of(template: str) -> list[str]:
    """Give the words of a template that are neither markup nor said by gettext."""
    html = "".join(_data(_jinja.parse(template.replace("<{{ heading }} ", "<h1 "))))
    reader = _Words()
    reader.feed(html)
    return [*reader.found, *_said(_jinja.parse(template))]


def _data(node: nodes.Node) -> Iterator[str]:
    """Give what stands outside of braces; a value leaves nothing."""
    if isinstance(node, nodes.TemplateData):
        yield node.data
    elif (isinstance(node, nodes.Block) and node.name in MARKUP) or (
        isinstance(node, nodes.AssignBlock)
        and isinstance(node.target, nodes.Name)
        and node.target.name in MARKUP
    ):
        return
    else:
        for each in node.iter_child_nodes():
            yield from _data(each)


def _said(node: nodes.Node) -> Iterator[str]:
    """Give sentences and titles that stand as strings within braces and are not handed to gettext."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in GETTEXT:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        if re.search(r"^[A-Z][a-z]+|[a-z]{2,} [a-z]{2,}", node.value.strip()) and "%" not in node.value:
            yield node.value
        return
    for each in node.iter_child_nodes():
        yield from _said(each)


@pytest.mark.parametrize("template", ALL, ids=[str(each.relative_to(TEMPLATES)) for each in ALL])
def test_a_template_says_nothing_without_gettext(template: Path) -> None:
    assert words_of(template.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "template",
    [
        "<p>Nobody yet</p>",
        '<button aria-label="Close">×</button>',
        '{{ "in the record" if page.works else "–" }}',
        '{{ fact("Asked") }}',
        "{% if page.works %}<b>works</b>{% endif %}",
    ],
)
def test_words_without_gettext_are_found(template: str) -> None:
    assert words_of(template) != []


@pytest.mark.parametrize("template", ["<p>{{ _('Nobody yet') }}</p>", "<p class='quiet'>{{ name }}: 7</p>"])
def test_words_of_gettext_and_markup_are_not(template: str) -> None:
    assert words_of(template) == []


def test_what_a_template_is_compiled_to_is_of_no_language() -> None:
    source = "{{ 1.5|number }}"
    compiled = {language: _environment(language).compile(source, raw=True) for language in ("en", "fr")}
    assert compiled["en"] == compiled["fr"]
    made = {language: _environment(language).from_string(source).render() for language in ("en", "fr")}
    assert made == {"en": "1.5", "fr": "1,5"}
