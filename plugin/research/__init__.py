"""De-identified administrations for research: who may be told of, what of them, and how. Pure; no I/O."""

from plugin.research.circumstances import Circumstances, read_circumstances
from plugin.research.consent import Consents, Rule, read_consents
from plugin.research.deidentify import Disguise, suppress, tells_shift
from plugin.research.medicines import MedicineClasses
from plugin.research.rows import COLUMNS, Administration, ScoreColumn
from plugin.research.sessions import bands_told

__all__ = [
    "COLUMNS",
    "Administration",
    "Circumstances",
    "Consents",
    "Disguise",
    "MedicineClasses",
    "Rule",
    "ScoreColumn",
    "bands_told",
    "read_circumstances",
    "read_consents",
    "suppress",
    "tells_shift",
]
