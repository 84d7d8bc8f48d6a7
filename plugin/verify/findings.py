"""What verification finds, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Flaw(StrEnum):
    """What can be wrong."""

    MISMATCH = "mismatch"
    MISSING_VALUE = "missing-value"
    OUT_OF_RANGE = "out-of-range"
    ALTERED = "altered"
    DELETED = "deleted"
    NOT_LOGGED = "not-logged"
    DUPLICATE = "duplicate"
    ORPHAN = "orphan"
    WRONG_RATER = "wrong-rater"
    WRONG_VERSION = "wrong-version"
    WRONG_KEY = "wrong-key"
    NOT_VERIFIABLE = "not-verifiable"
    PROVENANCE = "provenance"
    STATE = "state"
    TRAIL = "trail"
    LOG = "log"
    SCHEMA = "schema"
    MISSING = "missing"
    STALE = "stale"
    WRONG_SUBJECT = "wrong-subject"
    WRONG_DATE = "wrong-date"
    WRONG_CODE = "wrong-code"
    FILE = "file"


MEANING = {
    Flaw.MISMATCH: "A score is not what its answers give, or its copy in the EHR is not what was delivered.",
    Flaw.MISSING_VALUE: "A score has no value, and its answers give one.",
    Flaw.OUT_OF_RANGE: "A value that no answers can give.",
    Flaw.ALTERED: "A row is not what was logged, or what the trail tells of it.",
    Flaw.DELETED: "A logged row is gone.",
    Flaw.NOT_LOGGED: "A row that the log has never seen, or could not take.",
    Flaw.DUPLICATE: "Twice what can be once only.",
    Flaw.ORPHAN: "Something that belongs to nothing: a response without delivery, a result without response.",
    Flaw.WRONG_RATER: "Somebody else is named as having answered.",
    Flaw.WRONG_VERSION: "Another form, or another version of it, is named than the one that scored.",
    Flaw.WRONG_KEY: "The form has the same version and another key than the one that scored.",
    Flaw.NOT_VERIFIABLE: "The form is not installed in this version: its scores were not recomputed.",
    Flaw.PROVENANCE: "The Provenance tells another origin than the ledger.",
    Flaw.STATE: "A delivery, an invitation or a launch does not follow from what was done and told.",
    Flaw.TRAIL: "An audit entry is not what it was, or one is wanting.",
    Flaw.LOG: "Rows, tiles and signed checkpoint of the transparency log do not fit.",
    Flaw.SCHEMA: "The database has another schema than this software made, something in it that Rapport did not make, "
    "or an index that leaves rows out.",
    Flaw.MISSING: "What was delivered does not stand in the EHR.",
    Flaw.STALE: "The answers are newer, or others, than what was scored.",
    Flaw.WRONG_SUBJECT: "It stands in the record of somebody else.",
    Flaw.WRONG_DATE: "Its date is another one.",
    Flaw.WRONG_CODE: "It stands under another code.",
    Flaw.FILE: "A file of the export is not what was signed, is missing, or does not belong there.",
}
"""What each kind of flaw says, for people."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw: where it is, and what was found in a sentence without health data."""

    flaw: Flaw
    where: str
    what: str


def _nobody() -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Progress:
    """How many of what have been looked at; `told` is called every now and then."""

    responses: int = 0
    audit_entries: int = 0
    leaves: int = 0
    erased: int = 0
    published: int = 0  # entries in the log's files
    total: int = 0  # of all these but the erased; 0: not known
    not_looked_at: list[str] = field(default_factory=list)
    told: Callable[[], None] = _nobody

    @property
    def done(self) -> int:
        """All that has been looked at."""
        return self.responses + self.audit_entries + self.leaves + self.published

    def counts(self) -> dict[str, int]:
        """Give what is told at the end."""
        names = ("responses", "audit_entries", "leaves", "erased")
        return {name: getattr(self, name) for name in names}
