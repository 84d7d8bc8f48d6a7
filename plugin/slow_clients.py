"""The protocol that serving processes speak: HTTP/1.1 of uvicorn on h11, with a time for whatever a client does slowly.

A request that tells its end in two ways is refused: a proxy that goes by the other one would pass on what it never looked at.
h11 holds headers to 64 KB; httptools, which uvicorn would take, keeps whatever a client sends.
"""

import asyncio
from typing import Any, ClassVar

import h11
from h11._connection import DEFAULT_MAX_INCOMPLETE_EVENT_SIZE  # as uvicorn does
from uvicorn.protocols.http.h11_impl import H11Protocol

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _OneEnd(h11.Connection):
    """Takes no request that a server may read as longer or shorter than another does (RFC 9112 section 6.1)."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Give what came next; RemoteProtocolError, which is answered with 400 and closes the connection, if it has two ends."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            is_older = event.http_version < b"1.1"
            if b"transfer-encoding" in names and (b"content-length" in names or is_older):
                raise h11.RemoteProtocolError("Transfer-Encoding beside Content-Length, or before HTTP/1.1")
        return event


class HurriedProtocol(H11Protocol):
    """Closes the connection of a client that does not send its request in time, or does not take its answer."""

    # From the connection, or from a request's first byte, to the header's end.
    header_seconds: ClassVar = 10.0
    # From there to the body's end: 20 kB, the largest form, at 3 kbit/s.
    body_seconds: ClassVar = 60.0
    # In this time a client takes at least so many bytes of an answer that waits.
    taking_seconds: ClassVar = 60.0
    least_taken: ClassVar = 16_384

    _awaited: object = None  # the part of a request that is waited for: a state of h11
    _sending: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        most = self.config.h11_max_incomplete_event_size or DEFAULT_MAX_INCOMPLETE_EVENT_SIZE
        self.conn = _OneEnd(h11.SERVER, most)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first request."""
        super().connection_made(transport)
        # So pause_writing tells of whatever the client leaves; 0 stops TLS.
        transport.set_write_buffer_limits(high=1)
        self._wait_for(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._wait_for(self.conn.their_state)

    def on_response_complete(self) -> None:
        """Go on to the next request: until its first byte uvicorn's own time counts."""
        super().on_response_complete()
        body = self.conn.their_state is h11.SEND_BODY  # of this request, or of one that came right behind it
        self._wait_for(h11.SEND_BODY if body else h11.DONE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_for(h11.CLOSED)
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch how much the client takes."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """It has taken everything."""
        self._stop_watching()
        super().resume_writing()

    def _wait_for(self, part: object) -> None:
        if part is self._awaited:
            return
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        if part is h11.IDLE:
            self._sending = self.loop.call_later(self.header_seconds, self._end)
        elif part is h11.SEND_BODY:
            self._sending = self.loop.call_later(self.body_seconds, self._end)
        self._awaited = part

    def _end(self) -> None:
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def _watch(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(self.taking_seconds, self._look_again, left)

    def _look_again(self, left: int) -> None:
        if left - self.transport.get_write_buffer_size() < self.least_taken:
            self.transport.abort()
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
