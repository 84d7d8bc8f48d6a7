"""Finds earlier research exports with the same salt in the trail: two of them, laid side by side, tell more than each alone.

The trail holds a fingerprint keyed by the salt, from which nobody gets to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit import Kind
from plugin.audit.told import Told
from plugin.exports import Period
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.research import tells_shift
from plugin.research_settings import Research
from plugin.researching.made import read_made

EXPORT, FIRST, LAST, KEPT = "export", "first-day", "last-day", "kept-longest"
FIRST_FORM, LAST_FORM = "first-form", "last-form"  # the days of the forms in it, as they were
DESPITE = "made-despite"
_SALT, _SHIFT = "salt-fingerprint", "shift-days"
_MOST_LOOKED_FOR = 2000  # the latest; an export has two


@dataclass(frozen=True, slots=True)
class Earlier:
    """An export that was made before: when, of which days, shifted by up to how many, and whether it tells how far."""

    made: datetime
    first: date
    last: date
    shift_days: int
    tells_shift: bool = False


def details_of(
    export: str, research: Research, period: Period, keep: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Give what an export's entries tell, so that a later one can be held against it; `export` joins them."""
    return (
        (EXPORT, export),
        (FIRST, period.first.isoformat()),
        (LAST, period.last.isoformat()),
        (_SALT, research.fingerprint()),
        (_SHIFT, str(research.shift_days)),
        *([(KEPT, keep)] if keep else []),
    )


def entries_of(site: str, most: int) -> sa.Select[Any]:
    """Ask for the latest entries of a site's exports, but for those of single patients; the newest first."""
    known = t.audit.c
    return (
        sa.select(known.event, known.recorded, known.outcome, known.sealed_resource)
        .where(known.kind == str(Kind.RESEARCH_EXPORTED), known.site == site, known.patient.is_(None))
        .order_by(known.id.desc())
        .limit(most)
    )


def comparable(
    connection: Connection, vault: Vault, site: str, research: Research, period: Period
) -> tuple[Earlier, ...]:
    """Give the site's exports with this salt that tell of one of a period, the latest first; not those that failed.

    These are the ones whose days overlap with it, and those of so few days that they tell how far a person's days are
    shifted, in every export. Of several of the same days, shifted alike, the latest stands for all.
    """
    rows = connection.execute(entries_of(site, _MOST_LOOKED_FOR)).all()
    told = [(row, _details(vault, row.event, row.sealed_resource)) for row in rows]
    failed = {details.get(EXPORT) for row, details in told if row.outcome != "0"}
    ends = {details.get(EXPORT): details for _, details in told if read_made(details)}
    fingerprint = research.fingerprint()
    found = (
        _earlier(row.recorded, details, ends.get(details.get(EXPORT), {}))
        for row, details in told
        if details.get(_SALT) == fingerprint and details.get(EXPORT) not in failed
    )
    alike: dict[tuple[date, date, int, bool], Earlier] = {}
    for each in found:
        if each.tells_shift or (each.first <= period.last and period.first <= each.last):
            alike.setdefault((each.first, each.last, each.shift_days, each.tells_shift), each)
    return tuple(alike.values())


def _earlier(made: datetime, begun: Mapping[str, str], end: Mapping[str, str]) -> Earlier:
    """Read one from what its entries tell; where its end does not name the days of its forms, they may lie anywhere in it."""
    first, last, shift = begun[FIRST], begun[LAST], int(begun[_SHIFT])
    first_form, last_form = (
        date.fromisoformat(end.get(name, day)) for name, day in ((FIRST_FORM, first), (LAST_FORM, last))
    )
    is_empty = (ended := read_made(end)) is not None and ended.rows == "0"
    tells = not is_empty and tells_shift(first_form, last_form, shift)
    return Earlier(made, date.fromisoformat(first), date.fromisoformat(last), shift, tells)


_decoder = msgspec.json.Decoder(Told)


def _details(vault: Vault, event: str, sealed: bytes) -> dict[str, str]:
    """Read the details of an entry; none where its row was altered, which is for the verification to tell."""
    try:
        return dict(_decoder.decode(vault.open("audit", event, sealed)).details)
    except SealBroken:
        return {}
