"""Alliance instruments as SDC Questionnaires: what is asked and how it counts."""

from questionnaires.adopting import DEFAULT_BASE, Manner
from questionnaires.catalogue import Catalogue
from questionnaires.errors import (
    BadInstrument,
    BadWordingPack,
    CatalogueError,
    Problem,
    UnknownQuestionnaire,
    UnversionedQuestionnaire,
)
from questionnaires.loader import load_instrument
from questionnaires.model import Code, Condition, Instrument, Item, Option, Rater, ScoreItem, Wording, walk
from questionnaires.stock import LeftOut, Stock, find_forms, load_catalogue, load_earlier, load_stock

__all__ = [
    "DEFAULT_BASE",
    "BadInstrument",
    "BadWordingPack",
    "Catalogue",
    "CatalogueError",
    "Code",
    "Condition",
    "Instrument",
    "Item",
    "LeftOut",
    "Manner",
    "Option",
    "Problem",
    "Rater",
    "ScoreItem",
    "Stock",
    "UnknownQuestionnaire",
    "UnversionedQuestionnaire",
    "Wording",
    "find_forms",
    "load_catalogue",
    "load_earlier",
    "load_instrument",
    "load_stock",
    "walk",
]
