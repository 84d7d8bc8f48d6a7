"""Tokens of other apps that an EHR has accepted: they are asked about even where many wrong ones come from."""

from plugin.ledger import Vault

_MOST = 1000


class KnownTokens:
    """Remembers keyed digests of the newest ones, in this process alone."""

    def __init__(self) -> None:
        self._digests: dict[str, None] = {}

    def add(self, vault: Vault, token: str) -> None:
        """Remember one."""
        self.remove(vault, token)
        self._digests[vault.digest("token", token)] = None
        if len(self._digests) > _MOST:
            del self._digests[next(iter(self._digests))]

    def remove(self, vault: Vault, token: str) -> None:
        """Forget one: it is accepted no more."""
        self._digests.pop(vault.digest("token", token), None)

    def has(self, vault: Vault, token: str) -> bool:
        """Whether it was accepted."""
        return vault.digest("token", token) in self._digests
