"""Whether a response is its sender's own, where the sign-in says who sends it."""

from collections.abc import Iterator

from plugin.responses.errors import InvalidResponse, Issue
from plugin.responses.resource import Head
from questionnaires import Instrument, Rater

_ROOT = "QuestionnaireResponse"


def check_whose(head: Head, instrument: Instrument, respondent: str) -> None:
    """InvalidResponse unless a response comes from `respondent` (Patient/… or RelatedPerson/…), on a form for such as they are."""
    issues = tuple(_find_issues(head, instrument, respondent))
    if issues:
        raise InvalidResponse(issues)


def _find_issues(head: Head, instrument: Instrument, respondent: str) -> Iterator[Issue]:
    named = (("source", head.source_reference), ("author", head.author_reference))
    for element, reference in named:
        if reference not in {None, respondent}:
            message = "It names somebody else than the person who is signed in."
            remedy = f"Write {respondent}, or leave it out."
            yield Issue("forbidden", None, f"{_ROOT}.{element}", message, remedy)
    own = Rater.CAREGIVER if "RelatedPerson/" in respondent else Rater.CHILD
    if instrument.rater != own:
        message = f"The form is for the {instrument.rater}, and a {own} is signed in."
        yield Issue("forbidden", None, f"{_ROOT}.questionnaire", message, f"Send a form for the {own}.")
