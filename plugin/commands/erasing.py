"""What `rapport patient erase` does: counts or erases, audited, and clears the database's files."""

import asyncio
import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from plugin.audit import Actor, Kind, Trail
from plugin.erasure import Decision, clear_remains, count_rows, erase, new_id
from plugin.errors import NotFound, stated_reason
from plugin.ledger import Ledger, Vault
from plugin.ledger.store import open_database
from plugin.settings import Settings, read_settings

_out = Console()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for."""

    site: str
    patient: str
    why: str
    with_trail: bool


def erase_patient(config: Path, wish: Wish, *, certain: bool) -> None:
    """Erase a patient, or count what would go; Invalid without a reason, NotFound without such a site or patient."""
    reason = stated_reason(wish.why, "Say with --why on which decision it is erased.")
    settings = read_settings(config)
    if wish.site not in settings.sites:
        raise NotFound(f"There is no site {wish.site}.", f"The file names: {', '.join(settings.sites)}.")
    who = f"{getpass.getuser()} at the command line"
    decision = Decision(wish.site, wish.patient, who, reason, wish.with_trail)
    counts = asyncio.run(_erase(settings, decision)) if certain else _count(settings, decision)
    told = ", ".join(f"{many} {name}" for name, many in counts.items()) or "nothing"
    if not certain:
        _out.print(f"Would be erased: {told}. Nothing was erased; add --yes to do it.", highlight=False)
        return
    _clear(settings)
    _out.print(
        f"Erased: {told}. The log and rapport audit verify say that it was erased, not what it was.\n"
        "Still there: what was written into the EHR, backups of the database, exports"
        + (
            "."
            if decision.with_trail
            else ", and the audit entries about the patient, without any answer (--with-trail)."
        ),
        highlight=False,
        soft_wrap=True,
    )


async def _erase(settings: Settings, decision: Decision) -> dict[str, int]:
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    identity = new_id()
    entry = trail.entry(
        Kind.PATIENT_ERASED,
        Actor(display=decision.who),
        site=decision.site,
        # Where the trail goes, the entry that tells of it does not name the patient either.
        patient=None if decision.with_trail else decision.patient,
        about=(f"urn:uuid:{identity}",),
        reason=decision.why,
    )
    try:
        done = await ledger.write(
            lambda connection: erase(connection, ledger.vault, decision, identity, datetime.now(UTC)), entry
        )
    finally:
        ledger.close()
    return done.counts


def _count(settings: Settings, decision: Decision) -> dict[str, int]:
    engine = open_database(settings.database)
    try:
        with engine.connect() as connection:
            return count_rows(connection, decision)
    finally:
        engine.dispose()


def _clear(settings: Settings) -> None:
    engine = open_database(settings.database)
    try:
        clear_remains(engine)
    finally:
        engine.dispose()
