"""Whether the EHR's record still says what was delivered to it: read anew, and compared with the ledger."""

from plugin.comparing.access import RecordUnreadable, SystemReader
from plugin.comparing.chart import Tally
from plugin.comparing.comparison import Comparison

__all__ = ["Comparison", "RecordUnreadable", "SystemReader", "Tally"]
