"""The running transparency log: rows become leaves, leaves become tiles, and a signed checkpoint says how far."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin.audit.leaves import log_pending_rows, retry_set_aside
from plugin.ledger import Ledger, SealBroken
from plugin.ledger import tables as t
from plugin.ledger.away import cause_of
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    LogSigner,
    ProofInvalid,
    TileDamaged,
    Tiles,
    consistency_proof,
    open_checkpoint,
    verify_consistency,
)

logger = structlog.get_logger()

_PAUSE = timedelta(seconds=2)
_MOST_ENTRIES = 4096
_GRACE = 5.0  # seconds
_FALLEN_BEHIND = 300.0  # seconds without a success


class LogBroken(Exception):
    """Ledger and log do not fit: nothing more is signed until a person has looked. The message says what was found."""


class TransparencyLog:
    """The log of one ledger, in one folder, signed with one key."""

    def __init__(self, folder: Path, signer: LogSigner, ledger: Ledger) -> None:
        self._tiles = Tiles(folder)
        self._signer = signer
        self._ledger = ledger
        self._last_success = time.monotonic()
        self._fits = True
        self._publishing = asyncio.Lock()  # within this process; `alone` keeps the others out

    @property
    def keeps_up(self) -> bool:
        """Whether everything stored until a few minutes ago was logged and signed; not if ledger and log do not fit."""
        return self._fits and time.monotonic() - self._last_success < _FALLEN_BEHIND

    async def run(self) -> None:
        """Keep the log up to date until cancelled. What is wrong with it is told once a minute, and nothing is signed."""
        retried = False
        while True:
            pause = _PAUSE
            try:
                if not retried:
                    await self._ledger.bookkeep(retry_set_aside)
                    retried = True
                await self._advance_whole()
                self._last_success = time.monotonic()
                self._fits = True
            except (LogBroken, CheckpointInvalid, ProofInvalid, TileDamaged, SealBroken, OSError) as error:
                if not isinstance(
                    error, OSError
                ):  # a full disk may have space again; these do not mend themselves
                    self._fits = False
                logger.error("transparency-log", problem=str(error))  # noqa: TRY400 -- told in one line
                pause = timedelta(minutes=1)
            except Exception as error:  # noqa: BLE001 -- last rim: the log must not stop for good
                logger.error("transparency-log", problem=cause_of(error))  # noqa: TRY400 -- a message may hold data
                pause = timedelta(minutes=1)
            await asyncio.sleep(pause.total_seconds())

    async def _advance_whole(self) -> None:
        """Advance; cancelled meanwhile, sign what has its place before ending, if that is quick."""
        advancing = asyncio.ensure_future(self.advance())
        try:
            await asyncio.shield(advancing)
        except asyncio.CancelledError:
            await asyncio.wait({advancing}, timeout=_GRACE)
            advancing.cancel()
            raise

    async def advance(self) -> Checkpoint:
        """Log every row that waits, write the tiles, sign a checkpoint; LogBroken rather than fork."""
        vault = self._ledger.vault
        while await self._ledger.bookkeep(lambda connection: log_pending_rows(connection, vault)):
            pass
        async with self._publishing, self._ledger.alone("publication of the log"):
            signed = self._signed()
            while True:
                begin = signed.size
                entries = await self._ledger.read(
                    lambda connection, begin=begin: _entries(connection, begin)  # type: ignore[misc]
                )
                if not entries:
                    return signed
                signed = await asyncio.to_thread(self._publish, signed, entries)

    def _signed(self) -> Checkpoint:
        note = self._tiles.read_checkpoint()
        if note is None:
            return Checkpoint(self._signer.name, 0, self._tiles.root(0))
        return open_checkpoint(note, self._signer.verifier)

    def _publish(self, signed: Checkpoint, entries: list[bytes]) -> Checkpoint:
        size = self._tiles.append(signed.size, entries)
        root = self._tiles.root(size)
        proof = consistency_proof(self._tiles.subtree, signed.size, size)
        # Whoever has the earlier checkpoint must be able to follow: else the files were altered, and this would be a fork.
        verify_consistency(signed.size, signed.root, size, root, proof)
        self._tiles.write_checkpoint(self._signer.sign(size, root))
        return Checkpoint(self._signer.name, size, root)


def _entries(connection: Connection, begin: int) -> list[bytes]:
    """Read the entries from a place on; LogBroken if the ledger has fewer than were signed, or a gap."""
    rows = connection.execute(
        sa.select(t.log_leaf.c.place, t.log_leaf.c.entry)
        .where(t.log_leaf.c.place >= begin)
        .order_by(t.log_leaf.c.place)
        .limit(_MOST_ENTRIES)
    ).all()
    if not rows:
        last = connection.execute(sa.select(sa.func.max(t.log_leaf.c.place))).scalar()
        held = 0 if last is None else int(last) + 1
        if held < begin:
            raise LogBroken(
                f"The log is signed for {begin} entries and the ledger has {held}: it was restored from a backup, or rows are gone."
            )
        return []
    if [row.place for row in rows] != list(range(begin, begin + len(rows))):
        raise LogBroken(f"The ledger's leaves from {begin} on have a gap.")
    return [row.entry for row in rows]
