"""A log that is appended to by processes that are killed (kill -9), one after the other.

Run: python -m tests.audit.killing FOLDER ROUNDS. It goes on beyond that many rounds, up to five times as many, until the log
has grown in a quarter of them: on a busy machine a process is killed before it has opened its ledger. Prints, as JSON, how often it was killed while it appended, and what was wrong.
Each process is a fork of this one, which has no threads, so that a round takes no start of Python.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from plugin.audit import Actor, Kind, Trail
from plugin.audit.log import TransparencyLog
from plugin.ledger import Ledger, Vault
from plugin.ledger.store import open_database
from plugin.transparency import (
    Checkpoint,
    LogSigner,
    ProofInvalid,
    TileDamaged,
    Tiles,
    consistency_proof,
    open_checkpoint,
    verify_consistency,
)
from plugin.verify import Progress, Verifier
from questionnaires import load_catalogue
from tests.product.world import rapport_settings

_ENTRIES_AT_ONCE = 40


@dataclass
class Killed:
    """What came of it: `forks` and `flaws` should be empty."""

    rounds: int = 0
    grew: int = 0  # rounds in which a checkpoint was signed before the kill
    entries: int = 0
    forks: list[str] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)


def kill(folder: Path, rounds: int, seed: int = 1) -> Killed:
    """Append and kill so often; then let it finish, and verify all of it against every checkpoint that was seen."""
    settings = rapport_settings(folder)
    signer = LogSigner(settings.log_name, settings.log_key)
    chance, told = random.Random(seed), Killed()
    seen: list[bytes] = []
    longest = 0.7
    while told.rounds < rounds or (4 * told.grew < rounds and told.rounds < 5 * rounds):
        told.rounds += 1
        child = os.fork()
        if child == 0:
            asyncio.run(_append(folder, times=None))
        time.sleep(chance.uniform(0.05, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        note = Tiles(settings.log_folder).read_checkpoint()
        if note is not None and note not in seen:
            told.grew += 1
            _compare(Tiles(settings.log_folder), signer.verifier, seen, note, told)
            seen.append(note)
        elif told.rounds > rounds:
            longest += 0.3
    child = os.fork()
    if child == 0:
        asyncio.run(_append(folder, times=1))
    os.waitpid(child, 0)
    _verify(folder, signer.verifier, seen, told)
    return told


async def _append(folder: Path, times: int | None) -> None:
    settings = rapport_settings(folder)
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    log = TransparencyLog(settings.log_folder, LogSigner(settings.log_name, settings.log_key), ledger)
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    done = 0
    while times is None or done < times:
        entries = [trail.entry(Kind.LAUNCH, Actor("Practitioner/1")) for _ in range(_ENTRIES_AT_ONCE)]
        await asyncio.gather(*(ledger.record(each) for each in entries))
        await log.advance()
        done += 1
    ledger.close()
    os._exit(0)


def _compare(tiles: Tiles, key: str, seen: list[bytes], note: bytes, told: Killed) -> None:
    new = open_checkpoint(note, key)
    old = open_checkpoint(seen[-1], key) if seen else Checkpoint(new.origin, 0, tiles.root(0))
    try:
        proof = consistency_proof(tiles.subtree, old.size, new.size)
        verify_consistency(old.size, old.root, new.size, new.root, proof)
    except (ValueError, ProofInvalid, TileDamaged) as error:
        told.forks.append(f"{old.size} to {new.size}: {error}")


def _verify(folder: Path, key: str, seen: list[bytes], told: Killed) -> None:
    settings, progress = rapport_settings(folder), Progress()
    for older in seen[:: max(1, len(seen) // 5)]:
        verifier = Verifier(
            load_catalogue(), {}, Vault(settings.vault_keys), Tiles(settings.log_folder), key, older
        )
        engine = open_database(settings.database)
        with engine.connect() as connection:
            told.flaws += [
                f"{each.flaw} {each.where}: {each.what}" for each in verifier.verify(connection, progress)
            ]
        told.entries = progress.audit_entries
        progress = Progress()
        engine.dispose()


if __name__ == "__main__":
    print(json.dumps(asdict(kill(Path(sys.argv[1]), int(sys.argv[2])))))
