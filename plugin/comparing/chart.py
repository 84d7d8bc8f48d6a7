"""Reads what an EHR holds of one patient: Observations with our identifiers, and responses."""

from dataclasses import dataclass, field

from plugin.comparing.access import RecordReader, explain_refusal
from plugin.comparing.expected import own_identifiers
from plugin.delivery.writers import OBSERVATION, RESPONSE
from plugin.ehr import EhrError, EhrRefused, JsonObject, NotFound, NotPermitted
from plugin.writing import Writing

_REFUSALS = (EhrRefused, NotPermitted, NotFound)

_MOST_TOLD = 100


@dataclass(slots=True)
class Tally:
    """How much was compared, and what could not be looked at, in words."""

    patients: int = 0
    administrations: int = 0
    observations: int = 0
    not_delivered: int = 0
    nothing_taken: int = 0
    not_looked_at: list[str] = field(default_factory=list)
    written_since: int = 0
    """How many resources stand there as another version than the one that was written last: no flaw by itself."""

    versions: list[str] = field(default_factory=list)
    """The first hundred of them, in words."""

    def note_version(self, address: str, now: str, then: str) -> None:
        """Note one that was written since, by somebody or by the EHR itself."""
        self.written_since += 1
        if len(self.versions) < _MOST_TOLD:
            self.versions.append(
                f"{address} stands there as version {now}, and Rapport wrote version {then} last."
            )


@dataclass(slots=True)
class Chart:
    """What the EHR holds of one patient: Observations with our identifiers, and responses by address."""

    by_identifier: dict[str, list[JsonObject]]
    responses: dict[str, JsonObject]


@dataclass
class ChartReader:
    """Reads charts; what it may not read is noted in the tally, once."""

    ehr: RecordReader
    writing: Writing
    tally: Tally
    reads_responses: bool = field(default=True, init=False)

    async def read(self, patient: str) -> Chart:
        """Read a patient's; RecordUnreadable if Observations may not be read."""
        own_id = patient.rpartition("/")[2]
        categories = {"survey", *(row.category for row in self.writing.rows)}
        by_identifier: dict[str, list[JsonObject]] = {}
        seen: set[str] = set()
        for category in sorted(categories):
            try:
                found = await self.ehr.search(OBSERVATION, {"patient": own_id, "category": category})
            except EhrError as error:
                raise explain_refusal(OBSERVATION, error) from None
            for resource in found:
                address = address_of(resource)
                if resource.get("resourceType") != OBSERVATION or address in seen:
                    continue
                seen.add(address)
                for value in own_identifiers(resource):
                    by_identifier.setdefault(value, []).append(resource)
        return Chart(by_identifier, await self._responses(own_id))

    async def _responses(self, patient: str) -> dict[str, JsonObject]:
        if not self.reads_responses:
            return {}
        try:
            found = await self.ehr.search(RESPONSE, {"patient": patient})
        except _REFUSALS as error:
            self.reads_responses = False
            self.tally.not_looked_at.append(f"Whether responses are newer than their scores. {error}")
            return {}
        return {address_of(each): each for each in found if each.get("resourceType") == RESPONSE}


def address_of(resource: JsonObject) -> str:
    """Write `Type/id`."""
    return f"{resource.get('resourceType')}/{resource.get('id')}"
