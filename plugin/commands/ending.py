"""What `rapport sessions` does: lists who is signed in, ends launches with their entries in the trail."""

import asyncio
import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plugin.access.launches import Open, end_launch, open_launches
from plugin.access.sessions import locked_devices
from plugin.audit import Actor, Kind, Trail
from plugin.audit.facts import written
from plugin.errors import Invalid, NotFound, stated_reason
from plugin.ledger import Ledger, Vault
from plugin.ledger.store import open_database
from plugin.settings import Settings, read_settings

_out = Console()
UNNAMED = "not named by the EHR"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for: one user's, or everybody's."""

    site: str
    user: str | None
    why: str
    everybody: bool


def list_people(config: Path, site: str) -> None:
    """Print who is signed in; NotFound without such a site."""
    settings = settings_of(config, site)
    engine = open_database(settings.database)
    try:
        with engine.connect() as connection:
            found = open_launches(connection, site, datetime.now(UTC))
            devices = locked_devices(connection, site)
    finally:
        engine.dispose()
    table = Table("user", "charts and desks", "since", "until at most")
    for user in sorted({each.user or "" for each in found}):
        own = [each for each in found if (each.user or "") == user]
        first, last = min(each.created for each in own), max(each.expires for each in own)
        table.add_row(user or UNNAMED, str(len(own)), f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}")
    _out.print(table)
    if devices:
        locked = Table("handed over by", "locked since", "wrong PINs")
        for device in devices:
            locked.add_row(
                device.author or UNNAMED, f"{device.locked:%Y-%m-%d %H:%M}", str(device.pin_attempts)
            )
        _out.print(locked)


def end_sessions(config: Path, wish: Wish) -> None:
    """End what was asked for; Invalid without a reason or without saying whose."""
    check_wish(wish)
    ended = asyncio.run(_end(settings_of(config, wish.site), wish))
    _out.print(f"{ended} charts and desks were closed.", highlight=False)


def check_wish(wish: Wish) -> None:
    """Invalid without a reason or without saying whose."""
    stated_reason(wish.why, "Say with --why for what they are ended.")
    if (wish.user is None) != wish.everybody:
        raise Invalid("It is not clear whose are to be ended.", "Give either --user or --all.")


async def _end(settings: Settings, wish: Wish) -> int:
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    try:
        found = await ledger.read(lambda c: open_launches(c, wish.site, datetime.now(UTC)))
        own = [each for each in found if wish.everybody or each.user == wish.user]
        for each in own:
            await _end_one(ledger, trail, wish, each)
    finally:
        ledger.close()
    return len(own)


async def _end_one(ledger: Ledger, trail: Trail, wish: Wish, found: Open) -> None:
    now = datetime.now(UTC)
    entry = trail.entry(
        Kind.LAUNCH_ENDED,
        Actor(display=f"{getpass.getuser()} at the command line"),
        site=wish.site,
        patient=found.patient,
        about=(f"urn:uuid:{found.id}",),
        reason=wish.why,
        details=written({"ended": now}),
    )
    await ledger.write(lambda connection: end_launch(connection, found.id, now), entry)


def settings_of(config: Path, site: str) -> Settings:
    """Read the settings; NotFound without such a site."""
    settings = read_settings(config)
    if site not in settings.sites:
        raise NotFound(f"There is no site {site}.", f"The file names: {', '.join(settings.sites)}.")
    return settings
