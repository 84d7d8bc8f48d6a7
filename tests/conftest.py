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


# Seconds that files take which mostly wait: for processes, browsers and databases that they start.
_WAITING = {
    "pages/test_filling": 230,
    "product/test_browser": 170,
    "pages/test_accessibility": 170,
    "product/test_frames": 160,
    "product/test_crash": 110,
    "rescore/test_rescore": 80,
    "product/test_auditing_browser": 60,
    "pages/test_patient_page": 60,
    "product/test_keyboard": 60,
    "renderers/test_renderers": 60,
    "pages/test_aids": 50,
    "pages/test_typed": 50,
    "pages/test_anew": 50,
    "operating/test_backup": 40,
    "audit/test_commands": 30,
    "norms/test_against_psych": 30,
    "pages/test_kinds": 30,
    "pages/test_presses": 30,
    "pages/test_away": 30,
    "conformance/test_record": 30,
    "operating/test_storage": 25,
    "command/test_worker": 25,
    "packaging/test_build": 20,
}
_A_BROWSER_TEST = 2.0  # seconds, of other files
_COMPUTING = {"product": 0.5, "audit": 0.5, "command": 0.5, "security": 0.5, "operating": 0.5, "fuzzing": 3.0}
_ANY_OTHER = 0.1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have files that wait and files that compute run side by side to the end, the longest of each kind first.

    Where all workers wait no core has anything to do, and where all compute nobody uses the time in which others wait.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for each in items:
        files.setdefault(each.path, []).append(each)
    lanes: dict[bool, dict[Path, float]] = {True: {}, False: {}}
    for path, tests in files.items():
        name = path.relative_to(Path(__file__).parent).with_suffix("").as_posix()
        is_waiting = name in _WAITING or any(each.get_closest_marker("browser") for each in tests)
        usual = _A_BROWSER_TEST if is_waiting else _COMPUTING.get(name.partition("/")[0], _ANY_OTHER)
        lanes[is_waiting][path] = _WAITING.get(name, usual * len(tests))
    turn: dict[Path, float] = {}
    for lane in lanes.values():
        begun, whole = 0.0, sum(lane.values())
        for path in sorted(lane, key=lambda each: -lane[each]):
            turn[path] = begun / whole
            begun += lane[path]
    items.sort(key=lambda item: turn[item.path])


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
