"""What `rapport audit export` does, and `rapport audit verify` for an export: the one needs the ledger, the other not."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from plugin.audit import Kind, Trail
from plugin.commands.audit_report import Report, write_report
from plugin.commands.auditing import at_the_command_line, hold_still, opening, record
from plugin.commands.findings import counting, print_findings, print_json, print_verdict, shown
from plugin.commands.new_folder import check_free, new_folder
from plugin.commands.verifying import Told
from plugin.errors import Invalid, NotFound, RapportError
from plugin.exports import Exporter, ExportVerifier, Manifest, Period, read_manifest
from plugin.exports.manifest import MANIFEST
from plugin.settings import Settings, read_settings
from plugin.stock import open_stock_of
from plugin.unfinished import why_unfinished
from plugin.verify import Finding, Flaw, Progress

_out = Console()
_NOTHING = (
    "The export holds nothing: no response was received in its days and no entry of the trail was written, "
    "so there was nothing to verify but that it is empty. Compare its days and its site with what was asked for."
)


def export(config: Path, first: str, last: str, out: Path, why: str | None) -> None:
    """Write an export; Conflict if something stands at `out`, Invalid without a period.

    That it is made is in the trail before a byte of it is written; that it failed, too.
    """
    period = Period.parse(first, last, names=("--from", "--to"))
    check_free(out)
    settings = read_settings(config)
    account = _Account(
        settings, f"Export of {period.first} to {period.last} (UTC){f': {why}' if why else ''}"
    )
    event = account.record()
    try:
        with new_folder(out) as part:
            manifest = _write(config, period, part, event)
    except BaseException as error:
        account.record(failure=f"It was not finished ({why_unfinished(error)}); nothing was kept")
        raise
    _tell(out, manifest)


def verify_export(folder: Path, verifier_key: str | None, told: Told) -> bool:
    """Verify an export and tell; True if nothing was altered. Without a key the export's own counts, which is told."""
    told.check()
    try:
        manifest = read_manifest(folder)
    except (NotFound, Invalid) as unreadable:
        if not told.as_json:
            raise
        _print_unreadable(unreadable, verifier_key)
        return False
    verifier = ExportVerifier(folder, manifest, verifier_key or manifest.log.verifier_key)
    progress = Progress()
    findings = list(shown(verifier.verify(progress), progress, quiet=told.as_json))
    holds_nothing = not any(manifest.counts.values()) and not progress.done
    good = "the export holds nothing" if holds_nothing else "nothing was altered"
    notes = _notes(verifier, pinned=verifier_key is None)
    if holds_nothing:
        notes.append(_NOTHING)
    if told.as_json:
        key = {
            "verifier": verifier.verifier_key,
            "from": "the caller" if verifier_key else "the export itself",
        }
        print_json(
            {"progress": progress.counts(), "findings": findings, "waiting": verifier.waiting, "key": key}
        )
    else:
        print_findings(findings)
        for note in notes:
            _out.print(f"[bold yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)
        print_verdict(findings, progress, "proofs of the log", good=good)
    facts = [
        ("Days received, UTC", f"{manifest.first_day} to {manifest.last_day}"),
        ("Written", f"{manifest.made} by {manifest.software}"),
        ("Its entry in the trail", manifest.audit_entry),
        ("Responses recomputed", str(progress.responses)),
        ("Audit entries read", str(progress.audit_entries)),
        ("Proofs of the log checked", str(progress.leaves)),
        ("The log's key", verifier.verifier_key),
    ]
    write_report(
        Report(f"the export {folder.name}", facts, findings, notes, good=f"{good[0].upper()}{good[1:]}."),
        told.html,
        told.pdf,
    )
    return not findings


def _print_unreadable(unreadable: RapportError, verifier_key: str | None) -> None:
    """Print for programs that there is no manifest, or none that can be read, in the shape of any outcome."""
    print(f"{unreadable.what_happened} {unreadable.what_to_do}", file=sys.stderr)
    found = Finding(Flaw.FILE, MANIFEST, unreadable.what_happened)
    key = {"verifier": verifier_key, "from": "the caller"} if verifier_key else None
    print_json({"progress": Progress().counts(), "findings": [found], "waiting": 0, "key": key})


def _notes(verifier: ExportVerifier, *, pinned: bool) -> list[str]:
    notes = []
    if verifier.waiting:
        notes.append(
            f"{verifier.waiting} rows waited for their place in the log when the export was made (its own entry is one): "
            "nothing but the export's signature vouches for them."
        )
    if pinned:
        notes.append(
            f"The log's key was taken from the export itself ({verifier.verifier_key}): that shows that the export is "
            "whole, not who made it. Compare it with the key that you have from elsewhere, or give that with --key."
        )
    return notes


class _Account:
    """Accounts for an export in the trail."""

    def __init__(self, settings: Settings, reason: str) -> None:
        self._settings, self._reason = settings, reason
        self._trail = Trail(settings.base_url, lambda: datetime.now(UTC))

    def record(self, failure: str | None = None) -> str:
        """Record an entry, durably; gives its id."""
        actor = at_the_command_line()
        entry = self._trail.entry(Kind.EXPORTED, actor, reason=self._reason, failure=failure)
        record(self._settings, entry)
        return entry.event


def _write(config: Path, period: Period, folder: Path, event: str) -> Manifest:
    with opening(config) as opened:
        stock = open_stock_of(opened.settings)
        exporter = Exporter(
            stock.catalogue,
            stock.keys,
            opened.vault,
            opened.tiles,
            opened.signer,
            opened.settings.own_forms.manner.base,
        )
        progress = Progress()
        hold_still(opened.connection)
        with counting("exporting") as tell:
            return exporter.write(
                opened.connection,
                period,
                folder,
                audit_entry=event,
                made=datetime.now(UTC),
                progress=progress,
                tell=lambda: tell(f"{progress.responses} administrations, {progress.audit_entries} entries"),
            )


def _tell(out: Path, manifest: Manifest) -> None:
    counts = manifest.counts
    _out.print(
        f"{out}: {counts['administrations']} administrations, {counts['scores']} scores, {counts['deliveries']} "
        f"deliveries with {counts['attempts']} attempts, {counts['audit']} audit entries.",
        highlight=False,
        soft_wrap=True,
    )
    for each in manifest.unreadable:
        _out.print(f"[bold red]Not exported:[/] {escape(each)}", highlight=False)
    _out.print(
        "It holds health data: only your user may read the folder. Give its reader the log's key on another way:\n"
        f"  rapport audit verify {out} --key '{manifest.log.verifier_key}'",
        highlight=False,
        soft_wrap=True,
    )
