"""Turns a template and its values into HTML: escaping always on, an unknown name is an error."""

from collections.abc import Mapping
from functools import cache, partial
from gettext import NullTranslations
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from plugin.pages import figures
from plugin.pages.checks import FLAWS, GATES, PARTS, ROWS
from plugin.pages.delivery import delivery_label
from plugin.pages.retold import retell, retell_finding, retell_place
from plugin.pages.sentences import say_unscored
from plugin.pages.strips import shorten
from plugin.pages.trend_table import table_rows
from plugin.pages.worded import Instead, mark, within
from plugin.pages.words import N_, colon, direction, interface_language, semicolon, translations

ROLE_NAMES: Mapping[str, str] = {
    "administrator": N_("administrator"),
    "auditor": N_("auditor"),
    "supervisor": N_("supervisor"),
    "researcher": N_("researcher"),
}
"""The roles that a site gives by name, as pages call them."""
SCORE_NAMES = (N_("Total"), N_("Goals"), N_("Tasks"), N_("Bond"))
"""What the open forms call their scores; other instruments' names stay as their holders wrote them."""
_HASH_LENGTH = 12  # hex digits: enough to tell versions of one file apart


def render(template: str, *, language: str = "en", **values: object) -> str:
    """Render one of `templates/` in an interface language; the values are named as the template names them."""
    spoken = interface_language(language)
    page = _environment(spoken).get_template(template)
    return page.render(language=spoken, direction=direction(spoken), **values)


def name_score(display: str, language: str) -> str:
    """Name a score for a reader, as far as its name is one of the open forms'."""
    return translations(language).gettext(display) if display in SCORE_NAMES else display


@cache
def asset(name: str) -> str:
    """Give the address of a file of `plugin/static`, which changes when its content does."""
    digest = sha256((files("plugin") / "static" / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:_HASH_LENGTH]}"


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("plugin.pages", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        auto_reload=False,  # the templates come with the package
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = translations(language)
    # The i18n extension adds this method when it is loaded.
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # see above
    environment.globals["asset"] = asset
    environment.globals["text_direction"] = direction
    environment.globals["colon"] = colon(language)
    environment.globals["semicolon"] = semicolon(language)
    environment.filters["said"] = lambda text: retell(text, language)  # what is worded elsewhere, in English
    environment.filters["found"] = lambda text: retell_finding(text, language)
    environment.filters["place"] = lambda where: retell_place(where, language)
    for name, words in (("flaw", FLAWS), ("row", ROWS), ("part", PARTS), ("gate", GATES)):
        environment.filters[name] = partial(_named, catalogue, words)
    environment.filters["day"] = lambda day: figures.day(day, language)
    environment.filters["birth"] = lambda born: figures.birth(born, language)
    environment.filters["day_of_year"] = lambda day: figures.day_of_year(day, language)
    environment.filters["rows"] = lambda panel, words: table_rows(
        panel,
        words,
        lambda day: figures.day(day, language),
        lambda value: figures.number(value, language),
        lambda absent: say_unscored(absent, language),
        colon(language),
    )
    environment.filters["unscored"] = lambda absent: say_unscored(absent, language)
    environment.filters["beside"] = lambda absent: None if isinstance(absent, Instead) else absent
    environment.filters["moment"] = lambda moment: figures.moment(moment, language)
    environment.filters["clock"] = lambda when: figures.clock(when, language)
    environment.filters["number"] = lambda value: figures.number(value, language)
    environment.filters["within"] = within
    environment.filters["worded"] = lambda text: mark(text, language)
    environment.filters["shorten"] = lambda name, characters: shorten(str(name), characters)
    environment.filters["score"] = lambda display: name_score(display, language)
    environment.filters["role"] = lambda role: catalogue.gettext(ROLE_NAMES.get(role) or str(role))
    environment.filters["label"] = lambda state: delivery_label(state, language)
    environment.filters["fixed"] = lambda value, places: figures.fixed(value, places, language)
    environment.filters["count_of"] = lambda value: figures.count_of(value, language)
    environment.filters["bound"] = lambda value: figures.number(figures.hundredths(value), language)
    return environment


def _named(catalogue: NullTranslations, words: Mapping[str, str], code: str) -> str:
    """Name what a code stands for; one that has no name stands for itself."""
    return catalogue.gettext(words[code]) if code in words else code
