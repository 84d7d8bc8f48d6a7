"""The ledger: our durable account of launches, responses, deliveries and audit entries."""

from plugin.ledger.appending import insert_into
from plugin.ledger.store import AuditRow, Ledger, note_for_log
from plugin.ledger.vault import SealBroken, Vault

__all__ = ["AuditRow", "Ledger", "SealBroken", "Vault", "insert_into", "note_for_log"]
