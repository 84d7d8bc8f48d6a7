"""The demonstration as a newcomer starts it: two processes on this machine, in a folder that goes away afterwards."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from smart_launch import PrivateKeyJwt, SigningKey, Site, discover, system_token
from tests.ports import free_ports
from tests.terminal import command_line

ROOT = Path(__file__).parents[2]
_START_SECONDS = 240
# Runs the demonstration as its command does, with more in the settings of its site.
_WITH_MORE = """
import sys
from plugin import demo
whole, more = demo.configuration, sys.argv[2]
demo.configuration = lambda *asked: whole(*asked) + more
demo.run_demo(int(sys.argv[1]), fresh=True)
"""


@dataclass(frozen=True)
class Demonstration:
    """A running sandbox EHR and Rapport; `output` is what both have printed."""

    port: int
    state: Path
    output: Path

    @property
    def ehr(self) -> str:
        return f"http://localhost:{self.port - 1}"

    @property
    def rapport(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reader_token(self, *scopes: str) -> str:
        """Get a token of the EHR the way any registered client does (SMART Backend Services)."""
        (key,) = self.state.rglob("es384.jwk.json")
        site = Site(
            id="sandbox",
            name="Sandbox EHR",
            fhir_base=f"{self.ehr}/r4",
            client_id="rapport",
            authentication=PrivateKeyJwt((SigningKey.from_jwk(key.read_text(encoding="utf-8")),)),
            redirect_uri=f"{self.rapport}/callback",
            scopes=(),
            backend_scopes=scopes,
            allow_http_loopback=True,
            allow_private_addresses=True,
        )

        async def ask() -> str:
            async with httpx.AsyncClient() as http:
                configuration = await discover(site, http)
                token = await system_token(site, configuration, http=http, now=datetime.now(UTC))
                return token.access_token

        # In a thread of its own: a browser test has an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(ask())).result()


@contextmanager
def running_demonstration(folder: Path, *, site: str = "") -> Iterator[Demonstration]:
    """Run `rapport demo` until the block ends; its state lies in the folder. `site`: sections that its site's settings have besides."""
    demonstration = Demonstration(free_ports(2)[1], folder / "state", folder / "output.txt")
    environment = {**os.environ, "XDG_STATE_HOME": str(demonstration.state)}
    command = command_line("demo", "--fresh", "--port", demonstration.port)
    if site:
        command = [sys.executable, "-c", _WITH_MORE, str(demonstration.port), site]
    with demonstration.output.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_ready(demonstration, process)
            yield demonstration
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_ready(demonstration: Demonstration, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while "begins anew" not in demonstration.output.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(demonstration.output.read_text(encoding="utf-8"))
        time.sleep(0.1)
