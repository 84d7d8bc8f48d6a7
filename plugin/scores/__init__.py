"""Stage 4, SCORE: what the answers amount to. The key comes from the Questionnaire; computing is pure."""

from plugin.scores.compute import Score, compute
from plugin.scores.errors import BadExpression
from plugin.scores.key import Key, compile_key
from plugin.scores.together import needed_together, only_together, tells_together

__all__ = [
    "BadExpression",
    "Key",
    "Score",
    "compile_key",
    "compute",
    "needed_together",
    "only_together",
    "tells_together",
]
