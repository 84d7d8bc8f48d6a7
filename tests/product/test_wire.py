"""Delivery over real sockets that break: once in the record, whatever the connection did."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from plugin.delivery.outbox import DeliveryState
from tests.product.test_personalities import Watch, fault, send_form, settled
from tests.product.world import EHR, World, run_world


class Wire(httpx.AsyncBaseTransport):
    """Reaches a host of the tests through a real socket on loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def listening(app: FastAPI) -> Iterator[int]:
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield bound.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    bound.close()


@asynccontextmanager
async def wired_world(folder: Path, personality: str) -> AsyncIterator[World]:
    async with run_world(folder, personality=personality) as world:
        with listening(world.ehr) as port:
            wire: Any = Wire(port)
            world.hosts.apps[EHR.removeprefix("https://")] = wire
            yield world
            await wire.aclose()


@pytest.mark.parametrize("kind", ["reset-before-commit", "reset-after-commit", "half-sent"])
@pytest.mark.parametrize(
    ("personality", "path", "expected"),
    [
        ("full", "/r4", {"QuestionnaireResponse": 1, "Observation": 5}),
        ("meditech", "/r4/QuestionnaireResponse", {"QuestionnaireResponse": 1}),
        ("veradigm", "/r4/Observation", {"QuestionnaireResponse": 1, "Observation": 5}),
    ],
)
async def test_a_broken_connection_leaves_one_of_each(
    tmp_path: Path, personality: str, path: str, expected: dict[str, int], kind: str
) -> None:
    async with wired_world(tmp_path, personality) as world:
        watch = Watch(world)
        await fault(world, kind, path=path, count=1)
        account = await settled(world, await send_form(world))
        assert account.state is DeliveryState.DELIVERED, account.detail
        counts = watch.counts()
        counts.pop("Provenance", None)  # cannot be found again: left to the first attempt
        assert counts == expected
        (happened,) = (await world.browser.get(f"{EHR}/sandbox/faults")).json()
        assert happened["hits"] == 1
