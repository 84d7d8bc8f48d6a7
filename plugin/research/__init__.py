"""De-identified administrations for research: who may be told of, what of them, and how. Pure; no I/O."""

from plugin.research.circumstances import Circumstances, read_circumstances
from plugin.research.consent import Consents, Rule, read_consents
from plugin.research.deidentify import Disguise, suppress
from plugin.research.medicines import MedicineClasses
from plugin.research.rows import COLUMNS, Administration, ScoreColumn

__all__ = [
    "COLUMNS",
    "Administration",
    "Circumstances",
    "Consents",
    "Disguise",
    "MedicineClasses",
    "Rule",
    "ScoreColumn",
    "read_circumstances",
    "read_consents",
    "suppress",
]
