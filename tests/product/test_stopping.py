"""A serving process that is told to stop ends soon, whoever listens to it or has a request open."""

import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.forking import Forked
from tests.ports import free_port
from tests.product.crashing import Place, open_place

SOON = 5.0  # seconds; what is listened to lives for ten minutes
AT_MOST = 15.0  # what the documentation says that a supervisor has to give it


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with open_place(tmp_path, free_port()) as opened:
        yield opened


@pytest.fixture
def process(place: Place) -> Iterator[Forked]:
    started = place.start()
    place.wait(started)
    yield started
    started.kill()
    started.wait(20)


def open_chart(place: Place, browser: httpx.Client) -> str:
    """Launch for somebody; gives the patient page's address. The browser keeps the cookie, which is meant for https."""
    asked = {"client_id": "rapport", "patient": "1001", "practitioner": "202"}
    address = httpx.post(f"{place.ehr}/sandbox/launch", json=asked).json()["launch_url"]
    for _ in range(8):
        answer = browser.get(address)
        if given := answer.headers.get("set-cookie"):
            browser.headers["Cookie"] = given.split(";")[0]
        if answer.status_code == 200:
            return str(answer.url)
        address = str(answer.url.join(answer.headers["location"]))
    raise AssertionError("the launch did not arrive")


def stop(process: Forked) -> float:
    """Tell it to stop; gives the seconds that it took."""
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.monotonic() - begun


def test_a_page_that_listens_keeps_no_process_from_stopping(place: Place, process: Forked) -> None:
    with httpx.Client(timeout=30) as browser:
        address = open_chart(place, browser)
        with browser.stream("GET", f"{address}/events") as told:
            heard = told.iter_bytes()
            assert b"retry" in next(heard)
            took = stop(process)
            rest = b"".join(heard)  # it ends as an answer does that is whole
    assert took < SOON
    assert not re.search(rb"event: (ended|moved-on)", rest)  # the page listens again


def test_a_request_that_never_comes_whole_is_not_waited_for(place: Place, process: Forked) -> None:
    with socket.create_connection(("127.0.0.1", place.port)) as line:
        head = b"POST /fill/submit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
        line.sendall(head)
        time.sleep(0.3)
        assert stop(process) < AT_MOST
