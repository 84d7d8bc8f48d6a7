"""Reads the usual response at once: one option of a choice for each question, or declined, and nothing out of place.

Everything else is checked at length.

What is taken here is what the full check takes, with the same answers; tests hold the two against each other.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from plugin.responses.answers import DATA_ABSENT_REASON, DECLINED, Answers, Given
from plugin.responses.resource import Response, ResponseItem
from questionnaires import Instrument, Item, walk
from questionnaires.datatypes import Extension
from questionnaires.resources import WEIGHTS

_WEIGHTS = tuple(WEIGHTS)
_NONE = (None, None)
_KEPT = 256  # tables; a site has a few dozen forms

# By code: the system, to be compared rather than hashed (an address takes long), and the answer.
Options = Mapping[str | None, tuple[str | None, tuple[Given]]]


class _Entry(NamedTuple):
    """What is usual of one item: its texts (None: any), its options, or the level below a group."""

    texts: frozenset[str] | None
    options: Options | None
    level: "_Level | None"


class _Level(NamedTuple):
    entries: Mapping[str, _Entry]
    required: frozenset[str]


class _Table(NamedTuple):
    canonical: str
    level: _Level
    order: tuple[str, ...]


# By the instrument's identity; the instrument is held, so that its identity is not given to another.
_tables: dict[int, tuple[Instrument, _Table | None]] = {}


def read_usual(response: Response, instrument: Instrument, patient: str | None) -> Answers | None:
    """Give the answers of a response that is as nearly all are; None if it must be checked at length."""
    table = _table(instrument)
    if (
        table is None
        or response.questionnaire != table.canonical
        or response.status == "entered-in-error"
        or response.modifierExtension
        or (patient is not None and response.subject_reference != patient)
    ):
        return None
    given: dict[str, tuple[Given]] = {}
    declined: set[str] = set()
    finished = response.status in {"completed", "amended"}
    if not _read_level(response.item, table.level, given, declined, finished=finished):
        return None
    if len(given) == len(table.order):
        return Answers({link_id: given[link_id] for link_id in table.order})
    return Answers(
        {link_id: given[link_id] for link_id in table.order if link_id in given}, frozenset(declined)
    )


def _read_level(
    items: tuple[ResponseItem, ...],
    level: _Level,
    given: dict[str, tuple[Given]],
    declined: set[str],
    *,
    finished: bool,
) -> bool:
    entries = level.entries
    groups: set[str] = set()
    for each in items:
        link_id = each.linkId
        entry = entries.get(link_id)
        if entry is None or each.modifierExtension:
            return False
        texts, options, below = entry
        if each.text is not None and texts is not None and each.text not in texts:
            return False
        if options is None:
            if below is None or link_id in groups or not _read_group(each, below, given, declined, finished):
                return False
            groups.add(link_id)
        elif link_id in given or link_id in declined:
            return False
        else:
            found = _read_question(each, options)
            if found is None:
                return False
            if found:
                given[link_id] = found
            else:
                declined.add(link_id)
    return not finished or given.keys() >= level.required


def _read_question(each: ResponseItem, options: Options) -> tuple[Given] | tuple[()] | None:
    """Give the one answer, nothing if it was declined, None if it must be looked at."""
    if each.item:
        return None
    if len(each.answer) != 1:
        return () if not each.answer and _is_declined(each.extension) else None
    (answer,) = each.answer
    coding = answer.valueCoding
    if coding is None or answer.extension or answer.item or answer.modifierExtension:
        return None
    system, found = options.get(coding.code, _NONE)
    if (
        found is None
        or system != coding.system
        or (coding.extension and not _same_weight(coding.extension, found[0].weight))
    ):
        return None
    return found


def _read_group(
    each: ResponseItem,
    below: _Level,
    given: dict[str, tuple[Given]],
    declined: set[str],
    finished: bool,  # noqa: FBT001 -- passed on
) -> bool:
    return not each.answer and _read_level(each.item, below, given, declined, finished=finished)


def _is_declined(extensions: tuple[Extension, ...]) -> bool:
    return (
        len(extensions) == 1
        and extensions[0].url == DATA_ABSENT_REASON
        and extensions[0].valueCode == DECLINED
    )


def _same_weight(stated: tuple[Extension, ...], weight: Decimal | None) -> bool:
    for each in stated:  # noqa: SIM110 -- a generator would cost as much as the rest of the check
        if each.url not in _WEIGHTS or each.valueDecimal != weight:
            return False
    return True


def _table(instrument: Instrument) -> _Table | None:
    held = _tables.get(id(instrument))
    if held is None:
        if len(_tables) >= _KEPT:
            _tables.clear()
        held = _tables[id(instrument)] = (instrument, _make_table(instrument))
    return held[1]


def _make_table(instrument: Instrument) -> _Table | None:
    items = walk(instrument.items)
    if any(item.conditions for item in items):
        return None
    order = tuple(item.link_id for item in items if _is_plain(item))
    return _Table(instrument.canonical, _make_level(instrument, instrument.items), order)


def _make_level(instrument: Instrument, items: tuple[Item, ...]) -> _Level:
    entries: dict[str, _Entry] = {}
    for item in items:
        wordings = (wording.items.get(item.link_id) for wording in instrument.wordings.values())
        texts = frozenset(text for text in wordings if text is not None) or None
        if _is_plain(item):
            entries[item.link_id] = _Entry(texts, _make_options(item), None)
        elif item.type == "group" and not item.repeats and not item.required:
            entries[item.link_id] = _Entry(texts, None, _make_level(instrument, item.items))
    # What must be answered and is not usual makes the response unusual: its name is never among those seen.
    required = frozenset(
        item.link_id
        for item in items
        if item.required and item.type != "display" and not item.read_only and not item.conditional_expression
    )
    return _Level(entries, required)


def _is_plain(item: Item) -> bool:
    codes = {option.code for option in item.options}
    return (
        item.type == "choice"
        and not item.read_only
        and not item.items
        and bool(codes)
        and len(codes) == len(item.options_by)
        and all(option.kind == "Coding" for option in item.options)
    )


def _make_options(item: Item) -> Options:
    return {
        option.code: (option.system, (Given(option.code, option.weight, None, option.system),))
        for option in item.options_by.values()
    }
