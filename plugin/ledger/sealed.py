"""Which columns hold sealed values, and how a row is named to the vault."""

from collections.abc import Mapping

import sqlalchemy as sa

SEALED: Mapping[str, Mapping[str, str]] = {
    "pending_launch": {"sealed_pending": "pending"},
    "launch": {"sealed_context": "launch", "sealed_note": "unsaved-note"},
    "invitation": {"sealed_draft": "draft"},
    "response": {"sealed_body": "response", "sealed_results": "results"},
    "revision": {"sealed_body": "response", "sealed_results": "results"},
    "rescoring": {"sealed_results": "rescoring"},
    "note": {"sealed_text": "note"},
    "sign_off": {"sealed_comment": "sign-off"},
    "audit": {"sealed_resource": "audit"},
}
"""What is sealed, by table and column, with the purpose it is sealed for."""
_ROW_OF = {"pending_launch": "state", "audit": "event"}


def row_of(table: sa.Table) -> sa.Column[str]:
    """Give the column whose value names a row of a table to the vault."""
    found: sa.Column[str] = table.c[_ROW_OF.get(table.name, "id")]
    return found
