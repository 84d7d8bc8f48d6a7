"""Words that come from a form, with the language they are in: pages mark them where that is not the reader's (WCAG 3.1.2)."""

from typing import Self

from markupsafe import Markup, escape

from plugin.pages.words import direction


class Worded(str):
    """A text like any other that knows its language, a BCP 47 tag."""

    __slots__ = ("language",)
    language: str

    def __new__(cls, text: str, language: str) -> Self:
        """Give a text its language."""
        made = super().__new__(cls, text)
        made.language = language
        return made


def mark(text: str, reader: str) -> Markup:
    """Write a text for a reader: with its language where that is known to be another, set apart where it runs the other way."""
    if isinstance(text, Worded) and text.language.split("-")[0] != reader.split("-")[0]:
        runs = (
            Markup(' dir="{}"').format(way) if (way := direction(text.language)) != direction(reader) else ""
        )
        return Markup('<span lang="{}"{}>{}</span>').format(text.language, runs, str(text))
    return escape(text)
