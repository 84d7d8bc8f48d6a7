"""A fresh world for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.product.world import World, run_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path) as running:
        yield running
