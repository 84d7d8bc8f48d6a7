"""What a site decides about the people who answer: whose consent comes first, what is shared, who sees a score."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class RespondentPolicy:
    """One site's decisions; as they stand here, nothing is asked beyond the form and nobody who answers sees a score."""

    consent_below_age: int = 0  # a caregiver agrees before a younger child answers; 0: never asked
    consent_days: int = 365  # how long that counts
    link_with_caregiver: bool = False  # a link may go to a child under link_from_age, for a caregiver to open
    ask_before_sharing: bool = False  # the young person decides whether single answers may be read
    show_score_to: frozenset[str] = frozenset()  # raters who see the result after sending
    ask_why_skipped: bool = False
    whole_form_from_age: int = (
        0  # young people's forms from this age show all questions at once; 0: none does
    )


class RespondentsSection(BaseModel):
    """`[site.respondents]` as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consent_below_age: Annotated[int, Field(ge=0, le=25)] = 0
    consent_days: Annotated[int, Field(ge=1, le=3660)] = 365
    link_with_caregiver: bool = False
    ask_before_sharing: bool = False
    show_score_to: tuple[Literal["child", "caregiver", "observer"], ...] = ()
    ask_why_skipped: bool = False
    whole_form_from_age: Annotated[int, Field(ge=0, le=25)] = 0


def build_respondents(section: RespondentsSection) -> RespondentPolicy:
    """Turn the section into values."""
    return RespondentPolicy(
        consent_below_age=section.consent_below_age,
        consent_days=section.consent_days,
        link_with_caregiver=section.link_with_caregiver,
        ask_before_sharing=section.ask_before_sharing,
        show_score_to=frozenset(section.show_score_to),
        ask_why_skipped=section.ask_why_skipped,
        whole_form_from_age=section.whole_form_from_age,
    )
