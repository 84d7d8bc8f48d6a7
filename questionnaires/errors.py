"""Errors of the catalogue: one class per reaction.

CatalogueError
├── UnknownQuestionnaire      use one that the catalogue holds, or add its folder
├── UnversionedQuestionnaire  name the version: url|version
├── BadInstrument             correct the named places of the instrument's files
└── BadWordingPack            correct the named places of the wording pack
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of an instrument, where, and what to do."""

    found: str
    remedy: str
    link_id: str | None = None

    def __str__(self) -> str:
        place = f"linkId {self.link_id}: " if self.link_id else ""
        return f"{place}{self.found}. {self.remedy}."


class CatalogueError(Exception):
    """Something is wrong with an instrument, or with the way it was asked for."""


class UnknownQuestionnaire(CatalogueError):
    """No instrument of the catalogue has this id or canonical address and version."""


class UnversionedQuestionnaire(CatalogueError):
    """A canonical address without its version: which key counts could not be told later."""


class _BadFile(CatalogueError):
    def __init__(self, file: PurePath | str, problems: Sequence[Problem]) -> None:
        self.file = str(file)
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{self.file}: {problem}" for problem in self.problems))


class BadInstrument(_BadFile):
    """Files of an instrument that cannot be used; `problems` names every place and remedy."""


class BadWordingPack(_BadFile):
    """A wording pack that does not fit its instrument; `problems` names every place and remedy."""
