"""Finding again what was written: by identifier, by day where identifiers cannot be searched, and never somebody else's."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from plugin.delivery.lookup import Lookup, Unverifiable
from plugin.ehr import Ehr

BASE = "https://ehr.invalid/r4"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OURS = "https://ids.invalid|one"


def answer(*resources: dict[str, Any]) -> httpx.Response:
    entry = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entry})


def response(own_id: str, value: str) -> dict[str, Any]:
    identifier = {"system": "https://ids.invalid", "value": value}
    return {"resourceType": "QuestionnaireResponse", "id": own_id, "identifier": identifier}


async def find(http: httpx.AsyncClient, **searches: set[str]) -> str | None:
    declared = {kind: frozenset(names) for kind, names in searches.items()}
    lookup = Lookup(Ehr(BASE, "token", http), declared, "Patient/1", WHEN)
    return await lookup.by_identifier("QuestionnaireResponse", OURS)


@respx.mock
async def test_the_identifier_is_asked_for_where_it_can_be() -> None:
    route = respx.get(f"{BASE}/QuestionnaireResponse").mock(return_value=answer(response("7", "one")))
    async with httpx.AsyncClient() as http:
        assert await find(http, QuestionnaireResponse={"identifier"}) == "QuestionnaireResponse/7"
    assert route.calls[0].request.url.params["identifier"] == OURS


@respx.mock
async def test_otherwise_the_day_is_asked_for_in_a_closed_range() -> None:
    route = respx.get(f"{BASE}/QuestionnaireResponse").mock(
        return_value=answer(response("6", "two"), response("7", "one"))
    )
    async with httpx.AsyncClient() as http:
        assert await find(http, QuestionnaireResponse={"patient", "authored"}) == "QuestionnaireResponse/7"
    asked = route.calls[0].request.url.params
    assert asked["patient"] == "1"
    assert asked.get_list("authored") == ["ge2026-03-01T09:00:00Z", "lt2026-03-03T09:00:00Z"]
    assert "identifier" not in asked


@respx.mock
async def test_what_a_server_finds_by_ignoring_the_identifier_does_not_count() -> None:
    respx.get(f"{BASE}/QuestionnaireResponse").mock(return_value=answer(response("6", "two")))
    async with httpx.AsyncClient() as http:
        assert await find(http, QuestionnaireResponse={"identifier"}) is None


@pytest.mark.parametrize("status", [400, 403, 404, 405])
@respx.mock
async def test_where_searching_is_refused_nobody_can_tell(status: int) -> None:
    respx.get(f"{BASE}/QuestionnaireResponse").mock(return_value=httpx.Response(status))
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unverifiable, match="look into the chart"):
            await find(http)


def reading(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation",
        "id": "9",
        "code": {"coding": [{"system": "http://loinc.org", "code": "x"}]},
        "effectiveDateTime": "2026-03-02T09:00:00+00:00",
        "valueQuantity": {"value": 14},
    }
    return {**made, **changes}


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (reading(), True),
        (reading(effectiveDateTime="2026-03-02T10:00:00+01:00"), True),
        (reading(valueQuantity={"value": 14.0}), True),
        (reading(valueQuantity={"value": 15}), False),
        (reading(effectiveDateTime="2026-03-02T09:00:01Z"), False),
        (reading(code={"coding": [{"system": "http://loinc.org", "code": "y"}]}), False),
        (reading(code={"text": "x"}), False),
        (reading(effectiveDateTime="2026-03"), False),
    ],
)
@respx.mock
async def test_a_reading_is_the_same_by_code_time_and_value(found: dict[str, Any], same: bool) -> None:
    respx.get(f"{BASE}/Observation").mock(return_value=answer(found))
    async with httpx.AsyncClient() as http:
        declared = {"Observation": frozenset({"patient", "code", "date"})}
        lookup = Lookup(Ehr(BASE, "token", http), declared, "Patient/1", WHEN)
        assert await lookup.reading(reading()) == ("Observation/9" if same else None)
