"""What the serving process takes of a request's header, and how long it waits for it, tried over a socket."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from plugin.slow_clients import HurriedProtocol
from tests.product.demonstration import Demonstration, running_demonstration


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running_demonstration(tmp_path_factory.mktemp("demonstration")) as running:
        yield running


def send_until_cut_off(connection: socket.socket, most: int) -> int:
    sent = 0
    try:
        while sent < most:
            sent += connection.send(b"a" * 10_000)
    except OSError:  # a reset or a broken pipe, as the system sees it
        pass
    return sent


def test_a_header_that_does_not_end_is_cut_off(demonstration: Demonstration) -> None:
    place = urlsplit(demonstration.rapport)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: rapport\r\nX-Long: ")
        assert send_until_cut_off(connection, 20_000_000) < 20_000_000


@pytest.mark.parametrize(
    "ends",
    [
        b"HTTP/1.1\r\nHost: rapport\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1\r\nHost: rapport\r\nTransfer-Encoding: chunked\r\nContent-Length: 45",
        b"HTTP/1.0\r\nHost: rapport\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked",
    ],
    ids=["length first", "chunks first", "chunks before HTTP/1.1"],
)
def test_a_request_whose_end_may_be_read_in_two_ways_is_refused_with_all_that_follows(
    demonstration: Demonstration, ends: bytes
) -> None:
    place = urlsplit(demonstration.rapport)
    hidden = b"GET /health/live HTTP/1.1\r\nHost: rapport\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"POST /code " + ends + b"\r\n\r\n0\r\n\r\n" + hidden)
        answer = b""
        while more := connection.recv(10_000):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


def test_who_says_nothing_is_not_waited_for_and_who_was_answered_may_come_again(
    demonstration: Demonstration,
) -> None:
    place = urlsplit(demonstration.rapport)
    patience = 6 * HurriedProtocol.header_seconds
    idle = HTTPConnection(place.netloc, timeout=patience)
    with closing(idle), socket.create_connection((place.hostname, place.port), timeout=patience) as silent:
        idle.request("GET", "/health/live")
        assert idle.getresponse().read()
        own = idle.sock
        assert silent.recv(1_000).startswith(b"HTTP/1.1 408 ")
        idle.request("GET", "/health/live")  # on the same connection: a proxy keeps one for a minute
        assert idle.getresponse().read()
        assert idle.sock is own
