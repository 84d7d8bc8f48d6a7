"""Gives a request to an ASGI application directly: as fast as it gets, and with bytes that no HTTP client would send."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

LONGEST = 30.0  # seconds

Pairs = tuple[tuple[str, str], ...]
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Pairs = ()
    headers: Headers = ()
    body: bytes = b""
    to: str = "https://rapport.invalid"
    client: str = "10.0.0.1"


def headers(**named: str) -> Headers:
    """Write headers: `content_type="..."`."""
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in named.items())


async def ask(app: Any, asked: Asked) -> int:
    """Give the status of the answer; of a stream only the beginning is awaited. What the application raises goes through."""
    host = urlsplit(asked.to).netloc
    query = [
        (name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in asked.query
    ]
    length = (b"content-length", str(len(asked.body)).encode())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "https",
        "path": asked.path,
        "raw_path": quote(asked.path.encode("utf-8", "replace"), safe="/%$").encode(),
        "query_string": urlencode(query).encode(),
        "root_path": "",
        "headers": [(b"host", host.encode()), *asked.headers, length],
        "client": (asked.client, 5000),
        "server": (host, 443),
        "state": {},
    }
    waiting = [{"type": "http.request", "body": asked.body, "more_body": False}]
    status = 0
    begun = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            begun.set()

    await asyncio.wait_for(app(scope, receive, send), LONGEST)
    return status
