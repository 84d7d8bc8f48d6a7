"""Takes a response as it came: reads and checks it, quickly if it is as nearly all are, else at length."""

from typing import NamedTuple

from plugin.responses.answers import Answers
from plugin.responses.at_home import as_kept, at_home
from plugin.responses.check import check_response
from plugin.responses.errors import Issue, UnfinishedResponse
from plugin.responses.read import read_response
from plugin.responses.resource import Head
from plugin.responses.usual import part, read_usual
from questionnaires import Catalogue, Instrument

# "changes or additions are still expected"; after `stopped` none are: https://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html
_DRAFT = "in-progress"
_WHEN_COMPLETED = "Send it when it is completed, with that status."


class Taken(NamedTuple):
    """A response that fits its form: what it says of itself, the form, the answers."""

    head: Head
    instrument: Instrument
    answers: Answers


def take_response(
    data: bytes, catalogue: Catalogue, *, patient: str | None, home: str | None = None
) -> Taken:
    """Read and check a response to a form of the catalogue, about `patient` (`Patient/<id>`; None: not compared).

    What it says of itself is given with its references as `Type/id`: those with a version, and those into the EHR with the
    base `home`. Raises what `read_response`, `Catalogue.by_canonical` and `check_response` raise, in this order; then
    UnfinishedResponse for a draft.
    """
    taken = _take(data, catalogue, patient, home)
    if taken.head.status == _DRAFT:
        message = "The response is in progress, and more answers are expected."
        raise UnfinishedResponse(
            (Issue("business-rule", None, "QuestionnaireResponse.status", message, _WHEN_COMPLETED),)
        )
    return taken


def _take(data: bytes, catalogue: Catalogue, patient: str | None, home: str | None) -> Taken:
    parts = part(data)
    if parts is not None:
        parts = parts._replace(head=at_home(parts.head, home))
        instrument = catalogue.find(parts.head.questionnaire)
        if instrument is not None and (answers := read_usual(parts, instrument, patient)) is not None:
            return Taken(parts.head, instrument, answers)
    response = at_home(read_response(data), home)
    instrument = catalogue.by_canonical(response.questionnaire)
    return Taken(response, instrument, check_response(response, instrument, patient=patient))


def take_answers(data: bytes, instrument: Instrument, *, patient: str | None) -> tuple[Head, Answers]:
    """Read and check a response that is kept, to a form that is known, as `take_response` did."""
    parts = part(data)
    if parts is not None:
        parts = parts._replace(head=as_kept(parts.head))
    if parts is not None and (answers := read_usual(parts, instrument, patient)) is not None:
        return parts.head, answers
    response = as_kept(read_response(data))
    return response, check_response(response, instrument, patient=patient)
