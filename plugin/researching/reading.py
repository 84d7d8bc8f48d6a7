"""Reads what the EHR says of one person after another: what it keeps to itself, or gives malformed, is empty and noted.

The next person is asked about all the same: a record may be locked, merged into another, or broken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial

from plugin.comparing.access import RecordUnreadable, SystemReader, explain_refusal
from plugin.days import day_of
from plugin.ehr import (
    BadAnswer,
    EhrError,
    EhrRefused,
    Elsewhere,
    JsonObject,
    NotFound,
    NotPermitted,
    few_at_a_time,
)
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
    failed: set[str] = field(default_factory=set)
    _medications: dict[str, JsonObject | None] = field(default_factory=dict)

    async def consents(self, patient: str) -> Consents:
        """Read what stands about research today; RecordUnreadable where the EHR does not let Consent be read."""
        try:
            found = await self.ehr.search("Consent", {"patient": _id_of(patient), "status": "active"})
        except BadAnswer:
            self.malformed.add("Consent")
            return _UNREADABLE
        except EhrError as error:
            raise explain_refusal("Consent", error, was_asked_for=self.ehr.asks_for("Consent")) from None
        self.given.add("Consent")
        held = (each for each in found if each.get("resourceType") == "Consent")
        return read_consents(held, patient, day_of(self.clock(), self.zone), self.zone)

    def check_consents(self) -> None:
        """RecordUnreadable where nobody's consent could be read: a proxy that wants a sign-in is no refusal of all."""
        if "Consent" in self.malformed - self.given:
            raise RecordUnreadable(
                "Consent: what the EHR answers is no FHIR, for every patient.",
                "Look at what stands between Rapport and the EHR: rapport doctor asks it.",
            )

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
            base=self.ehr.base,
            is_part=any(each is None for each in medication),
        )

    async def _medicines(self, told: Sequence[JsonObject]) -> dict[str, JsonObject]:
        """Read the Medications that are referred to, each once in an export, some at a time."""
        references = referred(told, self.ehr.base)

        async def read(reference: str) -> None:
            found = await self._ask("Medication", partial(self._one, reference))
            self._medications[reference] = found[0] if found else None

        await few_at_a_time([each for each in references if each not in self._medications], read)
        known = {each: self._medications[each] for each in references}
        return {each: found for each, found in known.items() if found is not None}

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
        except (
            RecordUnreadable
        ):  # an EHR that is away altogether stops the export at the next person's Consent
            self.failed.add(kind)
            return None
        except _REFUSALS:
            self.refused.add(kind)
            return None
        self.given.add(kind)
        return given


def _id_of(patient: str) -> str:
    return patient.rpartition("/")[2]
