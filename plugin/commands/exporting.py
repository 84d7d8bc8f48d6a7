"""What `rapport rescore --export` does before it scores: fetches the responses from the EHR of a configured site."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console

from plugin.bulk_export import BulkExport, Wanted
from plugin.errors import NotFound, SettingsInvalid
from plugin.settings import Settings, read_settings
from plugin.tls import make_context

_out = Console(stderr=True)
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


def read_for_export(config: Path | None) -> Settings:
    """Read the configuration, `rapport.toml` without another name."""
    return read_settings(config or Path("rapport.toml"))


def export_responses(
    settings: Settings, site: str, folder: Path, group: str | None, since: str | None
) -> tuple[Path, ...]:
    """Give the fetched files. NotFound without such a site, SettingsInvalid for a time without its zone."""
    if site not in settings.sites:
        raise NotFound(f"There is no site {site}.", f"The file names: {', '.join(settings.sites)}.")
    if since is not None:
        _check_instant(since)

    async def run() -> tuple[Path, ...]:
        async with httpx.AsyncClient(verify=make_context(), timeout=_TIMEOUT, follow_redirects=False) as http:
            wanted = Wanted(settings.sites[site], group, since)
            return await BulkExport(wanted, folder, http, lambda: datetime.now(UTC), tell=_tell).fetch()

    files = asyncio.run(run())
    if not files:
        raise NotFound(
            "The EHR exported no QuestionnaireResponse.",
            "Look whether --group or --since leaves all of them out.",
        )
    return files


def _tell(text: str) -> None:
    _out.print(text, highlight=False)


def _check_instant(since: str) -> None:
    try:
        has_zone = datetime.fromisoformat(since).tzinfo is not None
    except ValueError:
        has_zone = False
    if not has_zone:
        raise SettingsInvalid(
            f"--since {since} is no instant.", "Write it with its time zone: 2026-11-01T00:00:00Z."
        )
