"""What must stand in the EHR of one administration, by what the ledger says was delivered."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from plugin.comparing.differences import Targets
from plugin.delivery.account import Account, Attempt
from plugin.delivery.correcting import with_response_status
from plugin.delivery.flowsheet import readings
from plugin.delivery.states import DeliveryState
from plugin.delivery.writers import OBSERVATION, PROVENANCE, RESPONSE, forwarded
from plugin.ehr import JsonObject
from plugin.observations.build import IDENTIFIER_SYSTEM, full_url
from plugin.writing import Writing

# What a companion server answered begins with its address.
_WRITTEN = re.compile(
    r"(?:entry|POST|PUT) \S+: 20[01] ([A-Za-z]+/[A-Za-z0-9\-.]{1,64})/_history/([A-Za-z0-9\-.]{1,64})"
)
_FINAL_ELSEWHERE = frozenset(
    {DeliveryState.HELD, DeliveryState.REFUSED, DeliveryState.SET_ASIDE, DeliveryState.DISCARDED}
)


@dataclass(frozen=True, slots=True)
class Expected:
    """One administration: its Observations by identifier, its response, and the addresses that the EHR gave."""

    account: Account
    observations: dict[str, JsonObject]
    response: JsonObject
    addresses: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    """The version that the EHR gave what was written last at an address, as far as it told."""

    @property
    def where(self) -> str:
        """How findings name it."""
        return f"response {self.account.record.id}"

    @property
    def delivered(self) -> bool:
        """Whether it counts as delivered."""
        return self.account.state is DeliveryState.DELIVERED

    @property
    def must_be_absent(self) -> bool:
        """Whether nothing of it should stand in the EHR: neither delivered nor under way."""
        return self.account.state in _FINAL_ELSEWHERE and not self.awaits_correction

    @property
    def awaits_correction(self) -> bool:
        """Whether an earlier version stands in the EHR, and a later one did not get there."""
        return (
            self.account.record.revision > 0
            and self.account.state in _FINAL_ELSEWHERE
            and bool(self.addresses)
        )

    @property
    def observation_addresses(self) -> tuple[str, ...]:
        """Where its Observations were put."""
        return tuple(each for each in self.addresses if each.startswith(f"{OBSERVATION}/"))

    @property
    def response_address(self) -> str | None:
        """Where its response was put; None if the EHR did not take it."""
        return next((each for each in self.addresses if each.startswith(f"{RESPONSE}/")), None)

    @property
    def provenance_address(self) -> str | None:
        """Where its newest Provenance was put; None if the EHR took none."""
        return next(iter(self._provenance_addresses), None)

    @property
    def provenance_is_newest(self) -> bool:
        """Whether the EHR is known to have taken a Provenance of every version, so that the newest is of the last one."""
        return len(self._provenance_addresses) == self.account.record.revision + 1

    @property
    def _provenance_addresses(self) -> tuple[str, ...]:
        return tuple(each for each in self.addresses if each.startswith(f"{PROVENANCE}/"))

    @property
    def provenance(self) -> JsonObject:
        """Its Provenance as it was built, before the EHR gave addresses."""
        return msgspec.json.decode(self.account.record.results.provenance, type=JsonObject)

    @property
    def provenance_targets(self) -> Targets:
        """What its Provenance may be about: readings under a site's own codes need not be among it."""
        record = self.account.record
        own = self.response_address if record.collected is None else None
        named = {"reference": full_url(record.id)} in self._built_targets
        about = frozenset((*self.observation_addresses, *((own,) if own and named else ())))
        spare = len(self.observations) - len(record.results.identifiers)
        return Targets(about, max(spare, 0), own or record.collected)

    @property
    def _built_targets(self) -> list[object]:
        targets = self.provenance.get("target")
        return targets if isinstance(targets, list) else []

    @property
    def all_were_taken(self) -> bool:
        """Whether the EHR took panel and scores, rather than some readings or nothing."""
        return len(self.observation_addresses) >= len(self.account.record.results.identifiers)

    def name(self, identifier: str) -> str:
        """Name one of its Observations: `panel`, a score's linkId."""
        return identifier.partition("/")[2]


def expected_of(account: Account, writing: Writing, attempts: Iterable[Attempt] = ()) -> Expected:
    """Build what is expected; addresses on other servers (a companion) are left out.

    `attempts` are those to deliver it, oldest first: they tell which versions the EHR made of it.
    """
    record = account.record
    results = record.results
    bodies = (results.panel, *results.scores)
    observations: dict[str, JsonObject] = {
        identifier: msgspec.json.decode(body, type=JsonObject)
        for identifier, body in zip(results.identifiers, bodies, strict=False)
    }
    for reading in readings(record, writing.rows, practitioner_performs=writing.practitioner_performs):
        for value in own_identifiers(reading):
            observations[value] = reading
    return Expected(
        account,
        observations,
        msgspec.json.decode(with_response_status(forwarded(record), record), type=JsonObject),
        tuple(each for each in account.locations if "://" not in each),
        {
            found[1]: found[2]
            for each in attempts
            for answer in each.answers
            if (found := _WRITTEN.fullmatch(answer)) is not None
        },
    )


def own_identifiers(resource: JsonObject) -> list[str]:
    """Take the values of identifiers that Rapport gave."""
    value = resource.get("identifier")
    listed = value if isinstance(value, list) else [value]
    return [
        str(each.get("value"))
        for each in listed
        if isinstance(each, dict) and each.get("system") == IDENTIFIER_SYSTEM
    ]
