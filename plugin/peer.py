"""Who is at the other end of the work under way: the browser or app of a request, or the terminal of a command."""

import socket
from contextvars import ContextVar
from dataclasses import dataclass

MACHINE_NAME, IP_ADDRESS, ADDRESS = "1", "2", "5"  # http://hl7.org/fhir/network-type


@dataclass(frozen=True, slots=True)
class Peer:
    """A name for people, and where it is in the network (`kind`: a code of http://hl7.org/fhir/network-type)."""

    name: str
    address: str
    kind: str


_peer: ContextVar[Peer | None] = ContextVar("peer", default=None)


def arrived_from(host: str) -> None:
    """Say that the work under way was asked for from an address."""
    _peer.set(Peer("Browser or app", host, IP_ADDRESS))


def current() -> Peer:
    """Tell who asked; without a request it is this machine: its command line, or a task of Rapport's own."""
    return _peer.get() or Peer("Command line or task", socket.gethostname() or "localhost", MACHINE_NAME)
