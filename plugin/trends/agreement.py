"""How two raters' views of one session lie to each other; never averaged. Pure.

The young person's rating is read first. Only one direction is marked: an adult's rating above the young person's went with
worse outcome (65 youths in TF-CBT, doi:10.1080/10503307.2021.2011983; 156 youths, same direction, Eur J Psychotraumatol
6:27705). Adults and children differ in level anyway (78 studies: child above therapist d = .35, parent above therapist d = .72;
correlations .23 to .32), and no cut-off is published: the size that counts is a site's own choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

SAME_SESSION = timedelta(
    days=3
)  # forms of one session may be sent from home afterwards: a choice of this project


@dataclass(frozen=True, slots=True)
class Rating:
    """One score on a scale that both raters share, in native units; `session` is its number in the record, if it has one."""

    when: date
    value: float
    session: int | None = None

    def is_of_another_session(self, other: "Rating") -> bool:
        """Tell whether the record says of two scores that they are of two sessions."""
        return None not in (self.session, other.session) and self.session != other.session


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ratings of one session; `difference` is adult minus young person, in native units."""

    young: Rating
    adult: Rating

    @property
    def ratings(self) -> tuple[Rating, Rating]:
        """Both: the young person's, then the adult's. They may be of two days."""
        return self.young, self.adult

    @property
    def difference(self) -> float:
        """Adult minus young person."""
        return self.adult.value - self.young.value


def pair_sessions(young: Sequence[Rating], adult: Sequence[Rating]) -> tuple[Pair, ...]:
    """Pair ratings of the same session, each used once, oldest first; what has no partner is left out.

    Who are known to be of one session are paired first, then who lie nearest: where sessions are days apart, a form
    belongs to that of its own day. What the record says is of two sessions is no pair, be they of one day.
    """
    mine, theirs = (sorted(each, key=lambda one: one.when) for each in (young, adult))
    first, near = 0, []
    for place, each in enumerate(mine):
        while first < len(theirs) and theirs[first].when < each.when - SAME_SESSION:
            first += 1
        for other in range(first, len(theirs)):
            if theirs[other].when > each.when + SAME_SESSION:
                break
            if not each.is_of_another_session(theirs[other]):
                is_known = each.session is not None and theirs[other].session is not None
                near.append((not is_known, abs(theirs[other].when - each.when), place, other))
    partners: dict[int, int] = {}
    for _, _, place, other in sorted(near):
        if place not in partners and other not in partners.values():
            partners[place] = other
    return tuple(Pair(mine[place], theirs[partners[place]]) for place in sorted(partners))


def is_adult_above(pair: Pair, *, sd: float, least: float = 1.0) -> bool:
    """Tell whether the adult's rating exceeds the young person's by `least` SDs (`sd`: native units, the site's own).

    ValueError unless sd and least are above 0.
    """
    if sd <= 0 or least <= 0:
        raise ValueError("sd and least must be above 0.")
    return pair.difference >= least * sd
