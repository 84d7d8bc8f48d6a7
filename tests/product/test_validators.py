"""What Rapport writes and serves, held against two validators that are not ours."""

from typing import Any

import pytest

from tests.judges.node import validate, why_not
from tests.packaging.test_validators import serious
from tests.product.test_kept import search, sent
from tests.product.world import World


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)


async def test_no_validator_finds_an_error_in_what_is_written_to_the_record(world: World) -> None:
    await sent(world)
    written: list[dict[str, Any]] = []
    for kind in ("QuestionnaireResponse", "Observation", "Provenance"):
        found = await world.search(kind)
        assert found, kind
        written += found
    for kind in ("Observation", "Provenance", "AuditEvent"):
        found = await search(world, kind)
        assert found, kind
        written += found
    assert serious(validate(written)) == []
