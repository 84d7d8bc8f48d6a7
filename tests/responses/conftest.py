"""A response to the child's Check-in as it comes from a form filled here, and its instrument."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from plugin.responses import build_response
from questionnaires import Instrument, load_catalogue

Json = dict[str, Any]
CHOICES: dict[str, str | None] = {
    "goal-1": "mostly",
    "goal-2": "not-at-all",
    "task-1": "completely",
    "task-2": "somewhat",
    "bond-1": "a-little",
    "bond-2": "completely",
}
Build = Callable[..., bytes]


@pytest.fixture(scope="session")
def instrument() -> Instrument:
    return load_catalogue().by_id("rapport-checkin-child")


@pytest.fixture(scope="session")
def build(instrument: Instrument) -> Build:
    def build_one(choices: dict[str, str | None] | None = None, **more: Any) -> bytes:
        arguments: dict[str, Any] = {
            "patient": "Patient/p1",
            "encounter": "Encounter/e1",
            "author": "Practitioner/d1",
            "source": "Patient/p1",
            "authored": datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
            "identifier": ("https://w3id.org/rapport-fhir/identifier", "abc"),
            "language": "en",
        }
        return build_response(instrument, CHOICES if choices is None else choices, **(arguments | more))

    return build_one


@pytest.fixture
def body(build: Build) -> Json:
    found: Json = json.loads(build())
    return found
