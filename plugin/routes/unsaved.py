"""Notes that are being written in this process: a hand-over in another tab takes the page away, and not the text."""

from datetime import datetime

from plugin.access.sessions import LONGEST
from plugin.ledger import Vault

MOST = 1000  # sign-ins with a text; beyond it the oldest goes


class UnsavedNotes:
    """By launch: the text of its draft, sealed, as long as a sign-in lasts at most."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[datetime, bytes]] = {}

    def keep(self, vault: Vault, launch: str, text: str, now: datetime) -> None:
        """Keep a text in the place of what was kept before."""
        self.drop(launch)
        self._kept[launch] = now, vault.seal("draft", launch, text.encode())
        over = [each for each, (since, _) in self._kept.items() if since < now - LONGEST]
        for each in over or list(self._kept)[: max(0, len(self._kept) - MOST)]:
            self.drop(each)

    def read(self, vault: Vault, launch: str) -> str | None:
        """Give the text that is kept; None if there is none."""
        kept = self._kept.get(launch)
        return None if kept is None else vault.open("draft", launch, kept[1]).decode()

    def drop(self, launch: str) -> None:
        """Forget what is kept of a launch: it was saved, or the sign-in is over."""
        self._kept.pop(launch, None)
