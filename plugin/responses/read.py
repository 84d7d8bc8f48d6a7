"""Reads bytes into a Response, or says everything that is wrong with them."""

import msgspec

from plugin.responses.errors import Issue, UnreadableResponse
from plugin.responses.resource import Response
from questionnaires.datatypes import decoder
from questionnaires.strict import find_blemishes, is_clean

_ROOT = "QuestionnaireResponse"


def read_response(data: bytes) -> Response:
    """Decode a QuestionnaireResponse strictly.

    UnreadableResponse holds every problem: broken JSON, doubled keys, nulls, empty objects and arrays, unknown
    properties, wrong JSON types, malformed codes, dates and numbers, unknown status, no questionnaire.
    """
    try:
        response: Response = decoder(Response).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    else:
        if is_clean(data):
            return response
    issues = tuple(
        Issue(each.code, each.link_id, each.path, f"{each.found}.", f"{each.remedy}.")
        for each in find_blemishes(data, Response, _ROOT)
    )
    if not issues:
        # JSON in its form, and still no text: half of a surrogate pair, for instance.
        found, remedy = "A text holds a character that is not Unicode.", "Send it as UTF-8, whole characters."
        issues = (Issue("value", None, _ROOT, found, remedy),)
    raise UnreadableResponse(issues)
