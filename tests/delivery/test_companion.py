"""The companion's Patient: made once, however many deliveries need it at the same moment."""

import asyncio
from typing import Any

import httpx
import respx

from plugin.delivery.capability import Capability
from plugin.delivery.companion import Companion, CompanionWriter
from plugin.ehr import Ehr, EhrRefused
from smart_launch import Scopes
from tests.delivery.records import record

BASE = "https://companion.invalid/r4"
HOME = "https://ehr.invalid/r4"


@respx.mock
async def test_two_deliveries_at_once_make_one_patient() -> None:
    patients: list[dict[str, Any]] = []

    def found(_: httpx.Request) -> httpx.Response:
        entry = [{"resource": each, "search": {"mode": "match"}} for each in patients]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entry})

    async def made(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)  # the other delivery would search meanwhile
        identifier = [{"system": HOME, "value": "Patient/1"}]
        patients.append({"resourceType": "Patient", "id": str(len(patients)), "identifier": identifier})
        return httpx.Response(201, headers={"Location": f"Patient/{len(patients) - 1}"})

    respx.get(f"{BASE}/Patient").mock(side_effect=found)
    respx.post(f"{BASE}/Patient").mock(side_effect=made)
    respx.post(f"{BASE}/Observation").mock(return_value=httpx.Response(422))
    async with httpx.AsyncClient() as http:
        declared = Capability(transaction=False, creates=frozenset({"Observation"}), conditional=frozenset())
        door = Companion(Ehr(BASE, "t", http), declared, Scopes.parse("system/*.crs"), asyncio.Lock())

        async def connect() -> Companion:
            return door

        writer = CompanionWriter(connect, HOME)
        writes = (writer.write(Ehr(HOME, None, http), record(), look_first=False) for _ in range(3))
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert len(patients) == 1
    assert all(isinstance(each, Exception) and not isinstance(each, EhrRefused) for each in outcomes)
