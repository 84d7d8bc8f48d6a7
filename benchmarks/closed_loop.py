"""A closed loop of connections: each sends its next request when it has its answer. For benchmarks.submit."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Requests = Iterator[bytes]  # whole HTTP/1.1 requests, as bytes


@dataclass(frozen=True)
class Measured:
    """What one round came to: answers a second, and milliseconds."""

    rate: float
    p50: float
    p99: float
    slowest: float
    answers: int


class _Loop(asyncio.Protocol):
    def __init__(
        self, following: Callable[[], bytes | None], times: list[float], statuses: list[bytes]
    ) -> None:
        self._following, self._times, self._statuses = following, times, statuses
        self.done = asyncio.get_running_loop().create_future()
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives no other
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(rest) < length:
            return
        self._times.append(time.perf_counter() - self._sent)
        self._statuses.append(head[9:12])
        self._received = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def _next(self) -> None:
        request = self._following()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


async def run(port: int, requests: Requests, *, connections: int, seconds: float) -> Measured:
    """Send for so many seconds; every answer must be a success."""
    times: list[float] = []
    statuses: list[bytes] = []
    deadline = time.perf_counter() + seconds

    def following() -> bytes | None:
        return next(requests) if time.perf_counter() < deadline else None

    begun = time.perf_counter()
    loops = []
    for _ in range(connections):
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: _Loop(following, times, statuses), "127.0.0.1", port
        )
        loops.append(protocol.done)
    await asyncio.gather(*loops)
    took = time.perf_counter() - begun
    wrong = sorted({each.decode() for each in statuses if not each.startswith(b"2")})
    if wrong:
        raise AssertionError(f"not every answer was a success: {wrong}")
    ordered = sorted(times)
    return Measured(
        len(ordered) / took,
        ordered[len(ordered) // 2] * 1000,
        ordered[int(len(ordered) * 0.99)] * 1000,
        ordered[-1] * 1000,
        len(ordered),
    )
