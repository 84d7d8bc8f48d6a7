"""Tells numbers of sessions in bands, so that none is told of few people: a rare high number names who had so many. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from plugin.research.rows import Administration


def in_bands(rows: Sequence[Administration], smallest: int) -> list[Administration]:
    """Tell each number as the first of its band: the number itself where enough people have it.

    Counted over all forms: a number is the session's. Empty everywhere where fewer people have one at all.
    """
    begins = _begins(rows, smallest)
    return [
        row if row.session is None else replace(row, session=_first_of_band(row.session, begins))
        for row in rows
    ]


def bands_told(rows: Iterable[Administration]) -> tuple[str, ...]:
    """Name the bands of rows whose numbers are told so: `1`, `2–4`, `5+`."""
    begins = sorted({row.session for row in rows if row.session is not None})
    ends = [following - 1 for following in begins[1:]]
    bands = [
        str(first) if first == last else f"{first}–{last}" for first, last in zip(begins, ends, strict=False)
    ]
    return (*bands, *(f"{last}+" for last in begins[-1:]))


def _begins(rows: Iterable[Administration], smallest: int) -> list[int]:
    """Give the numbers with which bands begin, from the highest number down; too few at the bottom join the band above."""
    people: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row.session is not None:
            people[row.session].add(row.person)
    begins: list[int] = []
    band: set[str] = set()
    for number in sorted(people, reverse=True):
        band |= people[number]
        if len(band) >= smallest:
            begins.insert(0, number)
            band = set()
    if band and begins:
        begins[0] = min(people)
    return begins


def _first_of_band(number: int, begins: Sequence[int]) -> int | None:
    return begins[bisect_right(begins, number) - 1] if begins else None
