"""Tells a reason or a failure in the reader's language.

They arise in English far from any reader and stay so in the trail, the ledger and the logs; a page finds the sentence again
and says it in its own words. What others worded (an EHR's codes, a person's reason) stays as it is.
"""

import re
from datetime import date
from functools import cache

from plugin.pages import figures
from plugin.pages.checks import CHECKED, PLACES, STATES
from plugin.pages.reasons import SAID
from plugin.pages.words import SOURCE_LANGUAGE, colon, semicolon, translations

_BETWEEN = re.compile(r"; (?![^()]*\))")  # not within parentheses, where codes of an EHR stand
_STOP = re.compile(r"\. ")
_PLACE = re.compile(r"%\((\w+)\)s")
_DOING = "(?:create|read|update|delete|search)"
_ANYTHING = {
    "why": r".+",  # told in its turn
    "scopes": r".+",
    "where": r".+",
    "typed": r".+",
    "counts": r".+?",
    "name": r".+?",
    "title": r".+?",
    "action": r".+?",
    "what": r".+?",
    "answer": r"[^()]+",
    "places": r"[^:]+",
    "kind": r"(?:(?!\. )[^;:])+",
    "value": r"[\d.]+",
    "day": r"\d{4}-\d{2}-\d{2}",
    "kinds": r"[^;]+",
    "state": r"[a-z\-]+",
    "doing": rf"{_DOING}(?:, {_DOING})*",
    "query": r"\S+ is \S+(?: and \S+ is \S+)*",
    "seconds": r"[\d.]+",
    **dict.fromkeys(("form", "other", "id", "old", "new", "place", "host", "site"), r"\S+"),
    **dict.fromkeys(("many", "most", "status", "years"), r"\d+"),
}
_FEW = r"[^;:()]+"
_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def retell(text: str, language: str) -> str:
    """Tell a sentence of Rapport's, or several with semicolons between, in a language; what is not known stays as it is.

    In the language in which it was written only its days are told anew.
    """
    if not text or (language == SOURCE_LANGUAGE and not _DAY.search(text)):
        return text
    return f"{semicolon(language)} ".join(_pieces(_BETWEEN.split(text), language))


def retell_place(where: str, language: str) -> str:
    """Tell where something was found: "response 5e2a, version 2, bond (Observation/7)"; names and ids stay as they are."""
    if language == SOURCE_LANGUAGE:
        return where
    place, bracket, address = where.partition(" (")
    return ", ".join(_place(each, language) for each in place.split(", ")) + bracket + address


def retell_finding(text: str, language: str) -> str:
    """Tell a finding as the trail keeps it: where, a colon, and what."""
    where, parted, what = text.partition(": ")
    return f"{retell_place(where, language)}{f'{colon(language)} ' if parted else ''}{retell(what, language)}"


def _place(piece: str, language: str) -> str:
    _ = translations(language).gettext
    if piece in PLACES:
        return _(piece)
    for pattern, known in _patterns(PLACES):
        if found := pattern.fullmatch(piece):
            return _(known) % found.groupdict()
    return piece


def _pieces(parts: list[str], language: str) -> list[str]:
    """Tell the shortest runs that are known: some sentences have a semicolon of their own."""
    told: list[str] = []
    start = 0
    while start < len(parts):
        runs = ((end, "; ".join(parts[start:end])) for end in range(start + 1, len(parts) + 1))
        known = ((end, said) for end, run in runs if (said := _known(run, language)) is not None)
        end, said = next(known, (start + 1, _named(parts[start], language)))
        told.append(said)
        start = end
    return told


def _known(text: str, language: str) -> str | None:
    """Tell one sentence, or one that is said of something that is named before it: "Document: …"; None if it is not known."""
    if (said := _sentence(text, language)) is not None:
        return said
    name, parted, rest = text.partition(": ")
    said = _known(rest, language) if parted else None
    if said is not None:
        return f"{retell(name, language)}{colon(language)} {said}"
    return _in_turn(text, language)


def _in_turn(text: str, language: str) -> str | None:
    """Tell what happened and then what to do, which an error says as one text; None unless both are known."""
    for stop in _STOP.finditer(text):
        first, rest = text[: stop.start() + 1], text[stop.end() :]
        happened, remedy = _sentence(first, language), _known(rest, language)
        if happened is not None and remedy is not None:
            return f"{happened} {remedy}"
    return None


def _named(text: str, language: str) -> str:
    """Tell what can be told of something that nobody here worded."""
    name, parted, rest = text.partition(": ")
    if not parted:
        return text
    told = retell(name, language), retell(rest, language)
    mark = ":" if told == (name, rest) else colon(language)  # what is quoted stays as it is
    return f"{told[0]}{mark} {told[1]}"


def _sentence(text: str, language: str) -> str | None:
    """Tell one sentence, with a full stop if it came with one; None if it is not known."""
    _ = translations(language).gettext
    core, stop = text.removesuffix("."), "." if text.endswith(".") else ""
    if (plain := _plain().get(core)) is not None:
        return _(plain).removesuffix(".") + stop
    for pattern, known in _patterns(_ALL):
        if found := pattern.fullmatch(core):
            filled = {name: _filling(name, value, language) for name, value in found.groupdict().items()}
            return (_(known) % filled).removesuffix(".") + stop
    return None


def _filling(name: str, value: str, language: str) -> str:
    """Tell what stands in a place of a sentence."""
    if name == "state":
        return translations(language).gettext(value) if value in STATES else value
    if name == "value":
        return figures.written(value, language)
    if name == "day":
        return _day(value, language)
    if name == "doing":
        return ", ".join(retell(each, language) for each in value.split(", "))
    return retell(value, language)


def _day(value: str, language: str) -> str:
    try:
        return figures.day(date.fromisoformat(value), language)
    except ValueError:
        return value  # no day of any calendar


_ALL = (*SAID, *CHECKED)


@cache
def _plain() -> dict[str, str]:
    return {each.removesuffix("."): each for each in _ALL if not _PLACE.search(each)}


@cache
def _patterns(known: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(each), each) for each in known if _PLACE.search(each))


def _pattern(known: str) -> re.Pattern[str]:
    parts = _PLACE.split(known.removesuffix("."))
    return re.compile(
        "".join(
            f"(?P<{part}>{_ANYTHING.get(part, _FEW)})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )
