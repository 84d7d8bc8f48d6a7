"""Whether the EHR's record still says what was delivered to it: read anew, and compared with the ledger."""

from plugin.comparing.access import RecordReader, RecordUnreadable, SystemReader, TokenReader
from plugin.comparing.chart import Tally
from plugin.comparing.comparison import Comparison

__all__ = ["Comparison", "RecordReader", "RecordUnreadable", "SystemReader", "Tally", "TokenReader"]
