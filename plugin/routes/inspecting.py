"""The auditor's pages about the whole: the state of the transparency log, its verification, and the export of a period."""

import asyncio
import base64
import shutil
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection
from starlette.background import BackgroundTask

from plugin.access.desks import Desk
from plugin.audit import Kind
from plugin.audit.leaves import count_pending
from plugin.auditing.verifying import Run, read_last_runs
from plugin.errors import Forbidden, Invalid, stated_reason
from plugin.exports import Exporter, Period
from plugin.ledger import tables as t
from plugin.pages.auditing import ExportsPage, LogPage, render_exports, render_log
from plugin.pages.staff import PeriodForm
from plugin.pages.words import N_
from plugin.researching import list_exports
from plugin.routes.auditing import prover_of
from plugin.routes.desk import AskedPeriod, AuditorsDesk, Csrf, frame
from plugin.routes.reviewing import DAYS, quarter_of
from plugin.routes.state import CurrentRapport, Rapport, actor_of, check_csrf, check_origin
from plugin.transparency import CheckpointInvalid, LogSigner, Tiles
from plugin.unfinished import why_unfinished
from plugin.verify import Progress

router = APIRouter(prefix="/desks/{desk}", dependencies=[Depends(check_origin)])

MOST_EXPORTED = 20_000  # administrations; more is for the command line
_MOST_ASIDE = 100
_TOLD = {
    "begun": N_("Verification has begun. Load this page again to see how far it is."),
    "under-way": N_("A verification is under way already."),
}


@router.get("/log")
async def log(
    found: AuditorsDesk, rapport: CurrentRapport, done: Annotated[str, Query(max_length=20)] = ""
) -> HTMLResponse:
    """Show the checkpoint, what waits, what was set aside, and the last verification."""
    page = await _log_page(rapport, found, _TOLD.get(done))
    await rapport.ledger.record(rapport.trail.entry(Kind.LOG_VIEWED, actor_of(found), site=found.site))
    return HTMLResponse(render_log(page))


@router.post("/log/verify")
async def verify(found: AuditorsDesk, rapport: CurrentRapport, csrf: Csrf = "") -> RedirectResponse:
    """Begin to verify the whole ledger beside the serving; one at a time."""
    check_csrf(rapport, found, csrf)
    begun = await rapport.verification.start(actor_of(found), found.site)
    done = "begun" if begun else "under-way"
    return RedirectResponse(f"/desks/{found.id}/log?done={done}", status_code=303)


@router.get("/exports")
async def exports(found: AuditorsDesk, rapport: CurrentRapport) -> HTMLResponse:
    """Offer to export a period, and list what was exported for research."""
    page = await _exports_page(rapport, found)
    await rapport.ledger.record(rapport.trail.entry(Kind.LOG_VIEWED, actor_of(found), site=found.site))
    return HTMLResponse(render_exports(page))


