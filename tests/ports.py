"""Ports for servers that tests start in a process of their own.

A port that the system chooses may be given to another test, or to an outgoing connection, before the server has taken it. These lie
below what Linux, macOS and Windows choose from, each worker has a range of its own, and none is given twice in a row.
"""

import itertools
import os
import re
import socket
from collections.abc import Iterator

_LOWEST, _EACH, _WORKERS = 12_000, 1_000, 20  # a range for each of so many workers, up to 31,999


def _range() -> range:
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
    low = _LOWEST + _EACH * (int(worker or 0) % _WORKERS)
    return range(low, low + _EACH)


def _around() -> Iterator[int]:
    """Go through the range for ever, from where another run of the tests beside this one hardly is."""
    ports = _range()
    begin = os.getpid() * 7 % len(ports)
    yield from itertools.cycle((*ports[begin:], *ports[:begin]))


_next = _around()


def free_port() -> int:
    """Give a port of loopback that nobody uses."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Give neighbouring ports of loopback that nobody uses, the lowest first."""
    found: list[int] = []
    for port in itertools.islice(_next, 2 * _EACH):
        if found and port != found[-1] + 1:
            found = []
        found = [*found, port] if _is_free(port) else []
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} neighbouring ports are free in {_range()}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
