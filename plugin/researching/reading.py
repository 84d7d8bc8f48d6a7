"""Reads what the EHR says of one person after another: what it keeps to itself, or gives malformed, is empty and noted.

The next person is asked about all the same: a record may be locked, merged into another, or broken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial

from plugin.comparing.access import SystemReader, explain_refusal
from plugin.days import day_of
from plugin.ehr import BadAnswer, EhrError, EhrRefused, Elsewhere, JsonObject, NotFound, NotPermitted
from plugin.research import Circumstances, Consents, read_circumstances, read_consents
from plugin.trends.medication import referred

_REFUSALS = (EhrRefused, NotPermitted, NotFound, Elsewhere)
_UNREADABLE = Consents(refused=True)


@dataclass(slots=True)
class PeopleReader:
    """Reads one site's record for one export. The sets name kinds of resources; what the EHR says may name the patient."""

    ehr: SystemReader
    clock: Callable[[], datetime]
    zone: tzinfo
    refused: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    malformed: set[str] = field(default_factory=set)

    async def consents(self, patient: str) -> Consents:
        """Read what stands about research today; RecordUnreadable where the EHR lets nobody's consent be read."""
        try:
            found = await self.ehr.search("Consent", {"patient": _id_of(patient), "status": "active"})
        except BadAnswer:
            self.malformed.add("Consent")
            return _UNREADABLE
        except EhrError as error:
            raise explain_refusal("Consent", error) from None
        held = (each for each in found if each.get("resourceType") == "Consent")
        return read_consents(held, day_of(self.clock(), self.zone), self.zone)

    async def circumstances(self, patient: str) -> Circumstances:
        """Read who it is, the sessions, and the medicines with the Medications that they refer to."""
        own_id = _id_of(patient)
        person, encounters, *medication = await asyncio.gather(
            self._ask("Patient", partial(self._one, patient)),
            *(
                self._ask(kind, partial(self.ehr.search, kind, {"patient": own_id}))
                for kind in ("Encounter", "MedicationStatement", "MedicationRequest")
            ),
        )
        told = [resource for each in medication if each is not None for resource in each]
        return read_circumstances(
            next(iter(person or ()), {}),
            encounters or (),
            told if any(each is not None for each in medication) else None,
            self.zone,
            await self._medicines(told),
        )

    async def _medicines(self, told: Sequence[JsonObject]) -> dict[str, JsonObject]:
        references = referred(told)
        read = await asyncio.gather(
            *(self._ask("Medication", partial(self._one, each)) for each in references)
        )
        return {each: found[0] for each, found in zip(references, read, strict=True) if found}

    async def _one(self, reference: str) -> tuple[JsonObject, ...]:
        return (await self.ehr.read(reference),)

    async def _ask(
        self, kind: str, ask: Callable[[], Awaitable[tuple[JsonObject, ...]]]
    ) -> tuple[JsonObject, ...] | None:
        """Ask about one person; None, noted by its kind, for what cannot be had of this one."""
        try:
            given = await ask()
        except BadAnswer:
            self.malformed.add(kind)
            return None
        except _REFUSALS:
            self.refused.add(kind)
            return None
        self.given.add(kind)
        return given


def _id_of(patient: str) -> str:
    return patient.rpartition("/")[2]