@router.post("/exports")
async def export_period(
    found: AuditorsDesk,
    rapport: CurrentRapport,
    typed: AskedPeriod,
    csrf: Csrf = "",
) -> Response:
    """Give what `rapport audit export` writes, of this site alone, as one archive. In the trail before it is written."""
    check_csrf(rapport, found, csrf)
    if not rapport.settings.policies[found.site].auditors_see_answers:
        raise Forbidden(
            "An export holds single answers, which this site does not let auditors see.",
            "Ask an operator for one (rapport audit export), or for auditors_see_answers in the site's settings.",
        )
    try:
        period = await _period(rapport, found, typed)
    except Invalid as invalid:
        page = await _exports_page(rapport, found, typed, str(invalid))
        return HTMLResponse(render_exports(page), status_code=422)
    said = f"Export of {period.first} to {period.last} (UTC): {typed.why}"
    entry = rapport.trail.entry(Kind.EXPORTED, actor_of(found), site=found.site, reason=said)
    await rapport.ledger.record(entry)
    folder = Path(tempfile.mkdtemp(prefix="rapport-export-"))
    name = f"rapport-{found.site}-{period.first}-{period.last}"
    try:
        archive = await _write(rapport, found, period, folder, name, entry.event)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        failure = f"It was not finished ({why_unfinished(error)}); nothing was kept"
        await rapport.ledger.record(
            rapport.trail.entry(Kind.EXPORTED, actor_of(found), site=found.site, reason=said, failure=failure)
        )
        raise
    return FileResponse(
        archive,
        media_type="application/zip",
        filename=f"{name}.zip",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


async def _exports_page(
    rapport: Rapport, found: Desk, typed: PeriodForm | None = None, problem: str | None = None
) -> ExportsPage:
    first, last = quarter_of(rapport.today(found.site))
    prover, vault = prover_of(rapport), rapport.reading.vault
    research = await rapport.reading.read(lambda c: list_exports(c, vault, prover, found.site))
    return ExportsPage(
        desk=frame(rapport, found, "exports"),
        typed=typed or PeriodForm(first.isoformat(), last.isoformat()),
        most=MOST_EXPORTED,
        key=prover.verifier_key,
        is_allowed=rapport.settings.policies[found.site].auditors_see_answers,
        research=research,
        problem=problem,
    )


async def _period(rapport: Rapport, found: Desk, typed: PeriodForm) -> Period:
    """Read what is to be exported; Invalid without a reason, or if a page does not give as much."""
    period = Period.parse(typed.first, typed.last, names=DAYS)
    stated_reason(typed.why, "Say in a few words whom or what it is for.")
    many = await rapport.reading.read(lambda c: _count(c, found.site, period))
    if many > MOST_EXPORTED:
        raise Invalid(
            f"{many} administrations were received in this period; a page gives {MOST_EXPORTED} at most.",
            "Choose a shorter period, or have an operator run rapport audit export.",
        )
    return period


def _count(connection: Connection, site: str, period: Period) -> int:
    query = sa.select(sa.func.count()).where(
        t.response.c.site == site,
        t.response.c.received >= period.begin,
        t.response.c.received < period.end,
    )
    return int(connection.execute(query).scalar_one())


async def _write(rapport: Rapport, found: Desk, period: Period, folder: Path, name: str, event: str) -> Path:
    settings, intake = rapport.settings, rapport.intake
    exporter = Exporter(
        intake.catalogue,
        intake.keys,
        rapport.reading.vault,
        Tiles(settings.log_folder),
        LogSigner(settings.log_name, settings.log_key),
        settings.own_forms.manner.base,
        site=found.site,
        for_auditors=True,
    )
    made = rapport.clock()

    def write(connection: Connection) -> Path:
        part = folder / name
        part.mkdir(mode=0o700)
        exporter.write(connection, period, part, audit_entry=event, made=made, progress=Progress())
        archive = folder / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for each in sorted(path for path in part.rglob("*") if path.is_file()):
                packed.write(each, f"{name}/{each.relative_to(part).as_posix()}")
        return archive

    return await rapport.reading.read(write)


async def _log_page(rapport: Rapport, found: Desk, told: str | None) -> LogPage:
    prover, vault = prover_of(rapport), rapport.reading.vault
    size, root, problem = None, "", None
    try:
        signed = await asyncio.to_thread(prover.signed)
        if signed is not None:
            size, root = signed.size, base64.b64encode(signed.root).decode()
    except CheckpointInvalid as invalid:
        problem = str(invalid)

    def look(connection: Connection) -> tuple[int, tuple[tuple[str, str, str], ...], tuple[Run, ...]]:
        queue = count_pending(connection)
        aside = connection.execute(
            sa.select(t.log_pending)
            .where(t.log_pending.c.problem.is_not(None))
            .order_by(t.log_pending.c.row, t.log_pending.c.kind)
            .limit(_MOST_ASIDE)
        )
        rows = tuple((row.kind, row.row, row.problem) for row in aside)
        return queue.waiting, rows, read_last_runs(connection, vault, found.site)

    under_way = rapport.verification.under_way
    waiting, aside, runs = await rapport.reading.read(look)
    return LogPage(
        desk=frame(rapport, found, "log"),
        size=size,
        root=root,
        key=prover.verifier_key,
        problem=problem,
        written=await asyncio.to_thread(_written, rapport.settings.log_folder),
        waiting=waiting,
        set_aside=aside,
        runs=runs,
        under_way=under_way,
        reads_by=_reads_by(rapport),
        told=told if under_way is not None else None,  # afterwards the outcome stands there
    )


def _written(folder: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp((folder / "checkpoint").stat().st_mtime, UTC)
    except OSError:
        return None


def _reads_by(rapport: Rapport) -> str:
    """Say by which way auditors' pages read."""
    reading = rapport.reading
    if reading.is_file:
        return N_("an SQLite file that is opened read-only")
    if reading.has_own_role:
        return N_("a PostgreSQL role of its own that may only read")
    return N_("read-only transactions of the ordinary PostgreSQL role (server.audit_database is not set)")
