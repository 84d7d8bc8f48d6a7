"""What `rapport collected` does."""

import asyncio
import getpass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from plugin.app import open_stock, wire
from plugin.audit import Actor, Kind
from plugin.audit.trail import utc_now
from plugin.collecting import Look, book
from plugin.collecting.book import Found
from plugin.errors import Conflict, Invalid
from plugin.ledger.store import open_database
from plugin.logs import configure_logs
from plugin.outward import open_client
from plugin.settings import Settings, read_settings

_out = Console()


def poll(config: Path, site: str | None, *, as_json: bool) -> None:
    """Search each site once and print what came of it; exit status 1 if one could not be searched."""
    configure_logs()
    settings = read_settings(config)
    looks = asyncio.run(_poll(settings, _searched(settings, site)))
    if as_json:
        plain = {
            name: {"way": look.way, "found": look.found, "trouble": look.trouble}
            for name, look in looks.items()
        }
        print(msgspec.json.format(msgspec.json.encode(plain)).decode())
    else:
        for name, look in looks.items():
            _out.print(f"{name}: {_told(look)}", highlight=False)
    if any(look.trouble for look in looks.values()):
        raise typer.Exit(1)


def list_all(config: Path, site: str | None, limit: int, *, everything: bool, as_json: bool) -> None:
    """Print what was set aside, or all that was found."""
    engine = open_database(read_settings(config).database)
    state = None if everything else Found.SET_ASIDE
    try:
        with engine.connect() as connection:
            listed = book.list_found(connection, site, state, limit)
    finally:
        engine.dispose()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(listed)).decode())
        return
    if not listed:
        _out.print("None." if everything else "None is set aside.")
        return
    table = Table("in the EHR", "site", "state", "seen", "response", "why")
    for each in listed:
        seen = each.seen.strftime("%Y-%m-%d %H:%M:%SZ")
        table.add_row(each.reference, each.site, each.state, seen, each.response or "–", each.reason or "–")
    _out.print(table)


def retry(config: Path, site: str, reference: str) -> None:
    """Take one that was set aside up again; NotFound if there is none."""
    configure_logs()
    settings = read_settings(config)
    _searched(settings, site)
    look = asyncio.run(_retry(settings, site, reference))
    _out.print(f"{reference}: {look}.", highlight=False)


async def _poll(settings: Settings, sites: tuple[str, ...]) -> dict[str, Look]:
    async with open_client(settings) as http:
        rapport = wire(settings, http, utc_now, await open_stock(settings, http))
        try:
            looks: dict[str, Look] = {}
            for site in sites:
                look = await rapport.collector.look_now(site)
                if look is None:
                    raise Conflict(
                        f"A running Rapport is looking at {site} just now.", "Try again in a moment."
                    )
                looks[site] = look
            return looks
        finally:
            rapport.ledger.close()


async def _retry(settings: Settings, site: str, reference: str) -> Found:
    async with open_client(settings) as http:
        rapport = wire(settings, http, utc_now, await open_stock(settings, http))
        operator = Actor(display=f"{getpass.getuser()} at the command line")
        entry = rapport.trail.entry(
            Kind.RESPONSE_RETRIED,
            operator,
            site=site,
            about=(f"{settings.sites[site].base}/{reference}",),
        )
        try:
            return await rapport.collector.retry(site, reference, entry)
        finally:
            rapport.ledger.close()


def _searched(settings: Settings, site: str | None) -> tuple[str, ...]:
    searched = tuple(name for name, each in settings.policies.items() if each.collecting is not None)
    chosen = searched if site is None else tuple(name for name in searched if name == site)
    if not chosen:
        named = "No site" if site is None else f"The site {site}"
        raise Invalid(
            f"{named} is set up to be searched.", "Add [site.collected] to it (docs: how-to/collected.md)."
        )
    return chosen


def _told(look: Look) -> str:
    if look.trouble:
        return look.trouble
    counts = ", ".join(f"{many} {found}" for found, many in sorted(look.found.items()))
    return f"searched {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}; {counts or 'nothing new'}"
