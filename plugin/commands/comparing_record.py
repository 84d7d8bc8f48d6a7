"""What `rapport audit verify --ehr` does beside the ledger: reads the EHR's record anew and compares it."""

import asyncio
import getpass
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from rich.console import Console

from plugin.audit import Actor, Kind, Trail
from plugin.commands.auditing import Opened
from plugin.comparing import Comparison, SystemReader, Tally
from plugin.errors import NotFound
from plugin.ledger import Ledger
from plugin.settings import Settings
from plugin.tls import make_context
from plugin.verify import Finding
from plugin.writing import DEFAULT_WRITING

_out = Console()
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


@dataclass(frozen=True)
class Compared:
    """What came of it."""

    site: str
    findings: list[Finding]
    tally: Tally

    @property
    def said(self) -> str:
        """How much was compared, in a sentence."""
        tally = self.tally
        return (
            f"{_many(tally.observations, 'Observation')} of {_many(tally.administrations, 'administration')} of "
            f"{_many(tally.patients, 'patient')} compared with the EHR of {self.site}. Not delivered: "
            f"{tally.not_delivered}; delivered without an Observation: {tally.nothing_taken}."
        )

    @property
    def written_since(self) -> list[str]:
        """What stands there as another version than was written, in sentences, and how many more there are."""
        told = self.tally.versions
        more = self.tally.written_since - len(told)
        return [*told, f"{_many(more, 'other resource')} as well."] if more else told


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def check_site(settings: Settings, site: str) -> None:
    """NotFound without such a site."""
    if site not in settings.sites:
        raise NotFound(f"There is no site {site}.", f"The file names: {', '.join(settings.sites)}.")


def compare(opened: Opened, site: str, tell: Callable[[Tally], None]) -> Compared:
    """Compare one site's record; that it is read is in the trail before it is. RecordUnreadable says what stopped it."""
    settings = opened.settings
    _account_for(settings, opened, site)

    async def run() -> Compared:
        async with httpx.AsyncClient(verify=make_context(), timeout=_TIMEOUT, follow_redirects=False) as http:
            reader = SystemReader(settings.sites[site], http, lambda: datetime.now(UTC))
            writing = settings.writing.get(site, DEFAULT_WRITING)
            comparison = Comparison(site, writing, opened.vault, reader)
            findings = []
            async for finding in comparison.run(opened.connection):
                findings.append(finding)
                tell(comparison.tally)
            return Compared(site, findings, comparison.tally)

    return asyncio.run(run())


def print_compared(compared: Compared) -> None:
    """Print how much was compared, and what could not be looked at."""
    _out.print(compared.said, highlight=False, soft_wrap=True)
    for each in compared.tally.not_looked_at:
        _out.print(f"[bold yellow]Not looked at:[/] {each}", highlight=False, soft_wrap=True)
    for each in compared.written_since:
        _out.print(f"[bold yellow]Written since:[/] {each}", highlight=False, soft_wrap=True)


def _account_for(settings: Settings, opened: Opened, site: str) -> None:
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    actor = Actor(display=f"{getpass.getuser()} at the command line")
    entry = trail.entry(
        Kind.RECORD_COMPARED,
        actor,
        site=site,
        server=settings.sites[site].base,
        reason="Audit",
        query="Observation, QuestionnaireResponse, Provenance of every patient in the ledger",
    )
    ledger = Ledger(settings.database, opened.vault)
    try:
        asyncio.run(ledger.record(entry))
    finally:
        ledger.close()
