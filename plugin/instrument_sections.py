"""The settings of instruments of a site's own: `[instruments]` of the TOML file, and what it comes to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from questionnaires import DEFAULT_BASE, Manner, Rater

_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,80}$")]
_Address = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
_Canonical = Annotated[str, Field(pattern=r"^[^\s|]+\|[^\s|]+$")]


@dataclass(frozen=True, slots=True)
class Pinned:
    """A form on a FHIR server: `canonical` with its version, kept here under `id`; `token` is its variable's name."""

    id: str
    canonical: str
    server: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class OwnForms:
    """How forms of a site's own are taken in; `store` keeps the fetched ones."""

    manner: Manner = field(default_factory=Manner)
    pinned: tuple[Pinned, ...] = ()
    store: Path | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Form(_Strict):
    id: _Id
    rater: Rater


class _Fetched(_Strict):
    id: _Id
    canonical: _Canonical
    server: _Address
    rater: Rater | None = None
    token_env: str | None = None


class InstrumentsSection(_Strict):
    """What an installation may set about instruments of its own."""

    rater: Rater | None = None
    base: _Address = DEFAULT_BASE
    store: str = "fetched-instruments"
    form: tuple[_Form, ...] = ()
    canonical: tuple[_Fetched, ...] = ()


def build_own_forms(section: InstrumentsSection, folder: Path) -> OwnForms:
    """Turn the section into values, paths relative to `folder`; ValueError for what contradicts itself."""
    ids = [each.id for each in section.canonical]
    if len(set(ids)) != len(ids):
        raise ValueError(f"[[instruments.canonical]] names an id twice: {', '.join(ids)}.")
    raters = {each.id: each.rater for each in section.form}
    raters |= {each.id: each.rater for each in section.canonical if each.rater is not None}
    return OwnForms(
        manner=Manner(rater=section.rater, raters=raters, base=section.base.rstrip("/")),
        pinned=tuple(
            Pinned(each.id, each.canonical, each.server.rstrip("/"), each.token_env)
            for each in section.canonical
        ),
        store=folder / section.store,
    )
