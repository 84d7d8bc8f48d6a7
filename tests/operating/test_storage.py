"""When nothing can be stored: nobody is told "saved", nothing is lost, and it goes on by itself when it can."""

import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from plugin.delivery.outbox import LEASE
from tests.forking import Forked
from tests.ports import free_port
from tests.postgres import Postgres, PostgresMissing, postgres_server
from tests.product.crashing import Place, _search, _wait_for_delivery, launched_tokens, open_place
from tests.product.forms import response_of


def _post(place: Place, launched: tuple[str, str], number: int) -> httpx.Response:
    patient, token = launched
    own = {"system": "urn:x-storage", "value": str(number)}
    body = json.dumps(response_of(patient, identifier=own)).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    address = f"{place.rapport}/sites/sandbox/fhir/QuestionnaireResponse"
    return httpx.post(address, content=body, headers=headers, timeout=60)


def _until_saved(place: Place, launched: tuple[str, str], number: int) -> httpx.Response:
    deadline = time.monotonic() + 60
    while (answer := _post(place, launched, number)).status_code >= 500 and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def _check(
    place: Place,
    process: Forked,
    storage_fails: Callable[[], object],
    storage_works: Callable[[], object],
) -> None:
    """Send before, while and after storage fails; then look at what the EHR has."""
    launched = launched_tokens(place)[0]
    assert _post(place, launched, 1).status_code == 201
    storage_fails()
    refused = _post(place, launched, 2)
    _check_refusal(refused)
    assert httpx.get(f"{place.rapport}/health/live", timeout=20).status_code == 200
    ready = httpx.get(f"{place.rapport}/health/ready", timeout=20)
    assert ready.status_code == 503
    assert ready.json()["parts"]["database"] != "ok"
    storage_works()
    assert _until_saved(place, launched, 2).status_code in {200, 201}
    assert _until_saved(place, launched, 3).status_code == 201
    assert process.poll() is None, "it had to be started again"
    # What was under way when the storage failed is held until its lease ends.
    assert _wait_for_delivery(place, patience=2 * LEASE.total_seconds()) == {}
    known = [each["identifier"] for each in _search(place, "QuestionnaireResponse") if "identifier" in each]
    own = sorted(each["value"] for each in known if each["system"] == "urn:x-storage")
    assert own == ["1", "2", "3"]


def _check_refusal(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "no-store")
    assert "not saved" in issue["diagnostics"]


def test_a_full_disk(tmp_path: Path) -> None:
    with open_place(tmp_path, free_port()) as place:
        process = place.start()
        try:
            place.wait(process)
            before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)

            def limit(soft: int) -> Any:
                # No file may grow beyond it: what a full disk does, without a disk of its own.
                return resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, before[1]))

            _check(place, process, lambda: limit(4096), lambda: limit(before[0]))
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    try:
        with postgres_server() as server:
            _make_database(server.url)
            yield server
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def test_a_postgresql_that_is_away_for_a_while(tmp_path: Path, postgres: Postgres) -> None:
    with open_place(tmp_path, free_port(), postgres.url.format("storage")) as place:
        process = place.start()
        try:
            place.wait(process)
            _check(place, process, postgres.stop, postgres.start)
        finally:
            process.terminate()
            process.wait(20)


def test_a_postgresql_that_takes_no_writes_for_a_while(tmp_path: Path, postgres: Postgres) -> None:
    def read_only(value: str) -> None:
        # Where the disk is nearly full, hosts of PostgreSQL do so; a standby that is asked by mistake answers likewise.
        _run(postgres.url, f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        _run(postgres.url, "SELECT pg_reload_conf()")
        time.sleep(1)  # each of its processes takes it up by itself

    with open_place(tmp_path, free_port(), postgres.url.format("storage")) as place:
        process = place.start()
        try:
            place.wait(process)
            _check(place, process, lambda: read_only("on"), lambda: read_only("off"))
        finally:
            process.terminate()
            process.wait(20)
        told = [
            json.loads(line) for line in (tmp_path / "output.txt").read_text().splitlines() if line[:1] == "{"
        ]
    assert "InternalError (ReadOnlySqlTransaction)" in {
        each.get("error") for each in told if each["event"] == "not-ready"
    }


def _make_database(url: str) -> None:
    _run(url, "CREATE DATABASE storage")


def _run(url: str, statement: str) -> None:
    engine = sa.create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("SET default_transaction_read_only = off"))
        connection.execute(sa.text(statement))
    engine.dispose()
