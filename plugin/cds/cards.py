"""What needs attention in a chart, as cards in the reader's words. Pure; without names and without a score.

A card stands beside the chart. It is given only for a patient whose alliance is measured already: every other chart of the EHR stays silent.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from gettext import NullTranslations

JsonObject = dict[str, object]

_OURS = "rapport"  # the name in a link's appContext


class Reason(StrEnum):
    """Why somebody should look."""

    REFUSED = "refused"
    RUPTURE = "rupture"
    DUE = "due"


def reason_in(app_context: str | None) -> Reason | None:
    """Read why somebody came who followed a card's link; None for what no card of ours says."""
    try:
        said = json.loads(app_context or "")
        return Reason(said[_OURS])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Attention:
    """What a patient's chart has: responses and corrections that it did not take, raters whose ratings are low since a fall, raters that are due.

    `fell` has each rater with the day of the fall, or the days where several of a kind fell; it and `due_from` name raters as `Rater` does; `by_link` those of them to whom the site lets a link go.
    """

    not_delivered: int = 0
    not_corrected: int = 0
    fell: tuple[tuple[str, tuple[date, ...]], ...] = ()
    due_from: tuple[str, ...] = ()
    by_link: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `summary` stays under 140 characters."""

    uuid: str
    reason: Reason
    summary: str
    detail: str
    indicator: str
    link: str
    source: str

    def to_json(self, launch_url: str) -> JsonObject:
        """Write it as CDS Hooks does, with a SMART link into Rapport."""
        return {
            "uuid": self.uuid,
            "summary": self.summary,
            "detail": self.detail,
            "indicator": self.indicator,
            "source": {"label": self.source},
            "links": [
                {
                    "label": self.link,
                    "url": launch_url,
                    "type": "smart",
                    "appContext": json.dumps({_OURS: self.reason.value}),
                }
            ],
        }


def cards_of(
    attention: Attention, new_id: Iterable[str], words: NullTranslations, write_day: Callable[[date], str]
) -> tuple[Card, ...]:
    """Give the cards, the most urgent first; none if nothing needs attention.

    `new_id` gives their identifiers, `words` and `write_day` the reader's language.
    """
    _ = words.gettext
    source, see = _("Rapport, therapeutic alliance"), _("See in Rapport")
    found: list[tuple[Reason, str, str, str, str]] = []
    if many := attention.not_delivered:
        summary = words.ngettext(
            "Alliance: %(num)d response was not taken into this record",
            "Alliance: %(num)d responses were not taken into this record",
            many,
        ) % {"num": many}
        detail = _(
            "The answers are safe in Rapport. Open the response there to see why it was not taken; an administrator can "
            "have it sent again."
        )
        found.append((Reason.REFUSED, summary, detail, "warning", see))
    if many := attention.not_corrected:
        summary = words.ngettext(
            "Alliance: %(num)d correction was not taken into this record",
            "Alliance: %(num)d corrections were not taken into this record",
            many,
        ) % {"num": many}
        detail = _(
            "The chart still shows scores that were amended or entered in error since. Rapport shows what is right, and names "
            "every place that has to be corrected by hand."
        )
        found.append((Reason.REFUSED, summary, detail, "warning", see))
    if attention.fell:
        summary = _fallen(attention.fell, words, write_day)
        since = [(rater, f" ({', '.join(map(write_day, days))})") for rater, days in attention.fell]
        criterion = _("By the criterion your service has chosen: %(who)s.") % {"who": _join(since, words)}
        sign = _(
            "This is a sign to ask, not a finding. Rapport shows the sessions before it and since, and what others did in such "
            "a case."
        )
        detail = f"{criterion} {sign}"
        found.append((Reason.RUPTURE, summary, detail, "warning", _("See the sessions in Rapport")))
    if attention.due_from:
        summary = _("Alliance: a form is due in this session from %(who)s") % {
            "who": _join(attention.due_from, words)
        }
        # Who has never answered is known to the chart alone, which a card does not read.
        others = _("Others may be due, too: Rapport shows everybody.")
        detail = f"{_how(attention, words)} {others}"
        found.append((Reason.DUE, summary, detail, "info", _("Start it in Rapport")))
    return tuple(Card(uuid, *each, source) for uuid, each in zip(new_id, found, strict=False))


def _fallen(
    fell: tuple[tuple[str, tuple[date, ...]], ...], words: NullTranslations, write_day: Callable[[date], str]
) -> str:
    """Say whose ratings fell and are not yet back: on which day, where it is one for all of them."""
    _ = words.gettext
    who = _join([rater for rater, _days in fell], words)
    days = {each for _rater, own in fell for each in own}
    if len(days) > 1:
        return _("Alliance: the ratings of %(who)s fell and are not yet back") % {"who": who}
    known = {"who": who, "day": write_day(days.pop())}
    return _("Alliance: the rating of %(who)s fell on %(day)s and is not yet back") % known


def _how(attention: Attention, words: NullTranslations) -> str:
    """Say how a form that is due can be answered: a link is named only where one can be made."""
    _ = words.gettext
    if attention.by_link == attention.due_from:
        return _("It takes about two minutes, on this device or by link.")
    here = _("It takes about two minutes, on this device.")
    if not attention.by_link:
        return here
    also = _("A link can be sent to %(who)s, too.") % {"who": _join(attention.by_link, words)}
    return f"{here} {also}"


def _join(raters: Iterable[str | tuple[str, str]], words: NullTranslations) -> str:
    """Write raters as a list; some with what stands behind their name."""
    _ = words.gettext
    names = {
        "child": _("the young person"),
        "caregiver": _("the caregiver"),
        "therapist": _("the therapist"),
        "observer": _("the observer"),
    }
    written = ((each, "") if isinstance(each, str) else each for each in raters)
    *others, last = (names[rater] + behind for rater, behind in written)
    return _("%(others)s and %(last)s") % {"others": ", ".join(others), "last": last} if others else last
