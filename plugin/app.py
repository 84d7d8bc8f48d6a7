"""create_app(): the only place where the parts are wired together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import httpx
import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from plugin import __version__, request_id
from plugin.audit import Trail
from plugin.audit.log import TransparencyLog
from plugin.audit.trail import Clock, utc_now
from plugin.auditing.verifying import LedgerVerification
from plugin.cds.caller import CdsCallers
from plugin.collecting import Collector, book
from plugin.configuration import describe, note_configuration
from plugin.delivery import outbox
from plugin.delivery.courier import NoteCourier
from plugin.delivery.returning import TokenReturn
from plugin.delivery.send import EhrSender, Manner
from plugin.delivery.worker import GRACE, DeliveryWorker, Destination
from plugin.fetching import fetch_missing
from plugin.flow import Intake
from plugin.housekeeping import Housekeeping
from plugin.ledger import Ledger, Vault
from plugin.ledger.reading import ReadingLedger
from plugin.metrics import Metrics
from plugin.named_forms import check_names
from plugin.operating.readiness import can_write, is_current, told_by
from plugin.operating_port import Listen, OperatorsPort
from plugin.outward import open_client
from plugin.plan import problems_of
from plugin.retention import RetentionRun
from plugin.routes import (
    administering,
    auditing,
    carried,
    caseload,
    cds,
    collected,
    desk,
    errata,
    fhir,
    fill,
    hand_over,
    home,
    inspecting,
    kept,
    lock,
    look,
    norms,
    notes,
    offering,
    operating,
    parting,
    patient,
    remote,
    research,
    reviewing,
    scoring,
    smart,
)
from plugin.routes.carried import CarriedHeader
from plugin.routes.errors import install_error_answers
from plugin.routes.guard import SecurityHeaders, SizeLimit
from plugin.routes.observing import Observed
from plugin.routes.state import Rapport
from plugin.scheduling import Schedules
from plugin.settings import Settings
from plugin.stock import Stock, describe_left_out, open_stock_of
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Verifier
from smart_launch import SmartDirectory

_log = structlog.get_logger()

PARTS = (
    home,
    operating,
    smart,
    carried,
    look,
    patient,
    norms,
    notes,
    offering,
    hand_over,
    lock,
    fill,
    fhir,
    kept,
    scoring,
    remote,
    desk,
    research,
    administering,
    caseload,
    auditing,
    inspecting,
    reviewing,
    cds,
    collected,
    errata,
    parting,
)
"""The modules of routes that are served."""


def create_app(
    settings: Settings,
    *,
    http: httpx.AsyncClient | None = None,
    clock: Clock = utc_now,
    for_operators: Listen | None = None,
    stock: Stock | None = None,
) -> FastAPI:
    """Build the application. `http` reaches the EHRs (tests give one that stays in the process).

    `stock` is what `open_stock` gave, where that was asked before; else it is when the application starts.

    `for_operators` is a second address to listen on, with health and metrics only.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = http or open_client(settings)
        opened = stock or await open_stock(settings, client)
        rapport = wire(settings, client, clock, opened, metrics)
        if settings.database.startswith("sqlite"):
            # The only worker of this ledger: what an earlier process left leased is due at once.
            await rapport.ledger.bookkeep(lambda connection: outbox.release_leases(connection, clock()))
            await rapport.ledger.bookkeep(lambda connection: book.release_leases(connection, clock()))

        async def note() -> None:
            sections = {**describe(settings, opened.catalogue), **rapport.schedules.sections()}
            await note_configuration(rapport.ledger, rapport.trail, clock, sections)

        await rapport.schedules.open(note)
        await note()
        app.state.housekeeping = Housekeeping(rapport.ledger, rapport.trail, clock, rapport.returning)
        kept = {site: policy.retention for site, policy in settings.policies.items()}
        app.state.retention = RetentionRun(rapport.ledger, rapport.trail, clock, kept, metrics)
        log = TransparencyLog(
            settings.log_folder, LogSigner(settings.log_name, settings.log_key), rapport.ledger
        )
        app.state.log = log
        rapport = replace(rapport, parts={**rapport.parts, "log": told_by(lambda: log.keeps_up)})
        app.state.rapport = rapport
        port = OperatorsPort(rapport, for_operators) if for_operators else None
        if port:
            port.open()
        worker = asyncio.create_task(rapport.worker.run())
        collecting = asyncio.create_task(rapport.collector.run())
        logging = asyncio.create_task(log.run())
        delivering_notes = asyncio.create_task(rapport.courier.run())
        keeping_house = asyncio.create_task(app.state.housekeeping.run())
        retaining = asyncio.create_task(app.state.retention.run())
        scheduling = asyncio.create_task(rapport.schedules.run())
        try:
            yield
        finally:
            await rapport.verification.stop()
            logging.cancel()
            delivering_notes.cancel()
            keeping_house.cancel()
            retaining.cancel()
            scheduling.cancel()
            await asyncio.wait({logging, delivering_notes, keeping_house, retaining, scheduling})
            rapport.worker.stop()
            await stop_collecting(rapport.collector, collecting)
            await asyncio.wait({worker})
            await rapport.sender.close()
            if port:
                await port.close()
            if http is None:
                await client.aclose()
            rapport.close()

    app = FastAPI(
        title="Rapport",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # its redirects are made of the Host that a request names
        middleware=[
            Middleware(Observed, metrics=metrics),
            Middleware(SecurityHeaders, settings=settings),
            Middleware(SizeLimit),
            Middleware(CarriedHeader),
        ],
    )
    for part in PARTS:
        # As they are: include_router() would have each application find out anew what each route depends on.
        app.router.routes.extend(part.router.routes)
    # Compressed: what is public only. Pages hold secrets beside what others can put into them (BREACH).
    static = StaticFiles(directory=Path(str(files("plugin") / "static")))
    app.mount("/static", GZipMiddleware(static), name="static")
    app.mount("/log", StaticFiles(directory=settings.log_folder, check_dir=False), name="log")
    install_error_answers(app)
    return app


