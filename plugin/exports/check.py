"""Verifies an export without the database: files, signature, proofs, and every score computed again.

Reads line by line: memory does not grow with the export. Writes nothing.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from plugin.audit.leaves import LOGGED, log_entry
from plugin.delivery.keep import Record
from plugin.delivery.states import DeliveryState
from plugin.exports import manifest as m
from plugin.exports import sheets
from plugin.exports.administrations import Administration, Scoring, administration_of, score_lines
from plugin.exports.forms import open_form
from plugin.exports.reading import Grouped, Lines
from plugin.exports.rows import Column, Line, NotAsLogged, bytes_of, content_of, instant
from plugin.scores import Key
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    ProofInvalid,
    leaf_hash,
    open_checkpoint,
    verify_inclusion,
)
from plugin.verify import Finding, Flaw, Progress, check_follows, recompute, recompute_again
from questionnaires import Instrument

# What is done with administrations, and when it was.
_LATER = {"revisions": "made", "rescorings": "computed", "attempts": "finished"}
# Rows are logged as they were written, by time; one is stored this long after its time at most (a database waits for 30 s).
_LATEST = timedelta(minutes=1)
_SHEETS = {kind: sheet for sheet, kind in sheets.LOGGED_AS.items()}


@dataclass
class ExportVerifier:
    """One export, and the log's verifier key: the one that the export names if none is given from elsewhere."""

    folder: Path
    manifest: m.Manifest
    verifier_key: str
    waiting: int = field(default=0, init=False)
    """How many rows the checkpoint of the export does not cover yet."""

    _waits: list[tuple[datetime, str]] = field(default_factory=list, init=False)
    _newest: datetime | None = field(default=None, init=False)
    """When the newest row was written of those that are proved to be in the log."""

    _found: list[Finding] = field(default_factory=list, init=False)
    _signed: Checkpoint | None = field(default=None, init=False)
    _scoring: Scoring = field(default_factory=dict, init=False)

    def verify(self, progress: Progress) -> Iterator[Finding]:
        """Give every flaw as it is found; `progress` counts along."""
        yield from self._files()
        self._open_checkpoint()
        self._open_forms()
        for what in self.manifest.unreadable:
            self._tell(Flaw.ALTERED, what.partition(":")[0], f"It could not be exported: {what}.")
        yield from self._told()
        yield from self._administrations(progress)
        yield from self._audit(progress)
        self._waited()
        yield from self._told()

    def _files(self) -> Iterator[Finding]:
        wrong = m.check_signature(self.folder, self.verifier_key)
        if wrong is not None:
            yield Finding(Flaw.FILE, m.MANIFEST, wrong)
        for name, expected in self.manifest.files.items():
            path = self.folder / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                yield Finding(Flaw.FILE, m.MANIFEST, "It names a file outside of the export.")
            elif not path.is_file():
                yield Finding(Flaw.FILE, name, "It is missing.")
            else:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest != expected.sha256:
                    yield Finding(Flaw.FILE, name, "Its content is not what the manifest says (SHA-256).")
        known = {*self.manifest.files, m.MANIFEST, m.SIGNATURE}
        for path in sorted(each for each in self.folder.rglob("*") if not each.is_dir()):
            name = path.relative_to(self.folder).as_posix()
            if name not in known:
                yield Finding(Flaw.FILE, name, "It does not belong to the export.")

    def _open_checkpoint(self) -> None:
        try:
            self._signed = open_checkpoint((self.folder / m.CHECKPOINT).read_bytes(), self.verifier_key)
        except CheckpointInvalid as invalid:
            self._tell(Flaw.LOG, m.CHECKPOINT, str(invalid))
        except OSError:
            return  # told by _files
        if self._signed is not None and self._signed.size != self.manifest.log.size:
            self._tell(Flaw.LOG, m.CHECKPOINT, "It has another size than the manifest says.")

    def _open_forms(self) -> None:
        for form in self.manifest.forms:
            opened = open_form(self.folder, form, self.manifest.form_base)
            if opened is None:
                self._tell(Flaw.WRONG_KEY, form.folder, "It is not the form with the hash that scored.")
            else:
                self._scoring[form.content_hash] = opened

    def _administrations(self, progress: Progress) -> Iterator[Finding]:
        names = ("administrations", "scores", "deliveries", *_LATER)
        lines = {name: Lines(self.folder, name, self._found) for name in names}
        scores, deliveries = (Grouped(lines[name]) for name in names[1:3])
        later = {name: Grouped(lines[name]) for name in _LATER}
        before: tuple[str, str] | None = None
        for line in lines["administrations"]:
            progress.responses += 1
            progress.told()
            response = str(line.get("id"))
            where = f"response {response} ({lines['administrations'].where})"
            place = (str(line.get("received")), response)
            if before is not None and place <= before:
                self._tell(Flaw.DUPLICATE, where, "It stands twice, or not in its order.")
            before = place
            self._logged("response", line, where, progress)
            self._within(line.get("received"), where)
            own, skipped = scores.take(response)
            self._orphans("scores", skipped)
            done = {name: self._done(name, later[name], response, progress) for name in _LATER}
            self._scored(line, done["revisions"], done["rescorings"], own, where)
            delivery, skipped = deliveries.take(response)
            self._orphans("deliveries", skipped)
            self._delivered(delivery, done["attempts"], len(done["revisions"]), where)
            yield from self._told()
        for group, name in ((scores, "scores"), (deliveries, "deliveries")):
            self._orphans(name, list(group.rest()))
        for name, group in later.items():
            for _, others in group.rest():
                self._done_then(name, others, progress, of_period=True)
        self._count(*lines.values())
        yield from self._told()

    def _scored(
        self, line: Line, revisions: list[Line], rescorings: list[Line], stored: list[Line], where: str
    ) -> None:
        try:
            administration = administration_of(line, revisions, rescorings)
            expected = list(score_lines(administration, self._scoring))
            self._versions(administration, [line, *revisions], where)
            self._again(administration, where)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
            self._tell(Flaw.ALTERED, where, "It is no administration any more.")
            return
        if len(stored) != len(expected):
            what = f"scores.ndjson has {len(stored)} of it; {len(expected)} are stored."
            self._tell(Flaw.MISMATCH, where, what)
        for found, right in zip(stored, expected, strict=False):
            wrong = [name for name in right if found.get(name) != right[name]]
            if right["items"] is None and found.get("items") is not None:
                wrong.remove("items")  # explained where the key was at hand
            if wrong:
                what = f"scores.ndjson says something else than what is stored: {', '.join(wrong)}."
                self._tell(Flaw.MISMATCH, f"{where}, {right['score']}", what)

    def _versions(self, administration: Administration, lines: list[Line], where: str) -> None:
        """Compute every version again, but for one that marks the version before it as entered in error."""
        earlier: Record | None = None
        for record, line in zip(administration.versions, lines, strict=True):
            own = f"{where}, version {record.revision}" if record.revision else where
            if record.digest != line.get("body_digest"):
                what = "The answers do not have the digest that was stored with them."
                self._tell(Flaw.ALTERED, own, what)
            if earlier is not None:
                self._found += check_follows(record, earlier, own)
            earlier = record
            key = self._key_of(record, own)
            if key is not None and not record.voided:
                made = replace(record, received=record.revised or record.received)
                software, status = str(line.get("software")), str(line.get("kind") or "final")
                self._found += recompute(made, *key, own, software=software, status=status)

    def _again(self, administration: Administration, where: str) -> None:
        """Compute again what other versions of the form made of the answers."""
        if len({each.id for each in administration.again}) < len(administration.again):
            self._tell(Flaw.DUPLICATE, where, "What scored it again stands twice.")
        for again in administration.again:
            own = f"{where}, rescoring {again.id}"
            record = administration.scored_again(again)
            key = self._key_of(record, own)
            if key is not None:
                self._found += recompute_again(record, again, *key, own)

    def _key_of(self, record: Record, where: str) -> tuple[Instrument, Key] | None:
        found = self._scoring.get(record.key_hash)
        if found is None:
            what = f"The key that scored it ({record.key_hash}) of {record.instrument} is not in the export."
            self._tell(Flaw.NOT_VERIFIABLE, where, what)
        return found

    def _done(self, sheet: str, group: Grouped, response: str, progress: Progress) -> list[Line]:
        """Take what was done with a response, and check it and what stands before it: of the period, and of another's."""
        own, skipped = group.take(response)
        self._done_then(sheet, own, progress)
        for _, others in skipped:
            self._done_then(sheet, others, progress, of_period=True)
        return own

    def _done_then(
        self, sheet: str, lines: list[Line], progress: Progress, *, of_period: bool = False
    ) -> None:
        kind, when = sheets.LOGGED_AS[sheet], _LATER[sheet]
        for line in lines:
            where = f"{kind} {line.get('id')} of response {line.get('response')}"
            self._logged(kind, line, where, progress)
            if of_period:
                self._within(line.get(when), where)

    def _delivered(self, delivery: list[Line], tries: list[Line], later: int, where: str) -> None:
        if len(delivery) != 1:
            self._tell(Flaw.ORPHAN, where, f"It has {len(delivery)} deliveries.")
            return
        last = max(tries, key=_begun).get("state") if tries else None
        state = delivery[0].get("state")
        if (state == DeliveryState.DELIVERED) != (last == DeliveryState.DELIVERED):
            self._tell(Flaw.STATE, where, f"Its delivery is {state}, and its last attempt led to {last}.")
        if delivery[0].get("revision") != later:
            what = f"Its delivery counts {delivery[0].get('revision')} later versions; {later} are exported."
            self._tell(Flaw.STATE, where, what)

    def _audit(self, progress: Progress) -> Iterator[Finding]:
        lines = Lines(self.folder, "audit", self._found)
        before = 0
        for line in lines:
            progress.audit_entries += 1
            progress.told()
            where = f"audit entry {line.get('event')} ({lines.where})"
            number = line.get("id")
            if not isinstance(number, int) or number <= before:
                self._tell(Flaw.DUPLICATE, where, "It stands twice, or not in its order.")
            else:
                before = number
            self._logged("audit", line, where, progress)
            self._within(line.get("recorded"), where)
            self._entry(line, where)
            yield from self._told()
        self._count(lines)
        yield from self._told()

    def _entry(self, line: Line, where: str) -> None:
        try:
            resource = bytes_of(line.get("resource"))
            entry = msgspec.json.decode(resource, type=Line)
        except (NotAsLogged, msgspec.MsgspecError, RecursionError):
            self._tell(Flaw.TRAIL, where, "It is no entry any more.")
            return
        if hashlib.sha256(resource).hexdigest() != line.get("digest"):
            self._tell(Flaw.TRAIL, where, "The entry does not have the digest that was stored with it.")
        if (entry.get("id"), entry.get("outcome")) != (line.get("event"), line.get("outcome")):
            self._tell(Flaw.TRAIL, where, "Its columns say something else than the entry.")

    def _logged(self, kind: str, line: Line, where: str, progress: Progress) -> None:
        """Hold a line against the log: it gives the entry, and the entry is in the tree that was signed."""
        proof = line.get("log")
        if not isinstance(proof, dict):
            self._tell(Flaw.NOT_LOGGED, where, "The log has never seen it.")
            return
        if proof == {"waits": True}:
            self.waiting += 1
            self._wait(kind, line, where)
            return
        progress.leaves += 1
        try:
            entry, salt = str(proof["entry"]).encode(), base64.b64decode(str(proof["salt"]), validate=True)
            path = [base64.b64decode(str(each), validate=True) for each in proof["proof"]]
            place = int(proof["place"])
            content = content_of(self._columns(kind), line)
        except (LookupError, ValueError, TypeError):
            self._tell(Flaw.ALTERED, where, "It is not what was logged, or its proof cannot be read.")
            return
        same = log_entry(kind, salt, content) == entry
        if not same:
            self._tell(Flaw.ALTERED, where, "It is not what was logged.")
        if self._signed is None:
            return
        try:
            verify_inclusion(leaf_hash(entry), place, self._signed.size, path, self._signed.root)
        except ProofInvalid as invalid:
            self._tell(Flaw.LOG, where, str(invalid))
            return
        written = _written(kind, line)
        if same and written is not None and (self._newest is None or written > self._newest):
            self._newest = written

    def _wait(self, kind: str, line: Line, where: str) -> None:
        written = _written(kind, line)
        if written is None:
            self._tell(
                Flaw.NOT_LOGGED,
                where,
                "It counts as waiting for the log, and does not say when it was written.",
            )
        elif self._newest is not None and written < self._newest - _LATEST:
            self._passed_over(where)
        else:
            self._waits.append((written, where))

    def _waited(self) -> None:
        """Name rows that wait though the log has later ones: nothing is logged before what was written before it."""
        for written, where in self._waits:
            if self._newest is not None and written < self._newest - _LATEST:
                self._passed_over(where)

    def _passed_over(self, where: str) -> None:
        what = "It counts as waiting for the log, which has rows that were written more than a minute later."
        self._tell(Flaw.NOT_LOGGED, where, what)

    def _columns(self, kind: str) -> Sequence[Column]:
        return self.manifest.columns[_SHEETS[kind]]

    def _within(self, when: object, where: str) -> None:
        try:
            inside = instant(when) in self.manifest.period
        except NotAsLogged:
            inside = False
        if not inside:
            self._tell(Flaw.ALTERED, where, "It is not of the period that was exported.")

    def _orphans(self, name: str, groups: list[tuple[str, list[Line]]]) -> None:
        for response, _ in groups:
            what = "Its administration is not in the export."
            self._tell(Flaw.ORPHAN, f"response {response} ({name}.ndjson)", what)

    def _count(self, *read: Lines) -> None:
        for lines in read:
            expected = self.manifest.counts.get(lines.sheet)
            if lines.number != expected:
                what = f"It has {lines.number} lines; the manifest counts {expected}."
                self._tell(Flaw.DELETED, f"{lines.sheet}.ndjson", what)

    def _tell(self, flaw: Flaw, where: str, what: str) -> None:
        self._found.append(Finding(flaw, where, what))

    def _told(self) -> Iterator[Finding]:
        yield from self._found
        self._found.clear()


def _begun(attempt: Line) -> tuple[int, int]:
    """Order attempts as they were begun: one that lost its lease is noted late."""
    number, own = attempt.get("number"), attempt.get("id")
    return (number if isinstance(number, int) else 0, own if isinstance(own, int) else 0)


def _written(kind: str, line: Line) -> datetime | None:
    try:
        return instant(line.get(LOGGED[kind].moment))
    except NotAsLogged:
        return None
