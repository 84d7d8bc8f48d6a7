"""Reads the Medications that a patient's orders and statements refer to: some at a time, and as far as the time goes.

One by one, because that is what every EHR has: `_include=MedicationRequest:medication` is passed over by some without a word
(Epic: github.com/CDCgov/dibbs-query-connector/pull/998), and a search by `_id` needs a scope that reading does not.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from plugin.ehr import Ehr, EhrError, NotFound, few_at_a_time

JsonObject = dict[str, object]


@dataclass(slots=True)
class Medicines:
    """What could be read, by reference; whether time ran out, and why something could not be had."""

    found: dict[str, JsonObject] = field(default_factory=dict)
    is_late: bool = False
    failure: EhrError | None = None


async def read_medicines(ehr: Ehr, references: Iterable[str], until: float) -> Medicines:
    """Read Medications until a time of the event loop's clock."""
    read = Medicines()

    async def one(reference: str) -> None:
        try:
            read.found[reference] = await ehr.read(reference)
        except NotFound:  # leads nowhere, today and tomorrow: the medicine is shown, without its name
            return
        except EhrError as error:
            read.failure = read.failure or error

    try:
        async with asyncio.timeout_at(until):
            await few_at_a_time(references, one)
    except TimeoutError:
        read.is_late = True
    return read