async def stop_collecting(collector: Collector, task: asyncio.Task[None]) -> None:
    """Let a look that is under way end if that is quick; what it did not come to is found by the next one."""
    collector.stop()
    await asyncio.wait({task}, timeout=GRACE.total_seconds())
    task.cancel()
    await asyncio.wait({task})


async def open_stock(settings: Settings, http: httpx.AsyncClient) -> Stock:
    """Load the instruments, after fetching what is pinned and not here yet; say what has to be left out.

    SettingsInvalid if the settings name a form or a score that is not here.
    """
    stock = open_stock_of(settings, await fetch_missing(settings.own_forms, http))
    for line in describe_left_out(stock.left_out):
        _log.warning("instrument left out", reason=line)
    check_names(settings, stock.catalogue, stock.left_out)
    for site, policy in settings.policies.items():
        for problem in problems_of(policy.schedule, stock.catalogue):  # one in the EHR is not read yet
            _log.warning("schedule not understood", site=site, reason=problem)
    return stock


def wire(
    settings: Settings, http: httpx.AsyncClient, clock: Clock, stock: Stock, metrics: Metrics | None = None
) -> Rapport:
    """Put the parts of an installation together; the ledger is open and nothing runs yet."""
    metrics = metrics or Metrics()
    request_id.pass_on_from(http)
    catalogue = stock.catalogue
    vault = Vault(settings.vault_keys)
    ledger = Ledger(settings.database, vault)
    reading = _open_for_reading(settings, vault, ledger)
    trail = Trail(settings.base_url, clock)
    directory = SmartDirectory(clock=clock)
    organizations = {site: policy.organization for site, policy in settings.policies.items()}
    zones = {site: policy.zone for site, policy in settings.policies.items()}
    manner = Manner(settings.writing, organizations, catalogue, zones)
    sender = EhrSender(settings.sites, directory, ledger, http, clock, manner)
    destinations = {
        site: Destination(
            settings.sites[site].fhir_base, ", ".join(manner.of(site).kinds), manner.of(site).pace
        )
        for site in settings.sites
    }
    worker = DeliveryWorker(ledger, trail, sender, clock, destinations, metrics)
    intake = Intake(catalogue, stock.keys, ledger, trail, clock, metrics)
    searched = {site: each.collecting for site, each in settings.policies.items() if each.collecting}
    collector = Collector(intake, sender, searched, organizations, settings.base_url, metrics)
    return Rapport(
        settings=settings,
        ledger=ledger,
        trail=trail,
        intake=intake,
        directory=directory,
        http=http,
        sender=sender,
        worker=worker,
        returning=TokenReturn(settings.sites, directory, ledger, http, clock),
        courier=NoteCourier(ledger, trail, sender.note, clock, destinations),
        collector=collector,
        schedules=Schedules(settings, sender, ledger, clock),
        clock=clock,
        reading=reading,
        verification=LedgerVerification(
            reading, ledger, trail, lambda: _verifier(settings, stock, vault, clock)
        ),
        left_out=stock.left_out,
        metrics=metrics,
        cds={
            site: CdsCallers(settings.sites[site], policy.cds)
            for site, policy in settings.policies.items()
            if policy.cds is not None and site in settings.sites
        },
        parts={
            "database": can_write(ledger, clock),
            "schema": is_current(ledger),
            "instruments": told_by(lambda: bool(catalogue.all())),
            "worker": told_by(lambda: worker.lives),
            **({"collector": told_by(lambda: collector.lives)} if searched else {}),
        },
    )


def _open_for_reading(settings: Settings, vault: Vault, ledger: Ledger) -> ReadingLedger:
    """Open the auditors' way into the ledger; SettingsInvalid if its role may write."""
    url = settings.audit_database
    try:
        return ReadingLedger(url or settings.database, vault, has_own_role=url is not None)
    except BaseException:
        ledger.close()
        raise


def _verifier(settings: Settings, stock: Stock, vault: Vault, clock: Clock) -> Verifier:
    key = LogSigner(settings.log_name, settings.log_key).verifier
    return Verifier(stock.catalogue, stock.keys, vault, Tiles(settings.log_folder), key, clock=clock)
