"""What tests of every part may ask for, an empty database on a real PostgreSQL, and what is done after each."""

import gc
import os
import sys
import uuid
from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
import sqlalchemy as sa
import uvloop
from fastapi.dependencies import models
from hypothesis import settings
from playwright.sync_api import Page

from tests.browser import shown
from tests.postgres import PostgresMissing, running_postgres
from tests.sharing import (
    addresses_parsed_once,
    certificates_read_once,
    commands_built_once,
    ledgers_prepared_once,
    people_made_once,
    pins_stretched_once,
    schemas_compared_once,
    shipped_forms_read_once,
    statements_compiled_once,
)

# httpx asks with each request whether it runs in trio: sniffio is not installed, and is not looked for every time.
sys.modules.setdefault("sniffio", cast("ModuleType", None))

# While tests are collected, garbage is hardly looked for: nearly all that is made then stays.
gc.set_threshold(1_000_000)
# What is computed here is small, and a worker has no core of its own: threads of BLAS would wait for each other, spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes says nothing on a machine that does other work beside; benchmarks/ measure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_xdist_auto_num_workers() -> int:
    """Give two workers more than there are cores: many tests wait, for processes that are killed and for browsers."""
    return (os.cpu_count() or 1) + 2


# These start processes, browsers or databases by the dozen. They begin first, so that no worker is left alone with one.
_LONG = (
    "product/test_crash",
    "rescore/test_rescore",
    "audit/test_record",
    "pages/test_accessibility",
    "renderers/test_renderers",
    "operating/test_backup",
    "operating/test_keys",
    "command/test_collected",
    "product/test_frames",
    "audit/test_tampering",
    "product/test_browser",
    "product/test_auditing_browser",
    "product/test_keyboard",
    "product/test_corrections",
    "pages/test_filling",
    "command/test_check",
    "audit/test_commands",
    "command/test_score",
    "doctor/test_trouble",
    "command/test_refusals",
    "packaging/test_build",
    "operating/test_storage",
    "audit/test_killed",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long; all others keep their order."""
    rank = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run what is asynchronous in the loop that `rapport serve` runs in."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_finish() -> None:
    """Leave what stands before the first test out of every later collection, and look for garbage seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as `rapport serve` does


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell in the report of a browser test that failed what its page shows."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.failed and call.when == "call" and isinstance(page, Page) and not page.is_closed():
        report.sections.append(("what the page shows", shown(page)))
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run one PostgreSQL for the session; gives its URL with `{}` for the database's name."""
    try:
        with running_postgres() as url:
            yield url
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """Give the URL of a new, empty database."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgres.format(name)


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """Read the shipped forms and make the sandbox EHR's people once for all tests; stretch PINs once."""
    with (
        shipped_forms_read_once(),
        people_made_once(),
        pins_stretched_once(),
        statements_compiled_once(),
        schemas_compared_once(),
        ledgers_prepared_once(),
        certificates_read_once(),
        commands_built_once(),
        addresses_parsed_once(),
    ):
        yield


@pytest.fixture(autouse=True)
def _forget_applications() -> Iterator[None]:
    """Let applications go: FastAPI remembers thousands of their functions, and with them each application's database."""
    yield
    for remembered in vars(models).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()
