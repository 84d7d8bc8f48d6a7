"""An EHR on the wire."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from plugin.ehr import Ehr

BASE = "https://ehr.invalid/fhir/r4"


@pytest.fixture
def wire() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def ehr() -> AsyncIterator[Ehr]:
    async with httpx.AsyncClient() as http:
        yield Ehr(f"{BASE}/", "at-s3cret", http)
