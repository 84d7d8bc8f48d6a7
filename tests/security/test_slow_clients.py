"""Clients that send or take slowly on purpose, over a socket, with the times made short."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from plugin.slow_clients import HurriedProtocol

SHORT = 0.6  # seconds
LARGE = 30_000_000  # bytes: more than the system keeps for a client


class Impatient(HurriedProtocol):
    """What `rapport serve` speaks, with less patience."""

    header_seconds = body_seconds = taking_seconds = SHORT


async def small(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def large(_: Request) -> Response:
    return Response(b"x" * LARGE)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    app = Starlette(routes=[Route("/small", small, methods=["GET", "POST"]), Route("/large", large)])
    running = uvicorn.Server(uvicorn.Config(app, http=Impatient, log_level="critical", timeout_keep_alive=60))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        running.should_exit = True
        thread.join(10)


@contextmanager
def client(port: int) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        connection.settimeout(0.05)
        connection.connect(("127.0.0.1", port))
        yield connection


def drip(connection: socket.socket, seconds: float) -> bytes | None:
    """Send a byte again and again; gives what was answered at the end, None if there was none in this time."""
    heard = b""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            connection.send(b"x")
            part = connection.recv(1_000)
        except TimeoutError:
            continue
        except OSError:
            return heard
        if not part:
            return heard
        heard += part
    return None


def hear(connection: socket.socket, wanted: bytes) -> bytes:
    heard = b""
    connection.settimeout(10)
    while wanted not in heard:
        part = connection.recv(65_536)
        assert part, heard
        heard += part
    connection.settimeout(0.05)
    return heard


HEADER = b"GET /small HTTP/1.1\r\nHost: rapport\r\n"
BODY = b"POST /small HTTP/1.1\r\nHost: rapport\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("begun", [HEADER + b"X-Long: ", BODY], ids=["a header", "a body"])
def test_what_is_sent_drop_by_drop_is_told_to_be_too_slow(server: int, begun: bytes) -> None:
    with client(server) as connection:
        connection.sendall(begun)
        answer = drip(connection, SHORT * 15)
    assert answer is not None, "the connection is still open"
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_who_says_nothing_is_not_waited_for(server: int) -> None:
    with client(server) as connection:
        connection.settimeout(SHORT * 15)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_that_does_not_end_has_no_more_time_than_the_first(server: int) -> None:
    with client(server) as connection:
        connection.sendall(HEADER + b"\r\n")
        hear(connection, b"0 bytes")
        connection.sendall(HEADER + b"X-Long: ")
        assert drip(connection, SHORT * 15) is not None


def test_a_body_that_does_not_come_behind_an_earlier_request_is_not_waited_for(server: int) -> None:
    with client(server) as connection:
        connection.sendall(HEADER + b"\r\n" + BODY)
        assert b"408" in hear(connection, b"408")


def test_an_answer_that_nobody_takes_is_not_kept(server: int) -> None:
    with client(server) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: rapport\r\n\r\n")
        time.sleep(SHORT * 5)
        taken = take_all(connection)
    assert taken < LARGE


def take_all(connection: socket.socket, *, pause: float = 0.0) -> int:
    taken = 0
    connection.settimeout(10)
    try:
        while taken < LARGE and (part := connection.recv(1_000_000)):
            taken += len(part)
            time.sleep(pause)
    except OSError:
        pass
    return taken


def test_who_takes_a_large_answer_steadily_gets_all_of_it(server: int) -> None:
    with socket.create_connection(("127.0.0.1", server)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: rapport\r\n\r\n")
        assert take_all(connection, pause=SHORT / 15) >= LARGE


def test_a_body_in_parts_and_a_pause_between_requests_are_no_slowness(server: int) -> None:
    with client(server) as connection:
        for _ in range(2):
            connection.sendall(b"POST /small HTTP/1.1\r\nHost: rapport\r\nContent-Length: 4\r\n\r\nab")
            time.sleep(SHORT / 4)
            connection.sendall(b"cd")
            hear(connection, b"4 bytes")
            time.sleep(SHORT * 3)  # longer than for a header: nothing has begun yet
