"""Tells a reason or a failure in the reader's language.

They arise in English far from any reader and stay so in the trail, the ledger and the logs; a page finds the sentence again
and says it in its own words. What others worded (an EHR's codes, a person's reason) stays as it is.
"""

import re
from functools import cache

from plugin.pages.reasons import SAID
from plugin.pages.words import SOURCE_LANGUAGE, translations

_BETWEEN = re.compile(r"; (?![^()]*\))")  # not within parentheses, where codes of an EHR stand
_PLACE = re.compile(r"%\((\w+)\)s")
_ANYTHING = {
    "why": r".+",  # told in its turn
    "name": r".+?",
    "title": r".+?",
    "action": r".+?",
    "what": r".+?",
    "answer": r"[^()]+",
    "places": r"[^:]+",
    "kind": r"[^;:]+",
    "value": r"[\d.]+",
    **dict.fromkeys(("form", "other", "id", "old", "new", "place"), r"\S+"),
    **dict.fromkeys(("many", "most", "status", "years"), r"\d+"),
}
_FEW = r"[^;:()]+"


def retell(text: str, language: str) -> str:
    """Tell a sentence of Rapport's, or several with semicolons between, in a language; what is not known stays as it is."""
    if language == SOURCE_LANGUAGE or not text:
        return text
    return "; ".join(_pieces(_BETWEEN.split(text), language))


def _pieces(parts: list[str], language: str) -> list[str]:
    """Tell the shortest runs that are known: some sentences have a semicolon of their own."""
    told: list[str] = []
    start = 0
    while start < len(parts):
        runs = ((end, "; ".join(parts[start:end])) for end in range(start + 1, len(parts) + 1))
        known = ((end, said) for end, run in runs if (said := _sentence(run, language)) is not None)
        end, said = next(known, (start + 1, _named(parts[start], language)))
        told.append(said)
        start = end
    return told


def _named(text: str, language: str) -> str:
    """Tell what is said of something that is named before it: "Document: …"."""
    name, colon, rest = text.partition(": ")
    return f"{retell(name, language)}: {retell(rest, language)}" if colon else text


def _sentence(text: str, language: str) -> str | None:
    """Tell one sentence, with a full stop if it came with one; None if it is not known."""
    _ = translations(language).gettext
    core, stop = text.removesuffix("."), "." if text.endswith(".") else ""
    if (plain := _plain().get(core)) is not None:
        return _(plain).removesuffix(".") + stop
    for pattern, known in _patterns():
        if found := pattern.fullmatch(core):
            filled = {name: retell(value, language) for name, value in found.groupdict().items()}
            return (_(known) % filled).removesuffix(".") + stop
    return None


@cache
def _plain() -> dict[str, str]:
    return {each.removesuffix("."): each for each in SAID if not _PLACE.search(each)}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(each), each) for each in SAID if _PLACE.search(each))


def _pattern(known: str) -> re.Pattern[str]:
    parts = _PLACE.split(known.removesuffix("."))
    return re.compile(
        "".join(
            f"(?P<{part}>{_ANYTHING.get(part, _FEW)})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )
