"""What a site that accepts interpretation is told of scores: the early level, falls and repairs, how raters lie together. Pure.

Each finding is about one rater, or sets two side by side; nothing is averaged across raters. Definitions and sources stand in
`early`, `sequences` and `agreement`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugin.trends.agreement import SAME_SESSION, Pair, Rating, is_adult_above, pair_sessions
from plugin.trends.early import EARLY_SESSIONS, EarlyLevel, early_level, level_of
from plugin.trends.sequences import Fall

LONG_AGO = (
    4  # sessions after which two raters' last common one is not told any more: a choice of this project
)
YOUNG, ADULTS = "child", ("caregiver", "therapist")


@dataclass(frozen=True, slots=True)
class Rated:
    """One rater's total over sessions in native units, oldest first, computed scores only.

    `sessions` numbers each of them among the patient's contacts, None where it belongs to none; `by_forms`: the record has no
    contacts, and they are numbered among their rater's forms. `falls` count in `ratings`. `sd`: between people, as the site
    has adopted it. Only what shares `scale` is compared.
    """

    rater: str
    name: str
    scale: tuple[str, float, float]  # measure, lowest and highest score
    ratings: tuple[Rating, ...]
    sessions: tuple[int | None, ...]
    falls: tuple[Fall, ...] = ()
    sd: float | None = None
    is_past: bool = False  # they answer another form of the measure now
    by_forms: bool = False


@dataclass(frozen=True, slots=True)
class EarlyFinding:
    """One rater's level over sessions 1 to 4, or over their first four forms. `session`: the only one that has a score."""

    rated: Rated
    level: EarlyLevel
    session: int | None = None


@dataclass(frozen=True, slots=True)
class FallFinding:
    """One rater's fall. `lowest` is its lowest score, `repaired` the return, `late` one that came too late for that.

    `is_settled` tells whether the sessions that are waited for are over, `since` how many its rater has rated after the fall.
    """

    rated: Rated
    fell: Rating
    best: float
    lowest: Rating
    repaired: Rating | None
    late: Rating | None
    is_settled: bool
    since: int
    is_current: bool  # whether it never came back, and the last score is as low as counts for a fall


@dataclass(frozen=True, slots=True)
class PairFinding:
    """Two raters of the same sessions. `is_divergent`: the adult far above the young person; None where that is not judged."""

    first: Rated
    second: Rated
    pairs: tuple[Pair, ...]
    is_divergent: bool | None

    @property
    def last(self) -> Pair:
        """The last session that both rated."""
        return self.pairs[-1]

    @property
    def counts(self) -> Mapping[str, int]:
        """In how many sessions the second rated `above`, the `same` and `below`."""
        above = sum(pair.difference > 0 for pair in self.pairs)
        below = sum(pair.difference < 0 for pair in self.pairs)
        return {"above": above, "same": len(self.pairs) - above - below, "below": below}


@dataclass(frozen=True, slots=True)
class Findings:
    """All of them, the young person's first."""

    early: tuple[EarlyFinding, ...] = ()
    falls: tuple[FallFinding, ...] = ()
    pairs: tuple[PairFinding, ...] = ()


def read_findings(rated: Sequence[Rated], *, within: int, divergence: float) -> Findings:
    """Read what can be said. `within`: sessions in which a return is waited for; `divergence`: SDs that count as far."""
    return Findings(
        tuple(early for each in rated if (early := _early(each)) is not None),
        tuple(_fall(each, fall, within) for each in rated for fall in each.falls),
        tuple(
            pair
            for place, first in enumerate(rated)
            for second in rated[place + 1 :]
            if (pair := _pair(first, second, divergence)) is not None
        ),
    )


def _early(rated: Rated) -> EarlyFinding | None:
    """Average sessions 1 to 4; where the record has no sessions, the first four forms, computed or not.

    A score that belongs to no session of a record that has some is of none of the first: it may be older than all.
    """
    found = tuple(zip(rated.sessions, rated.ratings, strict=True))
    if rated.by_forms:
        values = {number: each.value for number, each in found}
        level = early_level([values.get(place) for place in range(1, EARLY_SESSIONS + 1)])
        return None if level is None else EarlyFinding(rated, level)
    early = [
        (number, each.value) for number, each in found if number is not None and number <= EARLY_SESSIONS
    ]
    level = level_of([value for _, value in early])
    return None if level is None else EarlyFinding(rated, level, early[0][0] if len(early) == 1 else None)


def _fall(rated: Rated, fall: Fall, within: int) -> FallFinding:
    repaired = None if fall.repaired is None else rated.ratings[fall.repaired]
    since = len(rated.ratings) - 1 - fall.fell
    return FallFinding(
        rated,
        fell=rated.ratings[fall.fell],
        best=fall.best,
        lowest=rated.ratings[fall.lowest],
        repaired=repaired,
        late=None if fall.late is None else rated.ratings[fall.late],
        is_settled=repaired is not None or since >= within,
        since=since,
        is_current=fall.is_open(rated.ratings[-1].value) and not rated.is_past,
    )


def _pair(first: Rated, second: Rated, divergence: float) -> PairFinding | None:
    if first.rater == second.rater or first.scale != second.scale or second.rater not in ADULTS:
        return None
    pairs = pair_sessions(first.ratings, second.ratings)
    if not pairs or _sessions_since(pairs[-1], first, second) >= LONG_AGO:
        return None
    judged = first.rater == YOUNG and first.sd is not None and not (first.is_past or second.is_past)
    divergent = is_adult_above(pairs[-1], sd=first.sd or 1.0, least=divergence) if judged else None
    return PairFinding(first, second, pairs, divergent)


def _sessions_since(last: Pair, first: Rated, second: Rated) -> int:
    """Count the sessions that one of two has rated since the last that both did: what lies back far says little of now."""
    told = max(last.young.when, last.adult.when)
    return len(
        {each.when for rated in (first, second) for each in rated.ratings if each.when > told + SAME_SESSION}
    )
