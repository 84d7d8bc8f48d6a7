"""What was answered, by the ledger and by the record together: the patient page and the cards ask it who has answered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from plugin.delivery.account import Account
from plugin.trends.history import Point
from questionnaires import Catalogue, Rater


@dataclass(frozen=True, slots=True)
class Answered:
    """That somebody answered a form; `respondent` is None where the record does not tell who."""

    respondent: str | None
    rater: Rater
    encounter: str | None
    when: datetime


def answered_of(
    accounts: Iterable[Account], points: Iterable[Point], catalogue: Catalogue
) -> tuple[Answered, ...]:
    """List what was answered, but for what was entered in error: the record may still show that."""
    records = [each.record for each in accounts]
    void = {(each.source, each.authored) for each in records if each.voided}
    whenever = {when for _, when in void}
    return (
        *(
            Answered(each.source, Rater(each.rater), each.encounter, each.authored)
            for each in records
            if not each.voided
        ),
        *(
            Answered(each.respondent, catalogue.by_id(each.instrument).rater, each.encounter, each.when)
            for each in points
            if (each.respondent, each.when) not in void and (each.respondent or each.when not in whenever)
        ),
    )
