"""A process that only delivers: the same worker that serves inside `rapport serve`."""

import asyncio
import signal

import structlog

from plugin.app import open_client, open_stock, utc_now, wire
from plugin.errors import SettingsInvalid
from plugin.settings import Settings

log = structlog.get_logger()


async def deliver(settings: Settings) -> None:
    """Deliver until SIGTERM or SIGINT; what is in flight then has a few seconds to end.

    SettingsInvalid on SQLite, where the serving process delivers and is the only one.
    """
    if settings.database.startswith("sqlite"):
        raise SettingsInvalid(
            "The database is SQLite, which has one process: `rapport serve` delivers itself.",
            "For processes that only deliver set server.database to a PostgreSQL (postgresql+psycopg://…).",
        )
    async with open_client() as http:
        rapport = wire(settings, http, utc_now, await open_stock(settings, http))
        try:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, rapport.worker.stop)
            log.info("worker.started")
            await rapport.worker.run()
            log.info("worker.stopped")
        finally:
            rapport.ledger.close()
