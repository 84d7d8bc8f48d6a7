"""What proxies and monitors before Rapport rely on: whose address is believed, and heads without a body."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from plugin.commands.serving import read_proxies
from plugin.errors import SettingsInvalid
from tests.audit.conftest import configure
from tests.forking import fork
from tests.operating.test_serving_tls import PATIENCE
from tests.ports import free_port

MOST = 60  # wrong codes of one address


@contextmanager
def served(folder: Path, *options: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = ("plugin", "serve", "--config", folder / "rapport.toml", "--port", port, *options)
    environment = {**os.environ, **configure(folder)}
    with Path(os.devnull).open("wb") as nowhere:
        process = fork(command, environment, nowhere.fileno(), nowhere.fileno())
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _wait_for(client)
            yield client
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(client: httpx.Client) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            client.get("/health/live")
        except httpx.ConnectError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            return


def guess(client: httpx.Client, forwarded_for: Sequence[str]) -> list[int]:
    """Guess a spoken code once with each of these headers."""
    return [
        client.post("/code", data={"code": "00000000"}, headers={"X-Forwarded-For": each}).status_code
        for each in forwarded_for
    ]


def test_an_address_that_a_client_claims_buys_no_further_tries(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        assert guess(client, [f"203.0.113.{each}" for each in range(MOST + 2)]) == [303] * MOST + [429] * 2


def test_who_asks_for_the_head_alone_gets_what_the_whole_would_say(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        for address in ("/", "/fill", "/code", "/health", "/health/live", "/health/ready"):
            head, whole = client.head(address), client.get(address)
            assert (head.status_code, head.content) == (whole.status_code, b"")
            assert head.headers["content-type"] == whole.headers["content-type"]


def test_behind_the_named_proxy_the_address_that_it_saw_counts(tmp_path: Path) -> None:
    with served(tmp_path, "--proxy", "127.0.0.1") as client:
        assert guess(client, [f"203.0.113.{each}" for each in range(MOST + 2)]) == [303] * (MOST + 2)
        # The proxy writes the last one.
        claimed = [f"198.51.100.{each}, 192.0.2.7" for each in range(MOST + 2)]
        assert guess(client, claimed) == [303] * MOST + [429] * 2


def test_a_proxy_that_is_not_the_named_one_is_not_believed(tmp_path: Path) -> None:
    with served(tmp_path, "--proxy", "192.0.2.0/24, 2001:db8::1") as client:
        assert guess(client, [f"203.0.113.{each}" for each in range(MOST + 2)]) == [303] * MOST + [429] * 2


@pytest.mark.parametrize("named", ["*", "proxy.example.org", "10.0.0.1/8", "0.0.0.0/0", "::/0", "127.0.0.1,"])
def test_everybody_and_names_are_no_proxy(named: str) -> None:
    with pytest.raises(SettingsInvalid, match="--proxy"):
        read_proxies(named, {})


def test_what_another_server_would_read_stops_the_start_rather_than_count_for_nothing() -> None:
    with pytest.raises(SettingsInvalid, match="RAPPORT_PROXY"):
        read_proxies(None, {"FORWARDED_ALLOW_IPS": "*"})
