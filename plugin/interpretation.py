"""What a site accepts beyond arithmetic: which scores are interpreted, by which published criteria, on whose word.

Nothing of it is on unless `[site.interpretation]` stands in the settings: reading ruptures or divergence out of scores may make
the software a medical device where the site works, so somebody there decides it by name.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from plugin.tips import Tip, read_tips, shipped_tips

Rupture = Literal["none", "gumz-1sd", "gumz-2sd", "tukey", "any"]
"""How large a fall is marked; what each means stands in `plugin.trends.sequences`."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What one site has accepted. Each number that no study gives is the site's own (docs: reference/interpretation.md)."""

    accepted_by: str
    accepted_on: date
    instruments: tuple[str, ...]
    rupture: Rupture
    sessions_before: int
    repair_within: int
    smallest_fall: float
    divergence: float
    low: float | None = None  # SDs below the site's own mean; None: no score is called low
    tips: tuple[Tip, ...] = ()


class InterpretationSection(BaseModel):
    """`[site.interpretation]` as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted_by: Annotated[str, Field(min_length=2)]
    accepted_on: date
    instruments: Annotated[tuple[str, ...], Field(min_length=1)]
    rupture: Rupture = "none"
    sessions_before: Annotated[int, Field(ge=3, le=20)] = 5
    repair_within: Annotated[int, Field(ge=1, le=20)] = 3
    smallest_fall: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1 / 12
    divergence: Annotated[float, Field(gt=0, le=5, allow_inf_nan=False)] = 1.0
    low: Annotated[float, Field(gt=0, le=5, allow_inf_nan=False)] | None = None
    tips: bool | str = True


def build_interpretation(section: InterpretationSection | None, folder: Path) -> Interpretation | None:
    """Give what the site has accepted; None where it has accepted nothing.

    Its file of tips is looked for in `folder`. ValueError if that cannot be used.
    """
    if section is None:
        return None
    tips = read_tips(folder / section.tips) if isinstance(section.tips, str) else shipped_tips()
    return Interpretation(
        accepted_by=section.accepted_by,
        accepted_on=section.accepted_on,
        instruments=section.instruments,
        rupture=section.rupture,
        sessions_before=section.sessions_before,
        repair_within=section.repair_within,
        smallest_fall=section.smallest_fall,
        divergence=section.divergence,
        low=section.low,
        tips=() if section.tips is False else tips,
    )
