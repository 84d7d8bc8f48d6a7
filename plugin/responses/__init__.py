"""Stage 3, RESPONSE: what was answered. Read bytes, check them against their form, build them from a form filled here."""

from plugin.responses.answers import Answers, Given
from plugin.responses.at_home import as_kept, is_own, own_reference
from plugin.responses.build import build_response
from plugin.responses.check import check_response
from plugin.responses.errors import (
    InvalidResponse,
    Issue,
    ResponseError,
    UnfinishedResponse,
    UnreadableResponse,
)
from plugin.responses.places import check_places
from plugin.responses.read import read_response
from plugin.responses.resource import Head, Response
from plugin.responses.take import Taken, take_answers, take_response
from plugin.responses.whose import check_whose

__all__ = [
    "Answers",
    "Given",
    "Head",
    "InvalidResponse",
    "Issue",
    "Response",
    "ResponseError",
    "Taken",
    "UnfinishedResponse",
    "UnreadableResponse",
    "as_kept",
    "build_response",
    "check_places",
    "check_response",
    "check_whose",
    "is_own",
    "own_reference",
    "read_response",
    "take_answers",
    "take_response",
]
