"""The CSV sheets of an export: the same rows for a spreadsheet. Cells that it would run as a formula are disarmed.

https://owasp.org/www-community/attacks/CSV_Injection. The NDJSON files hold every value as it is; a sheet is for looking.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence

import msgspec

from plugin.exports.rows import Line

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
# At the beginning, and behind what another spreadsheet takes for the end of a cell; full-width signs count too.
_RUNS = re.compile(r"(^|[;\t\r\n|])(\s*)([=+\-@＝＋－＠])")

SHEETS: Mapping[str, tuple[str, ...]] = {
    "administrations": (
        "id",
        "site",
        "patient",
        "encounter",
        "rater",
        "source",
        "instrument",
        "language",
        "authored",
        "received",
        "launch",
        "invitation",
        "identifier",
        "body_digest",
        "key_hash",
        "software",
        "place",
    ),
    "revisions": (
        "id",
        "response",
        "number",
        "kind",
        "made",
        "made_by",
        "why",
        "body_digest",
        "key_hash",
        "software",
        "place",
    ),
    "rescorings": (
        "id",
        "response",
        "version",
        "instrument",
        "key_hash",
        "computed",
        "computed_by",
        "why",
        "software",
        "place",
    ),
    "scores": (
        "response",
        "version",
        "rescoring",
        "site",
        "patient",
        "rater",
        "authored",
        "instrument",
        "score",
        "status",
        "system",
        "code",
        "value",
        "unit",
        "absent",
    ),
    "deliveries": (
        "response",
        "revision",
        "site",
        "state",
        "attempts",
        "due",
        "delivered",
        "detail",
        "locations",
    ),
    "attempts": (
        "id",
        "response",
        "number",
        "writer",
        "started",
        "finished",
        "state",
        "status",
        "answer",
        "revision",
        "detail",
        "place",
    ),
    "audit": ("id", "event", "recorded", "kind", "outcome", "site", "patient", "who", "digest", "place"),
}

LOGGED_AS: Mapping[str, str] = {
    "administrations": "response",
    "revisions": "revision",
    "rescorings": "rescoring",
    "attempts": "attempt",
    "audit": "audit",
}
"""The sheets whose rows the log holds, and what it calls them."""


def header(sheet: str) -> bytes:
    """Give a sheet's first row."""
    return _row(SHEETS[sheet])


def row(sheet: str, line: Line) -> bytes:
    """Give a line of NDJSON as a row of its sheet."""
    return _row([_cell(_value(line, name)) for name in SHEETS[sheet]])


def row_of_before(sheet: str, line: Line) -> bytes:
    """Give a row as exports of before have it: whoever acted with a token is named twice."""
    cells = [_value(line, name) for name in SHEETS[sheet]]
    return _row(
        [
            _cell(_who(line, once=False) if name == "who" else cell)
            for name, cell in zip(SHEETS[sheet], cells, strict=True)
        ]
    )


def disarm(text: str) -> str:
    """Keep a spreadsheet from running a text: an apostrophe before each sign that begins a formula. Numbers stay."""
    return text if _NUMBER.fullmatch(text) else _RUNS.sub(r"\1\2'\3", text)


def _value(line: Line, name: str) -> object:
    if name == "place":
        log = line.get("log")
        return log.get("place") if isinstance(log, dict) else None
    return _who(line) if name == "who" else line.get(name)


def _who(line: Line, *, once: bool = True) -> str:
    try:
        agents = msgspec.json.decode(str(line.get("resource"))).get("agent", [])
        asked = [each["who"] for each in agents if each.get("requestor")]
        named = [str(each.get("reference") or each.get("display", "")) for each in asked]
        return " ".join(dict.fromkeys(named) if once else named)
    except (msgspec.MsgspecError, AttributeError, TypeError, KeyError, RecursionError):
        return ""


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return disarm(" ".join(str(each) for each in value))
    return disarm(str(value))


def _row(cells: Sequence[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return written.getvalue().encode("utf-8", "surrogatepass")
