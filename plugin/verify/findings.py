"""What verification finds, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Flaw(StrEnum):
    """What can be wrong."""

    MISMATCH = "mismatch"  # a stored score is not what its answers give
    MISSING_VALUE = "missing-value"  # a score has no value, and its answers give one
    OUT_OF_RANGE = "out-of-range"  # a value that no answers can give
    ALTERED = "altered"  # a row is not what was logged
    DELETED = "deleted"  # a logged row is gone, and was not erased
    NOT_LOGGED = "not-logged"  # a row that the log has never seen
    DUPLICATE = "duplicate"  # twice what can be once only
    ORPHAN = "orphan"  # a response without delivery, or a delivery or attempt without response
    WRONG_RATER = "wrong-rater"
    WRONG_VERSION = "wrong-version"  # answers, row or Provenance name another version of the form
    WRONG_KEY = "wrong-key"  # the version is the same and the key is not
    NOT_VERIFIABLE = "not-verifiable"  # its form is not installed in this version
    PROVENANCE = "provenance"  # it tells another origin than the row
    STATE = "state"  # a delivery does not follow from its attempts
    TRAIL = "trail"  # an audit entry is not what it was, or one is wanting
    LOG = "log"  # tiles, leaves or checkpoint do not fit
    MISSING = "missing"  # what was delivered does not stand in the EHR
    STALE = "stale"  # the response is newer, or another, than what was scored
    WRONG_SUBJECT = "wrong-subject"
    WRONG_DATE = "wrong-date"
    WRONG_CODE = "wrong-code"
    FILE = "file"  # a file of an export is not what was signed, is missing, or does not belong there


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
    told: Callable[[], None] = _nobody

    @property
    def done(self) -> int:
        """All that has been looked at."""
        return self.responses + self.audit_entries + self.leaves + self.published

    def counts(self) -> dict[str, int]:
        """Give what is told at the end."""
        names = ("responses", "audit_entries", "leaves", "erased")
        return {name: getattr(self, name) for name in names}
