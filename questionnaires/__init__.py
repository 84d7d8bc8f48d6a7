"""Alliance instruments as SDC Questionnaires: what is asked and how it counts."""

from questionnaires.catalogue import Catalogue
from questionnaires.errors import (
    BadInstrument,
    BadWordingPack,
    CatalogueError,
    Problem,
    UnknownQuestionnaire,
    UnversionedQuestionnaire,
)
from questionnaires.loader import load_catalogue, load_instrument
from questionnaires.model import Code, Condition, Instrument, Item, Option, Rater, ScoreItem, Wording, walk

__all__ = [
    "BadInstrument",
    "BadWordingPack",
    "Catalogue",
    "CatalogueError",
    "Code",
    "Condition",
    "Instrument",
    "Item",
    "Option",
    "Problem",
    "Rater",
    "ScoreItem",
    "UnknownQuestionnaire",
    "UnversionedQuestionnaire",
    "Wording",
    "load_catalogue",
    "load_instrument",
    "walk",
]
