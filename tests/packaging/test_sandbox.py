"""Publishing to the sandbox EHR, which creates under its own ids and holds Questionnaires and PlanDefinitions only."""

import asyncio
from collections import Counter

from fastapi.testclient import TestClient

from plugin.packaging.publish import publish
from tests.packaging.built import built
from tests.sandbox_ehr.conftest import BASE, FHIR, Ehr, ehr, now

__all__ = ["ehr", "now"]


async def test_a_second_run_writes_nothing(ehr: Ehr) -> None:
    granted = await ehr.grant("launch user/*.cruds")
    package = built()
    headers = {"Authorization": f"Bearer {granted['access_token']}"}

    def run_twice() -> list[Counter[str]]:
        with TestClient(ehr.app, base_url=BASE, headers=headers) as http:
            return [
                Counter(each.outcome for each in publish(package.resources, FHIR, http)) for _ in range(2)
            ]

    held = sum(
        tree["resourceType"] in {"Questionnaire", "PlanDefinition"} for tree in package.resources.values()
    )
    others = len(package.resources) - held
    first, second = await asyncio.to_thread(run_twice)
    assert first == {"created": held, "not held": others}
    assert second == {"unchanged": held, "not held": others}
