"""Accounts for a research export in the trail: before anything is read, for each patient in it, and how it ended."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from plugin.audit import Actor, Kind, Trail
from plugin.errors import Invalid
from plugin.exports import Period
from plugin.ledger import Ledger
from plugin.research.deidentify import QUASI_IDENTIFIERS
from plugin.research_settings import Research
from plugin.researching.asking_first import AskFirst, Doubt, doubt_of, few_days
from plugin.researching.earlier import DESPITE, EXPORT, FIRST_FORM, LAST_FORM, details_of
from plugin.researching.gathering import Gathered, Gatherer
from plugin.researching.made import DIGEST, count_made, made_details
from plugin.researching.writing import TABLE
from plugin.unfinished import why_unfinished

Details = tuple[tuple[str, str], ...]

_LEAST = 3  # characters of a purpose, as the field on the page asks for


def check_purpose(why: str) -> None:
    """Invalid without a purpose, or with one that is too short to be one."""
    if len(why.strip()) < _LEAST:
        found = f"The purpose has fewer than {_LEAST} characters." if why.strip() else "There is no purpose."
        raise Invalid(found, "Say in a few words for which study the export is made.")


def check_kept(keep: str | None) -> None:
    """Invalid for what is no column that may be kept longest."""
    if keep is not None and keep not in QUASI_IDENTIFIERS:
        raise Invalid(f"{keep} cannot be kept longest.", f"Name one of {', '.join(QUASI_IDENTIFIERS)}.")


async def export_accounted(
    gatherer: Gatherer,
    period: Period,
    ledger: Ledger,
    trail: Trail,
    actor: Actor,
    why: str,
    write: Callable[[Gathered], tuple[Path, ...]],
    tell: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    despite: bool,
) -> tuple[Gathered, tuple[Path, ...]]:
    """Gather a period and write it, with its entries in the trail; Invalid without a purpose. Gives the files, too.

    AskFirst where it gives away how far days are shifted, or more beside an earlier one, and is not made `despite` that.
    """
    check_purpose(why)
    check_kept(gatherer.keep)
    research = gatherer.research
    doubt = await ledger.read(
        lambda connection: doubt_of(connection, gatherer.vault, gatherer.site, research, period)
    )
    _check(doubt, research, despite=despite)
    reason = f"{why.strip()} ({period.first} to {period.last}, {period.zone})"
    export = str(uuid.uuid4())
    asked = details_of(export, research, period, gatherer.keep)

    async def record(
        details: Details = (), *, patient: str | None = None, failure: str | None = None
    ) -> None:
        entry = trail.entry(
            Kind.RESEARCH_EXPORTED,
            actor,
            site=gatherer.site,
            patient=patient,
            reason=reason,
            failure=failure,
            details=details,
        )
        await ledger.record(entry)

    await record(asked)
    try:
        gathered = await gatherer.gather(period, tell)
        doubt = replace(doubt, few=few_days(gathered.days, research))  # of those that are given
        _check(doubt, research, despite=despite)
        for patient in gathered.included:
            await record(patient=patient)
        files = await asyncio.to_thread(write, gathered)
        made = count_made(gathered, research.smallest_cell)
        digest = await asyncio.to_thread(_digest, files)
        await record((*_end(export, gathered, doubt), *made_details(made), (DIGEST, digest)))
    except Exception as error:
        await record(asked, failure=f"It was not finished ({why_unfinished(error)}); nothing was given")
        raise
    return gathered, files


def _check(doubt: Doubt, research: Research, *, despite: bool) -> None:
    if doubt.kinds and not despite:
        raise AskFirst(doubt, research.shift_days)


def _end(export: str, gathered: Gathered, doubt: Doubt) -> Details:
    """Give what a later export is held against, and what this one was made despite."""
    first, last = gathered.days or (None, None)
    days = ((FIRST_FORM, first.isoformat()), (LAST_FORM, last.isoformat())) if first and last else ()
    return ((EXPORT, export), *days, *([(DESPITE, " ".join(doubt.kinds))] if doubt.kinds else []))


def _digest(files: tuple[Path, ...]) -> str:
    (table,) = (file for file in files if file.name == f"{TABLE}.csv")
    return hashlib.sha256(table.read_bytes()).hexdigest()
