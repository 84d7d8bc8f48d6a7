"""Why a score was not computed, for a reader: scores keep the reason in English, with the linkIds of what was not answered."""

import re

from plugin.pages.words import N_, translations
from questionnaires import Instrument, walk

_PREFIX = "Not computed: "  # the page says so itself, in the reader's language
_UNANSWERED = re.compile(r"no answer to (?P<items>.+)")
_NO_VALUE = N_("the form gives no score for these answers")


def absence_of(reason: str | None, instrument: Instrument, language: str) -> str | None:
    """Say why there is no score: questions by their numbers on the form; what another system wrote stays as it is."""
    if reason is None:
        return None
    told = reason.removeprefix(_PREFIX)
    _ = translations(language).gettext
    found = _UNANSWERED.fullmatch(told)
    if found is None:
        return _(told) if told == _NO_VALUE else told.removeprefix("Not computed")
    numbers = {
        item.link_id: str(place)
        for place, item in enumerate((each for each in walk(instrument.items) if each.is_question), start=1)
    }
    named = ", ".join(numbers.get(each, each) for each in found["items"].split(", "))
    return _("unanswered questions: %(numbers)s") % {"numbers": named}
