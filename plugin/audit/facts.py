"""What an entry tells of the row that was made or changed with it: one detail a column, so that the row can be held against it.

Rows that change (launches, invitations, where a note stands) are no leaves of the log; their entries are.
"""

from collections.abc import Mapping
from datetime import datetime

Facts = tuple[tuple[str, str], ...]

# Of each table: the columns that never change, told by the entry of the row's making. Who, patient and site are the entry's own.
MADE: Mapping[str, tuple[str, ...]] = {
    "launch": ("created", "encounter", "expires", "role_codes"),
    "invitation": (
        "created",
        "launch",
        "encounter",
        "rater",
        "source",
        "author",
        "instrument",
        "language",
        "expires",
        "remote",
        "answered_on",
        "gate",
    ),
}
ISSUER, FHIR_USER, SCOPES = "issuer", "fhirUser", "scopes"
"""What a launch's entry tells of its authority beside its columns: the ledger keeps it nowhere else once the tokens are gone."""


def made(table: str, row: Mapping[str, object]) -> Facts:
    """Write down what never changes of a row."""
    return written({name: row.get(name) for name in MADE[table]})


def written(row: Mapping[str, object]) -> Facts:
    """Write values as an entry tells them; what is empty is left out."""
    return tuple((name, as_text(value)) for name, value in row.items() if value not in (None, ""))


def as_text(value: object) -> str:
    """Write one value: a moment to the microsecond, yes and no as FHIR does."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
