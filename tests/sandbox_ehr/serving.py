"""A sandbox behind uvicorn on loopback, for what only a real socket shows."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from sandbox_ehr import SandboxSettings, create_app
from sandbox_ehr.settings import Clock


@contextmanager
def serving(settings: SandboxSettings, clock: Clock, **changes: Any) -> Iterator[str]:
    """Serve a sandbox of these settings on a free port; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    app = create_app(replace(settings, base_url=address, **changes), clock=clock)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
