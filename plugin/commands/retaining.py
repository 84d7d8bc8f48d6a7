"""What `rapport retention run` does: counts or removes what the sites keep no longer, and says how much."""

import asyncio
import getpass
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from plugin.audit import Trail
from plugin.ledger import Ledger, Vault
from plugin.metrics import Metrics
from plugin.retention import RetentionRun
from plugin.settings import Settings, read_settings

_out = Console()


def run(config: Path, *, dry_run: bool) -> None:
    """Remove what is due at every site of the file, or count it."""
    settings = read_settings(config)
    done = asyncio.run(_run(settings, dry_run=dry_run))
    for site, policy in settings.policies.items():
        if not policy.retention.removes_something:
            told = "nothing is removed here ([site.retention] is not set)"
        else:
            told = ", ".join(f"{many} {name}" for name, many in sorted(done.get(site, {}).items())) or "0"
        _out.print(f"{site}: {told}", highlight=False, soft_wrap=True, markup=False)
    if dry_run:
        _out.print("Nothing was removed.")


async def _run(settings: Settings, *, dry_run: bool) -> dict[str, Counter[str]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    kept = {site: policy.retention for site, policy in settings.policies.items()}
    who = f"{getpass.getuser()} at the command line"
    retention = RetentionRun(ledger, Trail(settings.base_url, clock), clock, kept, Metrics(), who)
    try:
        return await (retention.count() if dry_run else retention.sweep())
    finally:
        ledger.close()
