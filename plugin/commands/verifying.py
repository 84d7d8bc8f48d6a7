"""What `rapport audit verify` does with a ledger: verifies it, then the EHR's record if asked; prints and reports."""

import base64
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from plugin.audit import Kind, Trail
from plugin.audit.anchors import Anchors
from plugin.auditing.verifying import beside_ehr, outcome, said_of
from plugin.commands.audit_report import Report, check_pdf, write_report
from plugin.commands.auditing import Opened, at_the_command_line, hold_still, opening, record
from plugin.commands.comparing_record import Compared, check_site, compare, print_compared
from plugin.commands.findings import counting, print_findings, print_json, print_verdict, shown
from plugin.comparing import Tally
from plugin.errors import Invalid, RapportError
from plugin.settings import Settings
from plugin.stock import open_stock_of
from plugin.transparency import CheckpointInvalid, check_verifier, is_note, open_checkpoint
from plugin.transparency.cosignatures import Witness
from plugin.verify import Finding, Progress, Verifier
from plugin.verify.anchoring import Trusted, Vouched


@dataclass(frozen=True)
class Told:
    """How the outcome is told: as JSON or in words, and in which files."""

    as_json: bool = False
    html: Path | None = None
    pdf: Path | None = None

    def check(self) -> None:
        """Refuse now what cannot be written at the end."""
        check_pdf(self.pdf)


@dataclass(frozen=True)
class Asked:
    """What is verified beside the ledger and its log: an older checkpoint, an EHR, whom the auditor trusts."""

    against: Path | None = None
    ehr: str | None = None
    trusted: Trusted = field(default_factory=Trusted)
    recorded: bool = True
    """Whether the trail shall tell of it; a copy that is to stay as it is must not be written to."""


def is_key(text: str) -> bool:
    """Tell whether this is the verifier key of some log."""
    try:
        check_verifier(text)
    except CheckpointInvalid:
        return False
    return True


def is_checkpoint(path: Path) -> bool:
    """Tell whether a file can be read and is a signed note, whoever signed it; altered or not is for verification."""
    try:
        return is_note(path.read_bytes())
    except OSError:
        return False


def read_trusted(tsa_roots: Path | None, witnesses: list[str]) -> Trusted:
    """Read the certificates and keys that the auditor gave; Invalid for a key that is none."""
    try:
        return Trusted(tsa_roots.read_bytes() if tsa_roots else None, tuple(map(Witness.parse, witnesses)))
    except CheckpointInvalid as invalid:
        raise Invalid(str(invalid), "Take it from the witness, as name+id+key.") from None


def verify(config: Path, asked: Asked, told: Told) -> bool:
    """Verify and tell; True if nothing was altered."""
    told.check()
    ehr = asked.ehr
    vouched = Vouched()
    with opening(config) as opened:
        if ehr is not None:
            check_site(opened.settings, ehr)
        hold_still(opened.connection)
        progress = Progress()
        findings = list(
            shown(
                _verifier(opened, asked, vouched).verify(opened.connection, progress),
                progress,
                quiet=told.as_json,
            )
        )
        compared = None if ehr is None else _compare(opened, ehr, quiet=told.as_json)
    everything = [*findings, *(compared.findings if compared else ())]
    if told.as_json:
        record = {"ehr": {"site": compared.site, **_plain(compared.tally)}} if compared else {}
        kept = {name: getattr(vouched, name) for name in Vouched.__slots__}
        said = {"progress": progress.counts(), "not_looked_at": progress.not_looked_at}
        print_json({**said, "findings": everything, "kept": kept, **record})
    else:
        print_findings(everything)
        if compared:
            print_compared(compared)
        print_verdict(everything, progress)
        if vouched.kept:
            print(_said(vouched))
    if asked.recorded:
        _record(opened.settings, progress, everything, compared)
    write_report(_report(opened, progress, everything, compared, vouched), told.html, told.pdf)
    return not everything


def _record(
    settings: Settings, progress: Progress, findings: list[Finding], compared: Compared | None
) -> None:
    """Have the trail tell what was found, where the auditors' page of the log reads it; say so if that cannot be."""
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    beside = "" if compared is None else beside_ehr(compared.site)
    details = outcome(progress, len(findings), [said_of(each) for each in findings], beside=beside)
    try:
        record(settings, trail.entry(Kind.LEDGER_VERIFIED, at_the_command_line(), details=details))
    except (RapportError, sa.exc.SQLAlchemyError, OSError) as error:
        why = error.what_happened if isinstance(error, RapportError) else type(error).__name__
        print(f"Not recorded in the trail: {why} With --no-record it is not tried.", file=sys.stderr)


def _verifier(opened: Opened, asked: Asked, vouched: Vouched) -> Verifier:
    stock = open_stock_of(opened.settings)
    return Verifier(
        stock.catalogue,
        stock.keys,
        opened.vault,
        opened.tiles,
        opened.signer.verifier,
        asked.against.read_bytes() if asked.against else None,
        Anchors(opened.settings.log_folder),
        asked.trusted,
        vouched,
    )


def _compare(opened: Opened, site: str, *, quiet: bool) -> Compared:
    with counting("comparing", quiet=quiet) as tell:

        def said(tally: Tally) -> None:
            tell(f"{tally.administrations} administrations, {tally.observations} Observations")

        return compare(opened, site, said)


def _said(vouched: Vouched) -> str:
    said = (
        f"Checkpoints that others vouch for: {vouched.kept}, with {vouched.stamps} time-stamps and "
        f"{vouched.cosignatures} cosignatures checked."
    )
    if vouched.unchecked_stamps or vouched.unchecked_cosignatures:
        said += (
            f" Not checked: {vouched.unchecked_stamps} time-stamps (give --tsa-roots) and "
            f"{vouched.unchecked_cosignatures} cosignatures (give --witness)."
        )
    return said


def _report(
    opened: Opened,
    progress: Progress,
    findings: list[Finding],
    compared: Compared | None,
    vouched: Vouched,
) -> Report:
    facts = [
        ("Responses recomputed", str(progress.responses)),
        ("Audit entries read", str(progress.audit_entries)),
        ("Leaves of the log checked", str(progress.leaves)),
        ("Published entries checked", str(progress.published)),
        ("The log's key", opened.signer.verifier),
        *_checkpoint(opened),
        *([("Anchors", _said(vouched))] if vouched.kept else []),
    ]
    notes = [f"Not looked at: {each}" for each in progress.not_looked_at]
    if compared is None:
        return Report("the ledger", facts, findings, notes)
    facts.append(("EHR", compared.said))
    notes += [f"Not looked at: {each}" for each in compared.tally.not_looked_at]
    notes += [f"Written since: {each}" for each in compared.written_since]
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
