"""The EHR's look is fetched beside a launch and stops none: not by an error, not by taking its time."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx

from smart_launch import Styles
from tests.smart_launch.authorization_server import make_site

ADDRESS = "https://ehr.invalid/style.json"


class Dripping(httpx.AsyncByteStream):
    """A body that comes a byte at a time and does not end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)


async def find(answer: httpx.Response, patience: float = 0.2) -> tuple[object, float]:
    """Fetch a look; gives it, and how long that took."""
    begun = time.monotonic()
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        found = await Styles(patience).find(make_site(), ADDRESS, http)
    return found, time.monotonic() - begun


async def test_a_look_that_drips_is_not_waited_for() -> None:
    found, took = await find(httpx.Response(200, stream=Dripping()))
    assert found is None
    assert took < 5


async def test_a_look_that_comes_is_taken() -> None:
    found, _ = await find(httpx.Response(200, json={"color_text": "#123456"}), patience=3)
    assert getattr(found, "color_text", None) == "#123456"
