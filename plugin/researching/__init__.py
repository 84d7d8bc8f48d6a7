"""Makes a research export of one site: reads ledger and record, takes people out, writes table and codebook."""

from plugin.researching.accounting import gather_accounted
from plugin.researching.gathering import Gathered, Gatherer
from plugin.researching.writing import told_count, write_export, zip_export

__all__ = ["Gathered", "Gatherer", "gather_accounted", "told_count", "write_export", "zip_export"]
