"""Turns a template and its values into HTML: escaping always on, an unknown name is an error."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from gettext import NullTranslations
from hashlib import sha256
from importlib.resources import files
from types import CodeType

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.bccache import Bucket
from jinja2.runtime import Context

from plugin.pages import figures
from plugin.pages.checks import FLAWS, GATES, PARTS, ROWS
from plugin.pages.delivery import delivery_label
from plugin.pages.retold import retell, retell_finding, retell_place
from plugin.pages.sentences import say_unscored
from plugin.pages.strips import shorten
from plugin.pages.trend_table import table_rows
from plugin.pages.worded import Instead, mark, name_actor, within
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


class _Compiled(BytecodeCache):
    """What templates were compiled to, kept in memory for all languages: the words come in when a page is made."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("plugin.pages", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        auto_reload=False,  # the templates come with the package
        bytecode_cache=_COMPILED,
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
    speaking: dict[str, Callable[..., object]] = {}
    speaking["said"] = lambda text: retell(text, language)  # what is worded elsewhere, in English
    speaking["found"] = lambda text: retell_finding(text, language)
    speaking["place"] = lambda where: retell_place(where, language)
    for name, words in (("flaw", FLAWS), ("row", ROWS), ("part", PARTS), ("gate", GATES)):
        speaking[name] = partial(_named, catalogue, words)
    speaking["day"] = lambda day: figures.day(day, language)
    speaking["birth"] = lambda born: figures.birth(born, language)
    speaking["day_of_year"] = lambda day: figures.day_of_year(day, language)
    speaking["rows"] = lambda panel, words: table_rows(
        panel,
        words,
        lambda day: figures.day(day, language),
        lambda value: figures.number(value, language),
        lambda absent: say_unscored(absent, language),
        colon(language),
    )
    speaking["unscored"] = lambda absent: say_unscored(absent, language)
    speaking["beside"] = lambda absent: None if isinstance(absent, Instead) else absent
    speaking["moment"] = lambda moment: figures.moment(moment, language)
    speaking["clock"] = lambda when: figures.clock(when, language)
    speaking["number"] = lambda value: figures.number(value, language)
    speaking["within"] = within
    speaking["whom"] = lambda who: name_actor(who, language)
    speaking["worded"] = lambda text: mark(text, language)
    speaking["shorten"] = lambda name, characters: shorten(str(name), characters)
    speaking["score"] = lambda display: name_score(display, language)
    speaking["role"] = lambda role: catalogue.gettext(ROLE_NAMES.get(role) or str(role))
    speaking["label"] = lambda state: delivery_label(state, language)
    speaking["fixed"] = lambda value, places: figures.fixed(value, places, language)
    speaking["count_of"] = lambda value: figures.count_of(value, language)
    speaking["bound"] = lambda value: figures.number(figures.hundredths(value), language)
    environment.filters |= {name: _when_made(each) for name, each in speaking.items()}
    return environment


def _when_made(filter_: Callable[..., object]) -> Callable[..., object]:
    """Have a filter called when a page is made, also with what is always the same: compiled, a template is of no language."""

    @pass_context
    def use(_context: Context, *values: object) -> object:
        return filter_(*values)

    return use


def _named(catalogue: NullTranslations, words: Mapping[str, str], code: str) -> str:
    """Name what a code stands for; one that has no name stands for itself."""
    return catalogue.gettext(words[code]) if code in words else code
