"""Words that know more than their letters.

Those of a form know the language they are in, and pages mark them where that is not the reader's (WCAG 3.1.2); what stands in
place of somebody's name knows how it is written inside a sentence; a reason knows whether it stands in place of a value.
"""

from typing import Self

from markupsafe import Markup, escape

from plugin.auditing.entries import AT_THE_COMMAND_LINE, is_at_the_command_line
from plugin.pages.words import direction, translations


class Worded(str):
    """A text like any other that knows its language, a BCP 47 tag."""

    __slots__ = ("language",)
    language: str

    def __new__(cls, text: str, language: str) -> Self:
        """Give a text its language."""
        made = super().__new__(cls, text)
        made.language = language
        return made


class RoleName(str):
    """What somebody is, said in place of a name that nobody tells; `within` is how it stands inside a sentence.

    `number` tells several of a kind apart; 0 where there is one.
    """

    __slots__ = ("number", "within")
    within: str
    number: int

    def __new__(cls, text: str, within: str, number: int = 0) -> Self:
        """Give a label its words inside a sentence."""
        made = super().__new__(cls, text)
        made.within, made.number = within, number
        return made


class Instead(str):
    """Why there is no value, said in its place: that it was not computed, as is said of the others, would not be true."""

    __slots__ = ()


def within(name: str) -> str:
    """Write a name, or what stands for one, inside a sentence."""
    return name.within if isinstance(name, RoleName) else name


def name_actor(who: str, language: str) -> str:
    """Name who did something: of whoever did it on the server's own machine, the account, with where."""
    if not is_at_the_command_line(who):
        return who
    _ = translations(language).gettext
    return _("%(who)s at the command line") % {"who": who.removesuffix(AT_THE_COMMAND_LINE)}


def number_of(name: str) -> int:
    """Give the number by which somebody without a name is told from others of a kind; 0 where there is none."""
    return name.number if isinstance(name, RoleName) else 0


def mark(text: str, reader: str) -> Markup:
    """Write a text for a reader: with its language where that is known to be another, set apart where it runs the other way."""
    if isinstance(text, Worded) and text.language.split("-")[0] != reader.split("-")[0]:
        runs = (
            Markup(' dir="{}"').format(way) if (way := direction(text.language)) != direction(reader) else ""
        )
        return Markup('<span lang="{}"{}>{}</span>').format(text.language, runs, str(text))
    return escape(text)
