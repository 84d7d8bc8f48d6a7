"""What `rapport research` does. An export is in the trail before a byte of it is written, and for each patient in it."""

import asyncio
import getpass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console

from plugin.audit import Actor, Trail
from plugin.commands.comparing_record import check_site
from plugin.commands.new_folder import check_free, new_folder
from plugin.comparing import SystemReader
from plugin.errors import SettingsInvalid
from plugin.exports import Period
from plugin.ledger import Ledger, Vault
from plugin.research_settings import Research
from plugin.researching import (
    Gathered,
    Gatherer,
    can_write_parquet,
    check_kept,
    check_purpose,
    count_made,
    export_accounted,
    write_export,
)
from plugin.settings import Settings, read_settings
from plugin.stock import open_stock_of
from plugin.tls import make_context

_out = Console()
_progress = Console(stderr=True)
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


def export(
    config: Path, site: str, days: tuple[str, str], out: Path, why: str, keep: str | None, *, despite: bool
) -> None:
    """Write an export; Conflict if something stands at `out`, Invalid without a period or a purpose, or with no column to keep.

    AskFirst for what gives away more than one export of many months, unless it is made `despite` that.
    """
    Period.parse(*days, names=("--from", "--to"))
    check_purpose(why)
    check_kept(keep)
    check_free(out)
    settings, research = _open(config, site)
    period = Period.parse(*days, settings.policies[site].zone)
    with new_folder(out) as part:
        gathered, files = asyncio.run(
            _export(settings, site, research, period, part, why, keep, despite=despite)
        )
    tell_export(out, gathered, [file.name for file in files], research.smallest_cell)


def make_salt(config: Path, site: str) -> None:
    """Make a site's salt; Conflict if it has one."""
    _, research = _open(config, site)
    research.make_salt()
    _out.print(
        f"{research.salt_file}: keep it as you keep the keys, and never with an export.", soft_wrap=True
    )


def _open(config: Path, site: str) -> tuple[Settings, Research]:
    settings = read_settings(config)
    check_site(settings, site)
    research = settings.policies[site].research
    if research is None:
        raise SettingsInvalid(
            f"{site} gives nothing to research.",
            "Add a [site.research] section: docs/how-to/export-for-research.md shows one.",
        )
    return settings, research


async def _export(
    settings: Settings,
    site: str,
    research: Research,
    period: Period,
    part: Path,
    why: str,
    keep: str | None,
    *,
    despite: bool,
) -> tuple[Gathered, tuple[Path, ...]]:
    trail = Trail(settings.base_url, _now)
    actor = Actor(display=f"{getpass.getuser()} at the command line")
    vault = Vault(settings.vault_keys)
    stock = open_stock_of(settings)
    ledger = Ledger(settings.database, vault)
    try:
        async with httpx.AsyncClient(verify=make_context(), timeout=_TIMEOUT, follow_redirects=False) as http:
            reader = SystemReader(settings.sites[site], http, _now)
            zone = settings.policies[site].zone
            gatherer = Gatherer(
                site, research, stock.catalogue, stock.keys, vault, ledger.read, reader, _now, zone, keep
            )
            with _progress.status("reading") as status:
                return await export_accounted(
                    gatherer,
                    period,
                    ledger,
                    trail,
                    actor,
                    why,
                    lambda gathered: write_export(part, gathered, research, period),
                    lambda done, whole: status.update(f"reading: {done} of {whole} patients"),
                    despite=despite,
                )
    finally:
        ledger.close()


def _now() -> datetime:
    return datetime.now(UTC)


def tell_export(out: Path, gathered: Gathered, files: list[str], smallest: int) -> None:
    """Say what was written, and what was left out as the codebook tells it: no count of fewer people than `smallest`."""
    made = count_made(gathered, smallest)
    _out.print(
        f"{out}: {made.rows} administrations of {made.people} people ({', '.join(files)}). "
        f"Left out: people without consent: {made.without_consent}; forms that too few people share: {made.too_rare}; "
        f"forms that cannot be scored: {made.unusable}.",
        highlight=False,
        soft_wrap=True,
    )
    if not can_write_parquet():
        _out.print("Parquet is not among them: it needs the extra `bulk` (pyarrow).", highlight=False)
    for kind in gathered.not_read:
        _out.print(
            f"The EHR lets no {kind} be read: ask for system/{kind}.rs and name it in backend_scopes.",
            highlight=False,
            soft_wrap=True,
        )
    for kind in gathered.malformed:
        _out.print(
            f"The EHR gave a {kind} that is no FHIR: what comes of it is empty in that person's rows.",
            highlight=False,
            soft_wrap=True,
        )
    for kind in gathered.failed:
        _out.print(
            f"The EHR failed to give a {kind}, each time it was asked: what comes of it is empty in that person's rows.",
            highlight=False,
            soft_wrap=True,
        )
