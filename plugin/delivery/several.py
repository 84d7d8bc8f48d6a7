"""Writes one record in several ways at once: what one way is refused, another may still bring into the record."""

from dataclasses import dataclass, field

from plugin.delivery.correcting import NotCorrected, NotWhole, RefusedInPart
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Unverifiable
from plugin.delivery.writers import Writer, Written
from plugin.ehr import Ehr, EhrError, EhrRefused, NotFound, NotPermitted, OutcomeUnknown

_REFUSALS = (EhrRefused, NotPermitted, NotFound)


@dataclass(frozen=True, slots=True)
class NamedWriter:
    """A writer and what it brings, in words."""

    name: str
    writer: Writer


@dataclass(frozen=True, slots=True)
class SeveralWriter:
    """All of these, in order. `left_out` is what no writer is there for, and why."""

    parts: tuple[NamedWriter, ...]
    left_out: tuple[str, ...] = field(default=())

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Let every part write, whatever happens to the others.

        If one cannot be finished now, its error is raised once all have been tried (an unknown outcome first): the
        next attempt looks for what stands there already. Refusals are told as left out, and raised only if nothing
        at all was taken, or a person must act.
        """
        written: list[Written] = []
        refused: list[tuple[str, EhrError]] = []
        unfinished: list[EhrError] = []
        for part in self.parts:
            try:
                written.append(await part.writer.write(ehr, record, look_first=look_first))
            except _REFUSALS as error:
                if error.is_conflict:
                    unfinished.append(error)
                else:
                    refused.append((part.name, error))
            except EhrError as error:
                unfinished.append(error)
        if unfinished:
            raise next((each for each in unfinished if isinstance(each, OutcomeUnknown)), unfinished[0])
        locations = tuple(each for one in written for each in one.locations)
        if any(_needs_a_person(error, record) for _, error in refused):
            raise _together(refused, locations)
        if refused and not locations and not record.voided:
            raise refused[0][1]
        told = tuple(f"{name}: {error} Kept in Rapport" for name, error in refused)
        return Written(
            locations, (*(each for one in written for each in one.left_out), *told, *self.left_out)
        )


def _needs_a_person(error: EhrError, record: Record) -> bool:
    """Tell whether a refusal leaves the record wrong, whatever another way brought there."""
    return isinstance(error, RefusedInPart) or (
        isinstance(error, (NotCorrected, Unverifiable)) and bool(record.revision)
    )


def _together(refused: list[tuple[str, EhrError]], locations: tuple[str, ...]) -> EhrError:
    """Say everything that the record does not hold: a person must act."""
    stands = (each for _, error in refused if isinstance(error, NotWhole) for each in error.locations)
    message = "; ".join(f"{name}: {error}".removesuffix(".") for name, error in refused)
    return NotWhole(f"{message}.", tuple(dict.fromkeys((*locations, *stands))))
