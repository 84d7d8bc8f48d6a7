"""Asks before an export that gives away more than one alone of many months: of few days, or beside an earlier one."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy.engine import Connection

from plugin.errors import Conflict
from plugin.exports import Period
from plugin.ledger import Vault
from plugin.research import tells_shift
from plugin.research_settings import Research
from plugin.researching.earlier import Earlier, comparable
from plugin.researching.gathering import days_of_forms

FEW_DAYS, EARLIER = "few-days", "earlier-exports"
_REMEDY = (
    "Make one export of the whole time, or another salt for another project. --despite makes it all the same; after one of "
    "few days every later one with its salt is asked about, too."
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why to ask: `few` days, in which all forms were filled, and `earlier` exports with the same salt."""

    few: tuple[date, date] | None = None
    earlier: tuple[Earlier, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Give what there is, as the trail tells it."""
        return (*([FEW_DAYS] if self.few else []), *([EARLIER] if self.earlier else []))


class AskFirst(Conflict):
    """An export was not made, for somebody has to say first that what it gives away is meant."""

    title = "Not made yet"

    def __init__(self, doubt: Doubt, shift_days: int) -> None:
        super().__init__(" ".join(("Nothing was made yet.", *_reasons(doubt, shift_days))), _REMEDY)
        self.doubt = doubt


def doubt_of(connection: Connection, vault: Vault, site: str, research: Research, period: Period) -> Doubt:
    """Say what is known before anything is read from the EHR: how far apart all forms of a period are, and earlier exports."""
    few = few_days(days_of_forms(connection, site, period), research)
    return Doubt(few, comparable(connection, vault, site, research, period))


def few_days(days: tuple[date, date] | None, research: Research) -> tuple[date, date] | None:
    """Give the days of forms if they are so few that they tell how far days are shifted."""
    return days if days is not None and tells_shift(*days, research.shift_days) else None


def _reasons(doubt: Doubt, shift_days: int) -> list[str]:
    told = []
    if doubt.few is not None:
        first, last = doubt.few
        told.append(
            f"All its forms were filled from {first} to {last}: these are fewer days than days are shifted by "
            f"({shift_days}), so it tells how far, in every export with the same salt."
        )
    for each in doubt.earlier:
        shift = "" if each.shift_days == shift_days else f", shifted by up to {each.shift_days} days"
        few = ", of so few days that it tells how far days are shifted" if each.tells_shift else ""
        told.append(
            f"An export with the same salt was made on {each.made:%Y-%m-%d}, of {each.first} to {each.last}{shift}{few}."
        )
    if doubt.earlier:
        told.append(
            "Whoever has both can compare them: how far days are shifted, and rows that one of them withholds, may show."
        )
    return told
