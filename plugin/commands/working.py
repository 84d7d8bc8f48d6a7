"""A process that only delivers: the same worker that serves inside `rapport serve`."""

import asyncio
import signal

import structlog

from plugin.app import open_stock, stop_collecting, wire
from plugin.audit.trail import utc_now
from plugin.errors import SettingsInvalid
from plugin.operating_port import Listen, OperatorsPort
from plugin.outward import open_client
from plugin.settings import Settings

log = structlog.get_logger()


def check_can_deliver(settings: Settings) -> None:
    """Refuse, SettingsInvalid, SQLite: there the serving process delivers and is the only one."""
    if settings.database.startswith("sqlite"):
        raise SettingsInvalid(
            "The database is SQLite, which has one process: `rapport serve` delivers itself.",
            "For processes that only deliver set server.database to a PostgreSQL (postgresql+psycopg://…).",
        )


async def deliver(settings: Settings, for_operators: Listen | None = None) -> None:
    """Deliver until SIGTERM or SIGINT; what is in flight then has a few seconds to end."""
    async with open_client(settings) as http:
        rapport = wire(settings, http, utc_now, await open_stock(settings, http))
        port = OperatorsPort(rapport, for_operators) if for_operators else None
        try:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, rapport.worker.stop)
            collecting = asyncio.create_task(rapport.collector.run())
            if port:
                port.open()
            log.info("worker.started")
            notes = asyncio.create_task(rapport.courier.run())
            await rapport.worker.run()
            notes.cancel()
            await asyncio.wait({notes})
            await stop_collecting(rapport.collector, collecting)
            log.info("worker.stopped")
        finally:
            if port:
                await port.close()
            rapport.close()
