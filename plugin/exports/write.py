"""Writes an export from the ledger: NDJSON and CSV, the forms, the checkpoint, and the manifest that is signed.

Reads in portions and writes as it goes: memory does not grow with the period. What cannot be opened is named, not left out
in silence.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.audit.leaves import LOGGED
from plugin.errors import NotFound
from plugin.exports import manifest as m
from plugin.exports import sheets
from plugin.exports.administrations import Scoring, administration_of, score_lines
from plugin.exports.forms import FORMS, copy_forms
from plugin.exports.rows import Line, NotAsLogged, columns_of, read_values, written
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.responses.labels import Label, read_labels
from plugin.scores import Key
from plugin.transparency import LogSigner, Tiles, inclusion_proof, open_checkpoint
from plugin.verify import Progress
from plugin.verify.kinds import readable
from questionnaires import Catalogue

_CHUNK = 500
_encoder = msgspec.json.Encoder(decimal_format="number")
_Row = Mapping[str, object]
# What is done with administrations after they were received: a row of another period's is exported in the period of its own.
_WHEN: Mapping[str, sa.Column[datetime]] = {
    "revisions": t.revision.c.made,
    "rescorings": t.rescoring.c.computed,
    "attempts": t.attempt.c.finished,
}
_Told = tuple[Progress, Callable[[], None]]


class _Pair:
    """One kind of row as NDJSON and as CSV, written together."""

    def __init__(self, folder: Path, sheet: str) -> None:
        self.sheet, self.lines = sheet, 0
        self._files = [(folder / f"{sheet}.{ending}").open("wb") for ending in ("ndjson", "csv")]
        self._files[1].write(sheets.header(sheet))

    def add(self, line: Line) -> None:
        self._files[0].write(_encoder.encode(line) + b"\n")
        self._files[1].write(sheets.row(self.sheet, line))
        self.lines += 1

    def add_all(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.add(line)

    def __enter__(self) -> "_Pair":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for file in self._files:
            file.close()


@dataclass
class Exporter:
    """What an export is made of and signed with."""

    catalogue: Catalogue
    keys: Mapping[str, Key]
    vault: Vault
    tiles: Tiles
    signer: LogSigner
    form_base: str
    site: str | None = None  # of one site alone; None: of all
    for_auditors: bool = False  # without what its form did not say that they read
    _held_back: list[str] = field(default_factory=list, init=False)
    _size: int = field(default=0, init=False)
    _unreadable: list[str] = field(default_factory=list, init=False)

    def write(
        self,
        connection: Connection,
        period: m.Period,
        folder: Path,
        *,
        audit_entry: str,
        made: datetime,
        progress: Progress,
        tell: Callable[[], None] = lambda: None,
    ) -> m.Manifest:
        """Write the export into an empty folder; NotFound before the log has a checkpoint. `audit_entry` accounts for it."""
        with readable(connection) as misfits:
            self._unreadable += [f"{each.where}: {each.what}" for each in misfits if _is_exported(each.where)]
            responses = self._within(t.response, t.response.c.received, period)
            named = _forms_of(connection, responses)
            forms, scoring = copy_forms(folder, named, self.catalogue, self.keys)
            checkpoint = self._checkpoint(folder)
            counts = self._rows(connection, period, folder, scoring, (progress, tell))
        manifest = m.Manifest(
            format=m.FORMAT,
            software=f"Rapport {__version__}",
            made=written(made),
            first_day=period.first.isoformat(),
            last_day=period.last.isoformat(),
            audit_entry=audit_entry,
            log=m.Log(self.signer.verifier, checkpoint),
            counts=counts,
            files=_digests(folder, counts),
            columns={sheet: columns_of(kind) for sheet, kind in sheets.LOGGED_AS.items()},
            forms=forms,
            form_base=self.form_base,
            unreadable=tuple(self._unreadable),
            held_back=tuple(self._held_back),
            site=self.site,
        )
        m.write_manifest(folder, manifest, self.signer)
        return manifest

    def _checkpoint(self, folder: Path) -> int:
        note = self.tiles.read_checkpoint()
        if note is None:
            raise NotFound("The log has no checkpoint yet.", "Start rapport serve; it signs within seconds.")
        self._size = open_checkpoint(note, self.signer.verifier).size
        (folder / m.CHECKPOINT).write_bytes(note)
        return self._size

    def _rows(
        self, connection: Connection, period: m.Period, folder: Path, scoring: Scoring, told: _Told
    ) -> dict[str, int]:
        progress, tell = told
        with ExitStack() as stack:
            pairs = {sheet: stack.enter_context(_Pair(folder, sheet)) for sheet in sheets.SHEETS}
            responses = self._within(t.response, t.response.c.received, period)
            query = responses.order_by(t.response.c.received, t.response.c.id)
            for chunk in _chunks(connection, query):
                closed = self._closed(connection, [str(row["id"]) for row in chunk])
                self._held_back += sorted(closed)
                self._add(connection, [row for row in chunk if row["id"] not in closed], pairs, scoring)
                progress.responses += len(chunk)
                tell()
            for sheet, when in _WHEN.items():
                for chunk in _chunks(connection, self._others(when, period)):
                    closed = self._closed(connection, [str(row["response"]) for row in chunk])
                    open_to_all = [row for row in chunk if row["response"] not in closed]
                    pairs[sheet].add_all(self._logged(connection, sheets.LOGGED_AS[sheet], open_to_all))
            entries = self._within(t.audit, t.audit.c.recorded, period).order_by(t.audit.c.id)
            for chunk in _chunks(connection, entries):
                pairs["audit"].add_all(self._logged(connection, "audit", chunk))
                progress.audit_entries += len(chunk)
                tell()
            return {sheet: pair.lines for sheet, pair in pairs.items()}

    def _closed(self, connection: Connection, ids: list[str]) -> frozenset[str]:
        """Name the administrations that this export may not tell of; none that does not open, which is named as such."""
        if not self.for_auditors:
            return frozenset()
        c, closed = t.response.c, set()
        for row in connection.execute(sa.select(c.id, c.sealed_body).where(c.id.in_(ids))):
            with suppress(SealBroken):
                labels = read_labels(self.vault.open("response", row.id, row.sealed_body))
                if Label.ANSWERS_NOT_FOR_AUDITORS in labels:
                    closed.add(str(row.id))
        return frozenset(closed)

    def _within(
        self, table: sa.Table, column: sa.Column[datetime], period: m.Period
    ) -> sa.Select[tuple[object, ...]]:
        query = sa.select(table).where(column >= period.begin, column < period.end)
        return query if self.site is None else query.where(table.c.site == self.site)

    def _others(self, when: sa.Column[datetime], period: m.Period) -> sa.Select[tuple[object, ...]]:
        """Select what was done in the period with administrations of another one."""
        c, table = t.response.c, when.table
        own = sa.select(c.id).where(c.received >= period.begin, c.received < period.end)
        query = sa.select(table).where(when >= period.begin, when < period.end)
        if self.site is not None:
            query = query.where(table.c.response.in_(sa.select(c.id).where(c.site == self.site)))
        return query.where(table.c.response.not_in(own)).order_by(table.c.id)

    def _add(
        self,
        connection: Connection,
        chunk: Sequence[_Row],
        pairs: Mapping[str, _Pair],
        scoring: Scoring,
    ) -> None:
        """Add administrations with all that belongs to each."""
        ids = [str(row["id"]) for row in chunk]
        later = self._added(connection, "revisions", _in_order(connection, t.revision, ids, "number"), pairs)
        again = self._added(
            connection, "rescorings", _in_order(connection, t.rescoring, ids, "computed", "id"), pairs
        )
        for line in self._logged(connection, "response", chunk):
            pairs["administrations"].add(line)
            own = str(line["id"])
            pairs["scores"].add_all(self._scores(line, later.get(own, ()), again.get(own, ()), scoring))
        pairs["deliveries"].add_all(map(_delivery, _in_order(connection, t.delivery, ids)))
        self._added(connection, "attempts", _in_order(connection, t.attempt, ids, "id"), pairs)

    def _added(
        self, connection: Connection, sheet: str, rows: Sequence[_Row], pairs: Mapping[str, _Pair]
    ) -> Mapping[str, Sequence[Line]]:
        """Add rows that belong to administrations; gives their lines by response."""
        lines: dict[str, list[Line]] = defaultdict(list)
        for line in self._logged(connection, sheets.LOGGED_AS[sheet], rows):
            pairs[sheet].add(line)
            lines[str(line["response"])].append(line)
        return lines

    def _scores(
        self, line: Line, later: Sequence[Line], again: Sequence[Line], scoring: Scoring
    ) -> list[Line]:
        try:
            return list(score_lines(administration_of(line, later, again), scoring))
        except (NotAsLogged, msgspec.MsgspecError, LookupError) as broken:
            self._unreadable.append(f"scores of response {line['id']}: {type(broken).__name__}")
            return []

    def _logged(self, connection: Connection, kind: str, rows: Sequence[_Row]) -> Iterator[Line]:
        """Give the rows as lines, each with its place in the log and the proof of it."""
        key = LOGGED[kind].key
        leaves = _leaves(connection, kind, [str(row[key]) for row in rows])
        for row in rows:
            try:
                line = read_values(kind, row, self.vault)
            except SealBroken as broken:
                self._unreadable.append(f"{kind} {row[key]}: {broken}")
                continue
            yield {**line, "log": self._proof(leaves.get(str(row[key])))}

    def _proof(self, leaf: _Row | None) -> Line | None:
        """Give what proves a row: salt, entry, place and path; only `waits` if the checkpoint does not cover it yet.

        None: the log does not know the row.
        """
        if leaf is None:
            return None
        place = leaf["place"]
        if not isinstance(place, int) or place >= self._size:
            return {"waits": True}
        proof = inclusion_proof(self.tiles.subtree, place, self._size)
        salt, entry = leaf["salt"], leaf["entry"]
        return {
            "place": place,
            "salt": base64.b64encode(salt).decode() if isinstance(salt, bytes) else None,
            "entry": entry.decode("utf-8", "replace") if isinstance(entry, bytes) else None,
            "proof": [base64.b64encode(each).decode() for each in proof],
        }


def _chunks(connection: Connection, query: sa.Select[tuple[object, ...]]) -> Iterator[list[_Row]]:
    result = connection.execution_options(yield_per=_CHUNK).execute(query)
    for chunk in result.partitions():
        yield [dict(row._mapping) for row in chunk]


def _is_exported(where: str) -> bool:
    """Tell whether a finding is of a row that exports hold: a time that cannot be read lies in no period."""
    return where.split(" ", 1)[0] in sheets.LOGGED_AS.values()


def _forms_of(connection: Connection, responses: sa.Select[tuple[object, ...]]) -> list[tuple[str, str]]:
    """Name the forms, with their keys, that scored these responses, their later versions, and them again."""
    c = t.response.c
    own = responses.with_only_columns(c.id)
    later = sa.select(c.instrument, t.revision.c.key_hash).join(t.revision, t.revision.c.response == c.id)
    again = sa.select(t.rescoring.c.instrument, t.rescoring.c.key_hash)
    named = sa.union(
        responses.with_only_columns(c.instrument, c.key_hash),
        later.where(c.id.in_(own)),
        again.where(t.rescoring.c.response.in_(own)),
    )
    return sorted((str(canonical), str(key_hash)) for canonical, key_hash in connection.execute(named))


def _in_order(connection: Connection, table: sa.Table, ids: list[str], *order: str) -> list[_Row]:
    """Read the rows of these responses, in the order of the responses, those of each in the order of these columns."""
    query = sa.select(table).where(table.c.response.in_(ids))
    found = connection.execute(query.order_by(*(table.c[each] for each in order)))
    by_response: dict[str, list[_Row]] = {}
    for row in found:
        by_response.setdefault(row.response, []).append(dict(row._mapping))
    return [row for each in ids for row in by_response.get(each, ())]


def _leaves(connection: Connection, kind: str, rows: list[str]) -> dict[str, _Row]:
    """Read the leaves of rows; a row that only waits for its place has none, and is told so."""
    waiting = connection.execute(
        sa.select(t.log_pending.c.row).where(
            t.log_pending.c.kind == kind, t.log_pending.c.row.in_(rows), t.log_pending.c.problem.is_(None)
        )
    )
    found: dict[str, _Row] = {row: {"place": None} for row in waiting.scalars()}
    leaves = connection.execute(
        sa.select(t.log_leaf).where(t.log_leaf.c.kind == kind, t.log_leaf.c.row.in_(rows))
    )
    return found | {leaf.row: dict(leaf._mapping) for leaf in leaves}


def _delivery(row: _Row) -> Line:
    named = ("response", "revision", "site", "state", "attempts", "due", "delivered", "detail")
    line: Line = {
        name: written(value) if isinstance(value := row[name], datetime) else value for name in named
    }
    return {**line, "locations": str(row["locations"] or "").split()}


def _digests(folder: Path, counts: Mapping[str, int]) -> dict[str, m.File]:
    files = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines = counts[path.stem] if path.suffix == ".ndjson" and not name.startswith(FORMS) else None
        files[name] = m.File(digest, path.stat().st_size, lines)
    return files
