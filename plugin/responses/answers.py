"""The answers of a checked response, as scoring takes them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from plugin.responses.errors import Issue

DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DECLINED = "asked-declined"


class Reason(StrEnum):
    """Why there is no answer, beyond not wanting to give one: codes of HL7's data-absent-reason."""

    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "asked-unknown"
    UNSAID = "unknown"  # asked why, and no reason was chosen


class Absent(msgspec.Struct, frozen=True):
    """No answer, with a reason other than not wanting to give one (that is None)."""

    absent: Reason


class Given(msgspec.Struct, frozen=True):
    """One answer: how it is written (code, number, text), and its weight in the key, if it has one."""

    code: str
    weight: Decimal | None = None
    number: Decimal | None = None
    system: str | None = None


class Answers(msgspec.Struct, frozen=True):
    """What was answered: linkId -> answers, in the order of the form; computed items are never among them.

    `declined` are the questions that somebody chose not to answer, `absent` those with another reason: linkId -> code of
    HL7's data-absent-reason. Neither is a missing answer to whoever reads it; no score counts them. `warnings` did not
    stop the response.
    """

    given: Mapping[str, tuple[Given, ...]]
    declined: frozenset[str] = frozenset()
    warnings: tuple[Issue, ...] = ()
    absent: Mapping[str, str] = msgspec.field(default_factory=dict)
