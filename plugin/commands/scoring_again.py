"""What `rapport audit rescore` does: stored answers scored by the version of their form that is installed now, beside the first results."""

import asyncio
import getpass
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from plugin.audit import Actor, Kind, Trail
from plugin.delivery.keep import Record
from plugin.delivery.rescored import Why, is_kept_again, keep_again, responses_of_other_versions, score_again
from plugin.delivery.revising import read_current
from plugin.errors import NotFound, stated_reason
from plugin.ledger import Ledger, Vault
from plugin.observations import Results
from plugin.responses import ResponseError
from plugin.scores import Key
from plugin.settings import Settings, read_settings
from plugin.stock import open_stock_of
from questionnaires import Instrument

_out = Console()
_AT_ONCE = 100  # responses whose results are committed together


def rescore(config: Path, site: str, instrument_id: str, why: str) -> None:
    """Score again, and tell how many; Invalid without a reason, NotFound without such a site or form."""
    reason = stated_reason(why, "Say with --why for what they are scored again.")
    settings = read_settings(config)
    if site not in settings.sites:
        raise NotFound(f"There is no site {site}.", f"The file names: {', '.join(settings.sites)}.")
    stock = open_stock_of(settings)
    known = {each.id: each for each in stock.catalogue.all()}
    if instrument_id not in known:
        raise NotFound(f"There is no form {instrument_id}.", f"Installed are: {', '.join(sorted(known))}.")
    instrument = known[instrument_id]
    work = _Rescoring(settings, site, instrument, stock.keys[instrument.canonical], reason)
    asyncio.run(work.run())
    _tell(instrument, work.counts, work.aside)


class _Rescoring:
    """One run over a site's responses to one form."""

    def __init__(self, settings: Settings, site: str, instrument: Instrument, key: Key, why: str) -> None:
        self._settings, self._site, self._instrument, self._key, self._why = (
            settings,
            site,
            instrument,
            key,
            why,
        )
        self._who = f"{getpass.getuser()} at the command line"
        self._trail = Trail(settings.base_url, lambda: datetime.now(UTC))
        self._ledger = Ledger(settings.database, Vault(settings.vault_keys))
        self.counts: Counter[str] = Counter()
        self.aside: list[tuple[str, str]] = []

    async def run(self) -> None:
        """Score all that are due, some at a time."""
        try:
            ids = await self._ledger.read(
                lambda c: tuple(responses_of_other_versions(c, self._site, self._instrument))
            )
            for begin in range(0, len(ids), _AT_ONCE):
                await asyncio.gather(*(self._one(each) for each in ids[begin : begin + _AT_ONCE]))
        finally:
            self._ledger.close()

    async def _one(self, response: str) -> None:
        record = await self._ledger.read(lambda c: read_current(c, self._ledger.vault, response))
        if record.voided:
            self.counts["void"] += 1
            return
        now = datetime.now(UTC)
        try:
            _, results = score_again(record, self._instrument, self._key, now)
        except ResponseError as refused:
            # What the answers are is not told, but where they do not fit.
            self.aside.append((response, type(refused).__name__))
            return
        known = await self._keep(record, results, now)
        self.counts["known" if known else "scored"] += 1

    async def _keep(self, record: Record, results: Results, now: datetime) -> bool:
        """Keep a result with its entry in the trail; True if it is kept already."""
        vault, why = self._ledger.vault, Why(now, self._who, self._why)
        if await self._ledger.read(lambda c: is_kept_again(c, record, self._instrument)):
            return True
        entry = self._trail.entry(
            Kind.RESPONSE_RESCORED,
            Actor(display=self._who),
            site=self._site,
            patient=record.patient,
            about=(f"QuestionnaireResponse/{record.id}",),
            reason=self._why,
        )
        await self._ledger.write(
            lambda c: keep_again(c, vault, record, self._instrument, results, why), entry
        )
        return False


def _tell(instrument: Instrument, counts: Counter[str], aside: list[tuple[str, str]]) -> None:
    _out.print(
        f"{counts['scored']} scored by {instrument.canonical}, beside what they were; nothing was sent to the EHR. "
        f"{counts['known']} were scored by it before, {counts['void']} are entered in error, {len(aside)} set aside.",
        highlight=False,
        soft_wrap=True,
    )
    for response, reason in sorted(aside):
        _out.print(f"  set aside: response {response}: {reason}", highlight=False, soft_wrap=True)
