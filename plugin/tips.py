"""What to do next: short tips as data, each with the occasion it belongs to and its source. A site may edit them."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Occasion(StrEnum):
    """What scores or circumstances show; each of one rater, or of two side by side. The weightiest first."""

    RUPTURE_YOUNG = "rupture-young"
    DROP_YOUNG = "drop-young"
    DIVERGENCE = "divergence"
    RUPTURE_CAREGIVER = "rupture-caregiver"
    RUPTURE_THERAPIST = "rupture-therapist"
    DROP_CAREGIVER = "drop-caregiver"
    DROP_THERAPIST = "drop-therapist"
    GOAL_DIVERGENCE = "goal-divergence"
    LOW_GOAL = "low-goal"
    LOW_TASK = "low-task"
    LOW_BOND = "low-bond"
    CAREGIVER_UNHEARD = "caregiver-unheard"
    UNDER_11 = "under-11"
    REMOTE = "remote"
    EARLY = "early"


@dataclass(frozen=True, slots=True)
class Tip:
    """One tip, in `language`: what to do, on which occasion, and who says so."""

    id: str
    when: Occasion
    text: str
    source: str
    link: str
    language: str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tip(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    when: Occasion
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=300)]
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5)]  # no tip without one
    link: Annotated[str, Field(pattern=r"^https://\S+$")] | None = None


class _File(_Strict):
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")] = "en"
    leave_out: tuple[str, ...] = ()
    tip: tuple[_Tip, ...] = ()


def shipped_tips() -> tuple[Tip, ...]:
    """Give the tips that come with Rapport."""
    return _tips(_parse((files("plugin") / "tips.toml").read_text(encoding="utf-8"), "tips.toml"))


def told_in(tip: Tip, language: str) -> Tip:
    """Give a shipped tip in an interface language; a site's own stays as the site wrote it."""
    if tip not in _shipped():
        return tip
    text = _translations().get(language, {}).get(tip.id)
    return replace(tip, text=text, language=language) if text else tip


@cache
def _shipped() -> tuple[Tip, ...]:
    return shipped_tips()


@cache
def _translations() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("plugin") / "tips_translated.toml").read_text(encoding="utf-8"))


def read_tips(path: Path) -> tuple[Tip, ...]:
    """Read a site's file: a tip takes the place of the shipped one of its id, or stands before those of its occasion.

    `leave_out` names those to drop: of an occasion with many tips the first are shown.

    ValueError names the file, the place and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"The tips {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"The tips {path} are not UTF-8 text (byte {error.start}).") from None
    file = _parse(text, str(path))
    shipped = {each.id: each for each in shipped_tips()}
    own = {each.id: each for each in _tips(file)}
    if unknown := sorted(set(file.leave_out) - set(shipped)):
        raise ValueError(f"{path} leaves out tips that are not shipped: {', '.join(unknown)}.")
    added = {name: each for name, each in own.items() if name not in shipped}
    known = {**added, **shipped, **own}
    return tuple(each for each in known.values() if each.id not in file.leave_out)


def fitting_tips(tips: Sequence[Tip], occasions: Sequence[Occasion], *, most: int) -> tuple[Tip, ...]:
    """Choose at most `most` tips, the weightiest occasion first; of each occasion one before a second of any."""
    by_occasion = [[tip for tip in tips if tip.when == each] for each in Occasion if each in occasions]
    rounds = max((len(each) for each in by_occasion), default=0)
    chosen = [each[place] for place in range(rounds) for each in by_occasion if place < len(each)]
    return tuple(chosen[:most])


def _parse(text: str, name: str) -> _File:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"The tips {name} are not valid TOML: {error}.") from None
    try:
        return _File.model_validate(content)
    except pydantic.ValidationError as error:
        problems = "; ".join(f"{_place(content, each['loc'])}: {each['msg']}" for each in error.errors())
        raise ValueError(f"The tips {name} cannot be used: {problems}.") from None


def _place(content: dict[str, object], loc: tuple[int | str, ...]) -> str:
    """Say where something stands: a tip by its place, counted from 0, and by its id as far as it has one."""
    parts, tips = [str(part) for part in loc], content.get("tip")
    if loc[0] == "tip" and isinstance(tips, list) and len(loc) > 1 and isinstance(loc[1], int):
        found = tips[loc[1]]
        own = found.get("id") if isinstance(found, dict) else None
        parts[1] += f" ({own})" if isinstance(own, str) and own else ""
    return ".".join(parts)


def _tips(file: _File) -> tuple[Tip, ...]:
    ids = [each.id for each in file.tip]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"Tips are there twice: {', '.join(twice)}. Give each its own id.")
    return tuple(
        Tip(each.id, each.when, each.text, each.source, each.link or "", file.language) for each in file.tip
    )
