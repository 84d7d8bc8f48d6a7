"""A log of the FHIR requests that were made, without bodies or tokens, for tests and demonstrations."""

from collections import deque
from dataclasses import dataclass

from sandbox_ehr.settings import Clock

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One FHIR request and how it ended."""

    at: str
    client_id: str
    user: str
    method: str
    path: str
    status: int


class RequestLog:
    """Remembers the last thousand requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: deque[LoggedRequest] = deque(maxlen=_KEPT)

    def add(self, client_id: str, user: str, method: str, path: str, status: int) -> None:
        """Remember a request."""
        at = self._clock().isoformat(timespec="milliseconds")
        self._requests.append(LoggedRequest(at, client_id, user, method, path, status))

    def all(self) -> tuple[LoggedRequest, ...]:
        """Give them, oldest first."""
        return tuple(self._requests)
