"""What needs attention in a chart, as cards. Pure; without names and without a score: a card stands beside the chart.

A card is given only for a patient whose alliance is measured already: every other chart of the EHR stays silent.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

JsonObject = dict[str, object]
_RATERS = {
    "child": "the young person",
    "caregiver": "the caregiver",
    "therapist": "the therapist",
    "observer": "the observer",
}


class Reason(StrEnum):
    """Why somebody should look."""

    REFUSED = "refused"
    RUPTURE = "rupture"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Attention:
    """What a patient's chart has: responses and corrections that it did not take, raters who rated lower, raters that are due.

    `due_from` names raters as `Rater` does.
    """

    not_delivered: int = 0
    not_corrected: int = 0
    fell: tuple[str, ...] = ()
    due_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `summary` stays under 140 characters."""

    uuid: str
    reason: Reason
    summary: str
    detail: str
    indicator: str
    link: str

    def to_json(self, launch_url: str) -> JsonObject:
        """Write it as CDS Hooks does, with a SMART link into Rapport."""
        return {
            "uuid": self.uuid,
            "summary": self.summary,
            "detail": self.detail,
            "indicator": self.indicator,
            "source": {"label": "Rapport, therapeutic alliance"},
            "links": [
                {
                    "label": self.link,
                    "url": launch_url,
                    "type": "smart",
                    "appContext": json.dumps({"rapport": self.reason.value}),
                }
            ],
        }


def cards_of(attention: Attention, new_id: Iterable[str]) -> tuple[Card, ...]:
    """Give the cards, the most urgent first; none if nothing needs attention. `new_id` gives their identifiers."""
    ids = iter(new_id)
    found = []
    if many := attention.not_delivered:
        words = "response was" if many == 1 else "responses were"
        found.append(
            Card(
                next(ids),
                Reason.REFUSED,
                f"Alliance: {many} {words} not taken into this record",
                "The answers are safe in Rapport. Open the response there to see what the record said; an administrator can "
                "have it sent again.",
                "warning",
                "See in Rapport",
            )
        )
    if many := attention.not_corrected:
        words = "correction was" if many == 1 else "corrections were"
        found.append(
            Card(
                next(ids),
                Reason.REFUSED,
                f"Alliance: {many} {words} not taken into this record",
                "The chart still shows scores that were amended or entered in error since. Rapport shows what is right, and names "
                "every place that has to be corrected by hand.",
                "warning",
                "See in Rapport",
            )
        )
    if attention.fell:
        who = _join(attention.fell)
        found.append(
            Card(
                next(ids),
                Reason.RUPTURE,
                f"Alliance: the last rating of {who} fell, by the criterion your service has chosen",
                "This is a sign to ask, not a finding. Rapport shows the sessions before it, and what others did in such a case.",
                "warning",
                "See the sessions in Rapport",
            )
        )
    if attention.due_from:
        who = _join(attention.due_from)
        found.append(
            Card(
                next(ids),
                Reason.DUE,
                f"Alliance: a form is due in this session from {who}",
                "It takes about two minutes, on this device or by link.",
                "info",
                "Start it in Rapport",
            )
        )
    return tuple(found)


def _join(raters: tuple[str, ...]) -> str:
    words = [_RATERS[each] for each in raters]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
