"""What `rapport audit verify` does with a ledger: verifies it, then the EHR's record if asked; prints and reports."""

import base64
from dataclasses import dataclass
from pathlib import Path

from plugin.commands.audit_report import Report, check_pdf, write_report
from plugin.commands.auditing import Opened, hold_still, opening
from plugin.commands.comparing_record import Compared, check_site, compare, print_compared
from plugin.commands.findings import counting, print_findings, print_json, print_verdict, shown
from plugin.comparing import Tally
from plugin.stock import open_stock_of
from plugin.transparency import CheckpointInvalid, open_checkpoint
from plugin.verify import Finding, Progress, Verifier


@dataclass(frozen=True)
class Told:
    """How the outcome is told: as JSON or in words, and in which files."""

    as_json: bool = False
    html: Path | None = None
    pdf: Path | None = None

    def check(self) -> None:
        """Refuse now what cannot be written at the end."""
        check_pdf(self.pdf)


def verify(config: Path, against: Path | None, ehr: str | None, told: Told) -> bool:
    """Verify and tell; True if nothing was altered."""
    told.check()
    with opening(config) as opened:
        if ehr is not None:
            check_site(opened.settings, ehr)
        hold_still(opened.connection)
        progress = Progress()
        findings = list(
            shown(
                _verifier(opened, against).verify(opened.connection, progress), progress, quiet=told.as_json
            )
        )
        compared = None if ehr is None else _compare(opened, ehr, quiet=told.as_json)
    everything = [*findings, *(compared.findings if compared else ())]
    if told.as_json:
        record = {"ehr": {"site": compared.site, **_plain(compared.tally)}} if compared else {}
        print_json({"progress": progress.counts(), "findings": everything, **record})
    else:
        print_findings(everything)
        if compared:
            print_compared(compared)
        print_verdict(everything, progress)
    write_report(_report(opened, progress, everything, compared), told.html, told.pdf)
    return not everything


def _verifier(opened: Opened, against: Path | None) -> Verifier:
    stock = open_stock_of(opened.settings)
    return Verifier(
        stock.catalogue,
        stock.keys,
        opened.vault,
        opened.tiles,
        opened.signer.verifier,
        against.read_bytes() if against else None,
    )


def _compare(opened: Opened, site: str, *, quiet: bool) -> Compared:
    with counting("comparing", quiet=quiet) as tell:

        def said(tally: Tally) -> None:
            tell(f"{tally.administrations} administrations, {tally.observations} Observations")

        return compare(opened, site, said)


def _report(opened: Opened, progress: Progress, findings: list[Finding], compared: Compared | None) -> Report:
    facts = [
        ("Responses recomputed", str(progress.responses)),
        ("Audit entries read", str(progress.audit_entries)),
        ("Leaves of the log checked", str(progress.leaves)),
        ("Published entries checked", str(progress.published)),
        ("The log's key", opened.signer.verifier),
        *_checkpoint(opened),
    ]
    if compared is None:
        return Report("the ledger", facts, findings)
    facts.append(("EHR", compared.said))
    notes = [f"Not looked at: {each}" for each in compared.tally.not_looked_at]
    return Report(f"the ledger and the EHR of {compared.site}", facts, findings, notes)


def _checkpoint(opened: Opened) -> list[tuple[str, str]]:
    note = opened.tiles.read_checkpoint()
    try:
        signed = None if note is None else open_checkpoint(note, opened.signer.verifier)
    except CheckpointInvalid:
        return []  # a finding tells
    root = "" if signed is None else base64.b64encode(signed.root).decode()
    return [] if signed is None else [("Its checkpoint", f"{signed.size} entries, root {root}")]


def _plain(tally: Tally) -> dict[str, object]:
    return {name: getattr(tally, name) for name in Tally.__slots__}
