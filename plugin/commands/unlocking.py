"""What `rapport sessions unlock` does: opens devices that were handed over, each with its entry in the trail."""

import asyncio
import getpass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from plugin.access.sessions import LockedDevice, is_whole, locked_devices, open_lock
from plugin.audit import Actor, Kind, Trail
from plugin.commands.ending import Wish, check_wish, settings_of
from plugin.ledger import Ledger, Vault
from plugin.settings import Settings

__all__ = ["Wish", "unlock"]

_out = Console()


def unlock(config: Path, wish: Wish) -> None:
    """Open what was asked for; Invalid without a reason or without saying whose."""
    check_wish(wish)
    opened = asyncio.run(_unlock(settings_of(config, wish.site), wish))
    _out.print(f"{opened} devices were opened.", highlight=False)


async def _unlock(settings: Settings, wish: Wish) -> int:
    vault = Vault(settings.vault_keys)
    ledger = Ledger(settings.database, vault)
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    try:
        found = await ledger.read(lambda connection: locked_devices(connection, wish.site))
        own = [each for each in found if wish.everybody or each.author == wish.user]
        whole = await ledger.read(lambda c: [each for each in own if is_whole(c, vault, each)])
        for each in whole:
            await _unlock_one(ledger, trail, wish, each)
    finally:
        ledger.close()
    if altered := len(own) - len(whole):
        _out.print(
            f"{altered} devices stay locked: rapport audit verify names what was altered of them. A fresh sign-in to the EHR "
            "opens Rapport there.",
            highlight=False,
        )
    return len(whole)


async def _unlock_one(ledger: Ledger, trail: Trail, wish: Wish, device: LockedDevice) -> None:
    entry = trail.entry(
        Kind.HAND_OVER_ENDED,
        Actor(display=f"{getpass.getuser()} at the command line"),
        site=wish.site,
        patient=device.patient,
        about=(f"urn:uuid:{device.form}",) if device.form else (),
        reason=wish.why,
    )
    await ledger.write(lambda connection: open_lock(connection, device.key), entry)
