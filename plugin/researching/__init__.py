"""Makes a research export of one site: reads ledger and record, takes people out, writes table and codebook."""

from plugin.researching.accounting import check_kept, check_purpose, export_accounted
from plugin.researching.asking_first import AskFirst, Doubt
from plugin.researching.earlier import Earlier
from plugin.researching.gathering import Gathered, Gatherer, LeftOut
from plugin.researching.listing import MOST_LISTED, Export, list_exports
from plugin.researching.made import Made, count_made
from plugin.researching.writing import can_write_parquet, write_export, zip_export

__all__ = [
    "MOST_LISTED",
    "AskFirst",
    "Doubt",
    "Earlier",
    "Export",
    "Gathered",
    "Gatherer",
    "LeftOut",
    "Made",
    "can_write_parquet",
    "check_kept",
    "check_purpose",
    "count_made",
    "export_accounted",
    "list_exports",
    "write_export",
    "zip_export",
]
