"""The part of a site's TOML section that has responses found which the EHR collected itself, and what it comes to."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from smart_launch import Scopes


@dataclass(frozen=True, slots=True)
class Collecting:
    """How one site is searched: `way` is what is wanted; `since` None: from the first look on."""

    way: Literal["auto", "subscription", "polling"] = "auto"
    every: timedelta = timedelta(seconds=60)
    overlap: timedelta = timedelta(seconds=300)
    since: datetime | None = None
    topic: str | None = None
    heartbeat: timedelta = timedelta(seconds=60)


class CollectedSection(BaseModel):
    """`[site.collected]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    way: Literal["auto", "subscription", "polling"] = "auto"
    poll_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    overlap_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    since: AwareDatetime | None = None
    topic: str | None = None
    heartbeat_seconds: Annotated[int, Field(ge=10, le=86_400)] = 60


def build_collecting(section: CollectedSection | None, backend_scopes: tuple[str, ...]) -> Collecting | None:
    """Turn the section into values; ValueError if Rapport has no token of its own to look with."""
    if section is None:
        return None
    scopes = Scopes.parse(" ".join(backend_scopes))
    if not scopes.allows("QuestionnaireResponse", "rs"):
        raise ValueError(
            "[site.collected] needs backend_scopes with system/QuestionnaireResponse.rs: "
            "nobody is signed in when Rapport looks."
        )
    return Collecting(
        way=section.way,
        every=timedelta(seconds=section.poll_seconds),
        overlap=timedelta(seconds=section.overlap_seconds),
        since=section.since.astimezone(UTC) if section.since else None,
        topic=section.topic,
        heartbeat=timedelta(seconds=section.heartbeat_seconds),
    )
