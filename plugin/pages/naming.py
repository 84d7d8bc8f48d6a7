"""The names at the ends of a plot's lines: broken into lines, and cut so that two people can still be told apart. Pure."""

from collections.abc import Sequence
from itertools import takewhile
from textwrap import wrap

from plugin.pages.strips import shorten

Label = tuple[str, ...]
"""The lines of a label."""


def label_all(names: Sequence[str], characters: int, lines: int) -> tuple[Label, ...]:
    """Give each name at most `lines` lines of at most `characters` each; different names get different labels.

    What does not fit is cut at its end. Where two labels would be the same then, the last line shows where the names part;
    where even that is the same, they are counted.
    """
    cut = [_break(name, characters, lines) for name in names]
    apart = [
        _tell_apart(name, label, same, characters) if (same := _others(name, label, names, cut)) else label
        for name, label in zip(names, cut, strict=True)
    ]
    return tuple(
        _count(name, label, names, apart, characters) for name, label in zip(names, apart, strict=True)
    )


def _break(name: str, characters: int, lines: int) -> Label:
    broken = wrap(name, characters) or [""]
    if len(broken) <= lines:
        return tuple(broken)
    kept = broken[: lines - 1]
    rest = name
    for each in kept:
        rest = rest.removeprefix(each).lstrip()
    return (*kept, shorten(rest, characters))


def _others(name: str, label: Label, names: Sequence[str], labels: Sequence[Label]) -> list[str]:
    """Give the other names that look the same."""
    return [other for other, shown in zip(names, labels, strict=True) if shown == label and other != name]


def _tell_apart(name: str, label: Label, others: list[str], characters: int) -> Label:
    """Show where a name parts from the one that it shares most with."""
    parts = max(_shared(name, other) for other in others)
    head = "" if len(label) > 1 else name[: (characters - 1) // 3].rstrip()
    room = characters - len(head) - 1
    word = max(name.rfind(" ", 0, parts + 1), name.rfind("-", 0, parts + 1)) + 1
    start = word if parts - word < room // 2 else parts
    start = max(0, min(start, len(name) - room))
    return (*label[:-1], f"{head}…{shorten(name[start:].lstrip(), room)}")


def _count(name: str, label: Label, names: Sequence[str], labels: Sequence[Label], characters: int) -> Label:
    """Give a label its place among the names where another name has the same."""
    if not _others(name, label, names, labels):
        return label
    number = f" {names.index(name) + 1}"
    return (*label[:-1], label[-1][: characters - len(number)] + number)


def _shared(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
