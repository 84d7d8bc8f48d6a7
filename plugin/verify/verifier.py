"""Verifies a ledger. Reads the database on its own, piece by piece: memory does not grow with the ledger. Writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit.anchors import Anchors
from plugin.audit.trail import Clock, utc_now
from plugin.delivery.keep import Record, open_record, read_kept
from plugin.delivery.rescored import open_again
from plugin.delivery.revising import open_revision, read_version
from plugin.errors import NotFound
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.ledger.odd_text import any_text
from plugin.scores import Key
from plugin.transparency import Checkpoint, Tiles
from plugin.verify.access import check_gone, check_invitations, check_launches
from plugin.verify.anchoring import Trusted, Vouched, check_anchors
from plugin.verify.deliveries import check_deliveries
from plugin.verify.findings import Finding, Flaw, Progress
from plugin.verify.kinds import readable
from plugin.verify.mentions import open_mentions
from plugin.verify.notes import check_notes
from plugin.verify.reading import CHUNK, count, rows
from plugin.verify.recomputing import check_follows, recompute, recompute_again
from plugin.verify.rows import check_rows
from plugin.verify.schema import check_schema, lacks
from plugin.verify.sealed import check_sealed
from plugin.verify.trail import check_counts, check_entries, check_norms, check_reviews
from plugin.verify.tree import Tree, check_logged
from questionnaires import Catalogue, Instrument


@dataclass(frozen=True, slots=True)
class Verifier:
    """What verification works with. `older` is a checkpoint that somebody kept outside."""

    catalogue: Catalogue
    keys: Mapping[str, Key]
    vault: Vault
    tiles: Tiles
    verifier_key: str
    older: bytes | None = None
    anchors: Anchors | None = None
    trusted: Trusted = field(default_factory=Trusted)
    vouched: Vouched = field(default_factory=Vouched)
    clock: Clock = utc_now

    def verify(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        """Give every flaw as it is found; `progress` counts along.

        The connection must not have been read from: what is logged from now on is not looked at.
        """
        tree = Tree(self.vault, self.tiles, self.verifier_key, self.older, self.clock)
        signed, reach = tree.signed(), self.tiles.reach()
        with any_text(connection):
            yield from check_schema(connection)
            if lacking := lacks(connection):
                what = f"Anything but the schema: without {', '.join(lacking)} the ledger cannot be read."
                progress.not_looked_at.append(what)
                return
            with readable(connection) as misfits:
                yield from misfits
                yield from self._everything(connection, tree, signed, reach, progress)

    def _everything(
        self,
        connection: Connection,
        tree: Tree,
        signed: Checkpoint | Finding,
        reach: int,
        progress: Progress,
    ) -> Iterator[Finding]:
        size = 0 if isinstance(signed, Finding) else signed.size
        progress.total = count(connection, t.response, t.audit, t.log_leaf) + size
        progress.told()
        yield from self._responses(connection, progress)
        yield from self._revisions(connection)
        yield from self._rescorings(connection)
        yield from _doubled(connection)
        with open_mentions() as mentions:
            yield from check_entries(connection, self.vault, mentions, progress)
            yield from check_norms(connection, mentions)
            yield from check_reviews(connection, mentions)
            yield from check_counts(connection, mentions)
            yield from check_deliveries(connection, self.vault, mentions)
            yield from check_notes(connection, mentions.stories)
            yield from check_launches(connection, mentions.stories)
            yield from check_invitations(connection, mentions.stories)
            yield from check_gone(connection, self.vault, mentions.stories)
        yield from check_sealed(connection, self.vault, progress)
        yield from check_rows(connection, self.vault, progress)
        yield from check_logged(connection)
        if isinstance(signed, Finding):
            yield signed
        else:
            yield from tree.check_leaves(connection, signed, reach, progress)
            yield from tree.check_files(signed, progress)
            if self.anchors is not None:
                yield from check_anchors(
                    self.anchors, self.tiles, self.verifier_key, signed, self.trusted, self.vouched
                )
        progress.told()

    def _responses(self, connection: Connection, progress: Progress) -> Iterator[Finding]:
        for row in rows(connection, sa.select(t.response)):
            progress.responses += 1
            if progress.responses % CHUNK == 0:
                progress.told()
            where = f"response {row.id}"
            try:
                record = open_record(row, self.vault)
            except SealBroken as broken:
                yield Finding(Flaw.ALTERED, where, f"{broken}.")
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield Finding(Flaw.ALTERED, where, "The stored results cannot be read.")
                continue
            if record.digest != row.body_digest:
                what = "The answers do not have the digest that was stored with them."
                yield Finding(Flaw.ALTERED, where, what)
            yield from self._recompute(record, row.software, where)

    def _revisions(self, connection: Connection) -> Iterator[Finding]:
        """Hold every later version against its answers, or against the version that it marks as entered in error."""
        before: Record | None = None
        query = sa.select(t.revision).order_by(t.revision.c.response, t.revision.c.number)
        for row in rows(connection, query):
            where = f"response {row.response}, version {row.number}"
            try:
                first = read_kept(connection, self.vault, row.response)
                record = open_revision(first, dict(row._mapping), self.vault)
            except (SealBroken, NotFound) as broken:
                yield Finding(Flaw.ALTERED, where, str(broken))
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield Finding(Flaw.ALTERED, where, "The stored results cannot be read.")
                continue
            if record.digest != row.body_digest:
                what = "The answers do not have the digest that was stored with them."
                yield Finding(Flaw.ALTERED, where, what)
            earlier = before if before is not None and before.id == record.id else first
            before = record
            yield from check_follows(record, earlier, where)
            if not record.voided:
                amended = replace(record, received=row.made)
                yield from self._recompute(amended, row.software, where, status=row.kind)

    def _rescorings(self, connection: Connection) -> Iterator[Finding]:
        """Hold scores by another version of a form against the answers of the version of the response that they name."""
        for row in rows(connection, sa.select(t.rescoring).order_by(t.rescoring.c.id)):
            where = f"rescoring {row.id}"
            try:
                again = open_again(row, self.vault)
                record = read_version(connection, self.vault, row.response, row.version)
            except (SealBroken, NotFound) as broken:
                yield Finding(Flaw.ALTERED, where, str(broken))
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield Finding(Flaw.ALTERED, where, "The stored results cannot be read.")
                continue
            instrument, wrong = self._installed(again.instrument, again.key_hash, where)
            yield from wrong
            if instrument is not None:
                yield from recompute_again(record, again, instrument, self.keys[instrument.canonical], where)

    def _recompute(
        self, record: Record, software: str, where: str, *, status: str = "final"
    ) -> Iterator[Finding]:
        instrument, wrong = self._installed(record.instrument, record.key_hash, where)
        yield from wrong
        if instrument is not None:
            key = self.keys[instrument.canonical]
            yield from recompute(record, instrument, key, where, software=software, status=status)

    def _installed(
        self, canonical: str, key_hash: str, where: str
    ) -> tuple[Instrument | None, tuple[Finding, ...]]:
        """Find the form that scored; None, and why, if it is not installed in that version."""
        nearest = self.catalogue.nearest(canonical)
        if nearest is None or nearest.canonical != canonical:
            what = f"{canonical} is not installed in this version."
            return None, (Finding(Flaw.NOT_VERIFIABLE, where, what),)
        if nearest.content_hash != key_hash:
            what = f"The key of {canonical} has another hash than the one that scored."
            return nearest, (Finding(Flaw.WRONG_KEY, where, what),)
        return nearest, ()


def _doubled(connection: Connection) -> Iterator[Finding]:
    """Give responses that share what only one can have."""
    shared = (
        ((t.response.c.site, t.response.c.identifier), "identifier"),
        ((t.response.c.invitation,), "invitation"),
    )
    for columns, name in shared:
        first, many = sa.func.min(t.response.c.id).label("first"), sa.func.count().label("many")
        query = sa.select(first, many).where(columns[-1].is_not(None)).group_by(*columns)
        for row in rows(connection, query.having(sa.func.count() > 1)):
            what = f"{row.many} responses are stored under one {name}."
            yield Finding(Flaw.DUPLICATE, f"response {row.first}", what)
