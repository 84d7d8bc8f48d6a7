"""Whom an erasure is about: a keyed digest instead of a name; without a patient, it is the site's own retention."""

from plugin.ledger import Vault

_PURPOSE = "erased"


def subjects_of(vault: Vault, site: str, patient: str = "") -> tuple[str, ...]:
    """Give the digests under every key, the one that is written first."""
    return vault.digests(_PURPOSE, f"{site}\n{patient}")
