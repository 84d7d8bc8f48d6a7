"""How long a site keeps what: `[site.retention]`. What is not named is kept."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LEAST_AUDIT_DAYS = 2192
"""Six years, the longest six of which have two leap days: what 45 CFR 164.316(b)(2)(i) asks of documentation under HIPAA."""
_MOST_DAYS = 36_600


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each is kept after its end; None: for good."""

    drafts: timedelta | None = None  # forms that were not sent, after their time was over
    launches: timedelta | None = None  # tokens and context, after the launch ended
    answers: timedelta | None = None  # answers, results and notes, after delivery
    attempts: timedelta | None = None  # tries that did not deliver, of what was delivered since
    audit: timedelta | None = None  # entries about patients of whom nothing else is kept

    @property
    def removes_something(self) -> bool:
        """Whether anything is removed at all."""
        return self != Retention()


_Days = Annotated[int, Field(ge=1, le=_MOST_DAYS)]


class RetentionSection(BaseModel):
    """`[site.retention]` as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drafts_days: _Days | None = None
    launches_days: _Days | None = None
    answers_days: _Days | None = None
    attempts_days: _Days | None = None
    audit_days: Annotated[int, Field(ge=LEAST_AUDIT_DAYS, le=_MOST_DAYS)] | None = None


def build_retention(section: RetentionSection) -> Retention:
    """Turn the section into values."""

    def length(days: int | None) -> timedelta | None:
        return None if days is None else timedelta(days=days)

    return Retention(
        drafts=length(section.drafts_days),
        launches=length(section.launches_days),
        answers=length(section.answers_days),
        attempts=length(section.attempts_days),
        audit=length(section.audit_days),
    )
