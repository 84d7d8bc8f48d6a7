"""Makes a research export of one site: reads ledger and record, takes people out, writes table and codebook."""

from plugin.researching.accounting import check_purpose, gather_accounted
from plugin.researching.earlier import Earlier, overlapping
from plugin.researching.gathering import Gathered, Gatherer, LeftOut
from plugin.researching.writing import can_write_parquet, told_forms, told_people, write_export, zip_export

__all__ = [
    "Earlier",
    "Gathered",
    "Gatherer",
    "LeftOut",
    "can_write_parquet",
    "check_purpose",
    "gather_accounted",
    "overlapping",
    "told_forms",
    "told_people",
    "write_export",
    "zip_export",
]
