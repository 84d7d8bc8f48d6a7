"""Why a score was not computed, for a reader: scores keep the reason in English, with the linkIds of what was not answered."""

import re

from plugin.pages.worded import Instead
from plugin.pages.words import N_, translations
from plugin.scores.compute import NO_SCORE
from plugin.scores.together import INCOMPLETE, WITHHELD
from plugin.trends.history import MASKED
from questionnaires import Instrument, walk

_PREFIX = "Not computed: "  # the page says so itself, in the reader's language
_UNANSWERED = re.compile(r"no answer to (?P<items>.+)")
_OFF_SCALE = re.compile(r"the record says (?P<value>\S+), which is not on the scale")
_WORDS = {
    INCOMPLETE: N_("not every question was answered"),
    NO_SCORE: N_("the form gives no score for these answers"),
}


def off_scale(value: float) -> str:
    """Say in English of a value that stands in the record why it is not taken for a score."""
    return f"the record says {value:g}, which is not on the scale"


def absence_of(reason: str | None, instrument: Instrument, language: str) -> str | None:
    """Say why there is no score: questions by their numbers on the form; what another system wrote stays as it is."""
    if reason is None:
        return None
    _ = translations(language).gettext
    masked = reason.startswith(MASKED)
    reason = reason.removeprefix(MASKED)
    if reason == WITHHELD:
        return Instead(_("withheld: the answers may not be read one by one"))
    if masked:
        return Instead(
            _("withheld in the record: %(why)s") % {"why": reason} if reason else _("withheld in the record")
        )
    if reason in _WORDS:
        return _(_WORDS[reason])
    told = reason.removeprefix(_PREFIX)
    if odd := _OFF_SCALE.fullmatch(told):
        return _("the record says %(value)s, which is not on the scale") % odd.groupdict()
    found = _UNANSWERED.fullmatch(told)
    if found is None:
        return told.removeprefix("Not computed")
    numbers = {
        item.link_id: str(place)
        for place, item in enumerate((each for each in walk(instrument.items) if each.is_question), start=1)
    }
    named = ", ".join(numbers.get(each, each) for each in found["items"].split(", "))
    return _("unanswered questions: no. %(numbers)s") % {"numbers": named}
