"""Connections of a serving process: whatever a name stood for when it was looked up, a private address hears nothing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from plugin.ehr import Ehr, EhrError, EhrUnavailable, OutcomeUnknown
from plugin.errors import SettingsInvalid
from plugin.instrument_sections import OwnForms, Pinned
from plugin.outward import open_client
from plugin.settings import Settings
from smart_launch import Sites
from tests.product.world import rapport_settings

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)


@contextmanager
def answering(talk: Callable[[socket.socket, list[bytes]], None]) -> Iterator[tuple[int, list[bytes]]]:
    """Have each connection to this machine be talked to, one after the other; keeps what was said."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    talk(connection, heard)

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], heard


def listening() -> AbstractContextManager[tuple[int, list[bytes]]]:
    """Answer whoever comes to this machine; keeps what was said."""

    def talk(connection: socket.socket, heard: list[bytes]) -> None:
        heard.append(connection.recv(65_536))
        if heard[-1]:
            connection.sendall(ANSWER)

    return answering(talk)


def hanging_up() -> AbstractContextManager[tuple[int, list[bytes]]]:
    """Answer the first request of each connection and hang up on the second, as a server for which it came too late."""
    kept_open = ANSWER.replace(b"Connection: close\r\n", b"")

    def talk(connection: socket.socket, heard: list[bytes]) -> None:
        heard.append(connection.recv(65_536))
        connection.sendall(kept_open)
        heard.append(connection.recv(65_536))

    return answering(talk)


def settings(folder: Path, **site: object) -> Settings:
    made = rapport_settings(folder)
    closed = {"allow_private_addresses": False, "allow_http_loopback": False}
    return replace(made, sites=Sites([replace(made.sites["sandbox"], **{**closed, **site})]))  # type: ignore[arg-type]


async def test_a_name_that_leads_to_this_machine_is_told_nothing(tmp_path: Path) -> None:
    with listening() as (port, heard):
        async with open_client(settings(tmp_path)) as http:
            with pytest.raises(EhrUnavailable):
                await Ehr(f"http://localhost:{port}/r4", "a-token", http).read("Patient/1")
    assert heard == []  # not even a connection


async def test_a_name_that_changes_after_its_look_up_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def was_public(*_: object) -> bool:
        return True

    monkeypatch.setattr("plugin.outward._leads_out", was_public)  # no name server here gives two answers
    with listening() as (port, heard):
        async with open_client(settings(tmp_path)) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(f"http://localhost:{port}/")
    assert not any(heard)


async def test_a_name_that_nobody_knows_is_an_ehr_that_does_not_answer(tmp_path: Path) -> None:
    async with open_client(settings(tmp_path)) as http:
        with pytest.raises(EhrUnavailable):
            await Ehr("https://ehr.invalid/r4", "a-token", http).read("Patient/1")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0"])
async def test_an_address_of_this_machine_in_disguise_is_told_nothing(tmp_path: Path, host: str) -> None:
    with listening() as (port, heard):
        async with open_client(settings(tmp_path)) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(f"http://{host}:{port}/")
    assert heard == []  # not even a connection


async def test_a_site_that_says_so_is_reached_in_a_private_network(tmp_path: Path) -> None:
    own = settings(tmp_path, fhir_base="https://localhost/r4", allow_private_addresses=True)
    with listening() as (port, heard):
        async with open_client(own) as http:
            assert (await http.get(f"http://localhost:{port}/")).status_code == 200
            with pytest.raises(httpx.ConnectError):
                await http.get(f"http://127.0.0.1:{port}/")
    assert sum(map(bool, heard)) == 1


async def test_what_is_read_is_asked_for_again_where_the_connection_ended_and_what_is_written_is_not(
    tmp_path: Path,
) -> None:
    with hanging_up() as (port, heard):
        async with open_client(settings(tmp_path, allow_http_loopback=True)) as http:
            for each in ("1", "2"):
                assert (await http.get(f"http://127.0.0.1:{port}/r4/Patient/{each}")).status_code == 200
            ehr = Ehr(f"http://127.0.0.1:{port}/r4", "a-token", http)
            with pytest.raises(OutcomeUnknown):
                await ehr.create(b"{}", "Observation", if_none_exist=None)
    asked = [each.split(b" HTTP")[0] for each in heard]
    assert asked == [
        b"GET /r4/Patient/1",
        b"GET /r4/Patient/2",
        b"GET /r4/Patient/2",
        b"POST /r4/Observation",
    ]


async def test_a_server_of_forms_that_the_operator_named_is_reached(tmp_path: Path) -> None:
    form = Pinned("one", "https://forms.invalid/one|1", "http://localhost/r4")
    own = replace(settings(tmp_path), own_forms=OwnForms(pinned=(form,)))
    with listening() as (port, _):
        async with open_client(own) as http:
            assert (await http.get(f"http://localhost:{port}/")).status_code == 200


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("http", b"GET http://ehr.invalid/r4/Patient/1 "), ("https", b"CONNECT ehr.invalid:443 ")],
)
async def test_the_proxy_of_the_environment_makes_the_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, said: bytes
) -> None:
    with listening() as (port, heard):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "elsewhere.invalid")
        async with open_client(settings(tmp_path)) as http:
            for host in ("ehr.invalid", "elsewhere.invalid"):
                with suppress(EhrError):
                    await Ehr(f"{scheme}://{host}/r4", "a-token", http).read("Patient/1")
    assert [each[: len(said)] for each in heard[:1]] == [said]
    assert not [each for each in heard if b"elsewhere" in each]


@pytest.mark.parametrize(
    "address", ["socks5://127.0.0.1:1", "ftp://proxy.invalid", "http://user:sec/ret@proxy.invalid:1"]
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(SettingsInvalid, match="HTTPS_PROXY") as told:
        open_client(settings(tmp_path))
    assert "sec" not in f"{told.value}{told.value.what_to_do}"


async def test_this_machine_is_reached_without_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as (port, heard):
        monkeypatch.setenv("http_proxy", "proxy.invalid:1")
        open_here = settings(tmp_path, allow_http_loopback=True)
        async with open_client(open_here) as http:
            with suppress(EhrError):
                await Ehr(f"http://127.0.0.1:{port}/r4", "a-token", http).read("Patient/1")
    assert heard[0].startswith(b"GET /r4/Patient/1 ")
