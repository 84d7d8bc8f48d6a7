"""Filled check-ins for the tests of the norms."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plugin.responses.build import build_response
from questionnaires import Instrument, load_catalogue, walk

Run = Callable[..., tuple[int, str]]
CHILD: Instrument = load_catalogue().by_id("rapport-checkin-child")
QUESTIONS = tuple(item for item in walk(CHILD.items) if item.is_question)
BEGIN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def form_of(person: int, session: int, weights: Iterable[int], *, days: int = 7) -> bytes:
    """Build the check-in that has these keyed weights, item by item, of a child in a weekly session."""
    choices = {
        item.link_id: next(option.code for option in item.options if option.weight == weight)
        for item, weight in zip(QUESTIONS, weights, strict=True)
    }
    body = build_response(
        CHILD,
        choices,
        patient=f"Patient/{person}",
        encounter=None,
        author=None,
        source=f"Patient/{person}",
        authored=BEGIN + timedelta(days=days * (session - 1)),
        identifier=("https://site.invalid/ids", f"{person}-{session}"),
        language="en",
    )
    return json.dumps(json.loads(body)).encode()


def write_ndjson(file: Path, answers: Iterable[tuple[int, int, list[int]]], *more: bytes) -> None:
    """Write filled check-ins, and further lines, one a line."""
    lines = [*more, *(form_of(*each) for each in answers)]
    file.write_bytes(b"\n".join(lines) + b"\n")
