"""Reads the usual response at once: one option of a choice for each question, or declined, and nothing out of place.

Everything else is checked at length.

What is taken here is what the full check takes, with the same answers; tests hold the two against each other.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from plugin.responses.answers import DATA_ABSENT_REASON, DECLINED, Answers, Given
from plugin.responses.resource import Head
from questionnaires import Instrument, Item, walk
from questionnaires.datatypes import decoder
from questionnaires.resources import WEIGHTS
from questionnaires.strict import is_clean, read_clean

_WEIGHTS = tuple(WEIGHTS)
_NONE = (None, None)
_FINISHED = ("completed", "amended")
_WITHOUT_TEXT = 2  # properties of an item: linkId, and answer, item or extension
_DECLINED = [{"url": DATA_ABSENT_REASON, "valueCode": DECLINED}]
_KEPT = 256  # tables; a site has a few dozen forms
_MARKS = (b',"item":[', b', "item": [')  # as nearly all who write JSON write it
_MOST = 1_024  # judged items of a form; it has a few dozen answers that can be chosen
_LONGEST = 1_000  # bytes of an item that is kept
_decoder = decoder(Head)
_raw_items = msgspec.json.Decoder(tuple[msgspec.Raw, ...])

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


# What an item amounts to: its answer, nothing if it was declined, None if it is a group.
_Mark = tuple[str, tuple[Given] | tuple[()] | None]


class _Judged(NamedTuple):
    """What an item and those inside it amount to, and whether those inside that must be answered are."""

    marks: tuple[_Mark, ...]
    complete: bool


class _Table(NamedTuple):
    canonical: str
    level: _Level
    order: tuple[str, ...]
    judged: dict[bytes, _Judged]


# By the instrument's identity; the instrument is held, so that its identity is not given to another.
_tables: dict[int, tuple[Instrument, _Table | None]] = {}


class Parts(NamedTuple):
    """A response taken apart: what it says of itself, read strictly, and its items as they came."""

    head: Head
    items: list[bytes]


def part(data: bytes) -> Parts | None:
    """Take a response apart; None if its items are not its last member, or it has none, or the rest of it is not sound.

    A JSON object is sound if it is sound without a member and that member is: so each can be read on its own.
    """
    for mark in _MARKS:
        head, found, tail = data.partition(mark)
        if found and tail.endswith(b"]}"):
            return _read_parts(head + b"}", b"[" + tail[:-1])
    return None


def _read_parts(head: bytes, items: bytes) -> Parts | None:
    try:
        parts = Parts(_decoder.decode(head), [bytes(raw) for raw in _raw_items.decode(items)])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return parts if parts.items and is_clean(head) else None


def read_usual(parts: Parts, instrument: Instrument, patient: str | None) -> Answers | None:
    """Give the answers of a response that is as nearly all are; None if it must be read and checked at length.

    An item that was judged before, byte for byte the same, is not judged again.
    """
    head, table = parts.head, _table(instrument)
    if (
        table is None
        or head.questionnaire != table.canonical
        or head.status == "entered-in-error"
        or head.modifierExtension
        or (patient is not None and head.subject_reference != patient)
    ):
        return None
    given: dict[str, tuple[Given]] = {}
    others: dict[str, bool] = {}  # whether it was declined; else it is a group
    complete = True
    for raw in parts.items:
        judged = table.judged.get(raw) or _judge_raw(raw, table)
        if judged is None:
            return None
        complete &= judged.complete
        for link_id, found in judged.marks:
            if link_id in given or link_id in others:
                return None
            if found:
                given[link_id] = found
            else:
                others[link_id] = found is not None
    finished = head.status in _FINISHED
    if finished and not (complete and given.keys() >= table.level.required):
        return None
    if len(given) == len(table.order):
        return Answers({link_id: given[link_id] for link_id in table.order})
    declined = frozenset(link_id for link_id, is_declined in others.items() if is_declined)
    return Answers({link_id: given[link_id] for link_id in table.order if link_id in given}, declined)


def _judge_raw(raw: bytes, table: _Table) -> _Judged | None:
    judged = _judge(read_clean(raw), table.level)
    if judged is not None and len(raw) <= _LONGEST:
        if len(table.judged) >= _MOST:
            table.judged.clear()
        table.judged[raw] = judged
    return judged


def _judge(each: object, level: _Level) -> _Judged | None:
    """Judge an item and what stands in it; None if it must be looked at."""
    if type(each) is not dict:
        return None
    entry = _find_entry(each, level.entries)
    if entry is None:
        return None
    link_id: str = each["linkId"]
    if entry.options is not None:
        found = _read_question(each, entry.options)
        return None if found is None else _Judged(((link_id, found),), complete=True)
    inside = each.get("item")
    if entry.level is None or type(inside) is not list:
        return None
    marks: list[_Mark] = [(link_id, None)]
    complete = True
    for one in inside:
        judged = _judge(one, entry.level)
        if judged is None:
            return None
        marks += judged.marks
        complete &= judged.complete
    answered = {name for name, found in marks if found}
    return _Judged(tuple(marks), complete=complete and answered >= entry.level.required)


def _find_entry(each: Mapping[str, object], entries: Mapping[str, _Entry]) -> _Entry | None:
    """Find what an item may be: one that says its linkId, perhaps its text, and one thing more."""
    link_id = each.get("linkId")
    entry = entries.get(link_id) if type(link_id) is str else None
    if entry is None:
        return None
    text = each.get("text")
    if text is None:
        return entry if len(each) == _WITHOUT_TEXT else None
    known = text in entry.texts if entry.texts is not None and type(text) is str else _is_text(text)
    return entry if known and len(each) == _WITHOUT_TEXT + 1 else None


def _read_question(each: Mapping[str, object], options: Options) -> tuple[Given] | tuple[()] | None:
    """Give the one answer, nothing if it was declined, None if it must be looked at."""
    answers = each.get("answer")
    if answers is None:
        return () if each.get("extension") == _DECLINED else None
    if type(answers) is not list or len(answers) != 1 or type(answers[0]) is not dict:
        return None
    (answer,) = answers
    return _find_option(answer.get("valueCoding"), options) if len(answer) == 1 else None


def _find_option(coding: object, options: Options) -> tuple[Given] | None:
    """Find the answer of a coding that has the option's code and system, and repeats display and weights if anything."""
    if type(coding) is not dict:
        return None
    code, system = coding.get("code"), coding.get("system")
    known, found = options.get(code, _NONE) if type(code) is str else _NONE
    if found is None or system != known:
        return None
    parts = 1 if system is None else 2
    if (display := coding.get("display")) is not None:
        parts += _is_text(display)
    if (weights := coding.get("extension")) is not None:
        parts += _same_weight(weights, found[0].weight)
    return found if len(coding) == parts else None


def _is_text(value: object) -> bool:
    return type(value) is str and value != "" and not value.isspace()


def _same_weight(stated: object, weight: Decimal | None) -> bool:
    """Whether extensions repeat the weight as a whole number; others came with digits that are lost here."""
    if type(stated) is not list:
        return False
    for each in stated:
        if (
            type(each) is not dict
            or len(each) != len(("url", "valueDecimal"))
            or each.get("url") not in _WEIGHTS
        ):
            return False
        number = each.get("valueDecimal")
        if type(number) is not int or number != weight:
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
    return _Table(instrument.canonical, _make_level(instrument, instrument.items), order, {})


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
        and all(each.type == "display" for each in item.items)
        and bool(codes)
        and len(codes) == len({(option.system, option.code) for option in item.options})
        and all(option.kind == "Coding" for option in item.options)
    )


def _make_options(item: Item) -> Options:
    return {
        option.code: (option.system, (Given(option.code, option.weight, None, option.system),))
        for option in item.options_by.values()
    }
