"""The ledger: our durable account of launches, responses, deliveries and audit entries."""

from plugin.ledger.appending import insert_into
from plugin.ledger.rows import (
    append_row,
    as_sealed,
    change_rows,
    check_fits,
    insert_new,
    insert_row,
    remove_rows,
    row_fits,
    save_row,
)
from plugin.ledger.store import AuditRow, Ledger, note_for_log
from plugin.ledger.vault import SealBroken, Vault

__all__ = [
    "AuditRow",
    "Ledger",
    "SealBroken",
    "Vault",
    "append_row",
    "as_sealed",
    "change_rows",
    "check_fits",
    "insert_into",
    "insert_new",
    "insert_row",
    "note_for_log",
    "remove_rows",
    "row_fits",
    "save_row",
]
