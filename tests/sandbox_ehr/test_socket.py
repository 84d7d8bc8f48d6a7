"""The sandbox behind uvicorn: what a demonstration runs, with requests at the same time."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn

from sandbox_ehr import create_app
from tests.sandbox_ehr.conftest import (
    CALLBACK,
    CHALLENGE,
    PATIENT,
    VERIFIER,
    Now,
    observation,
    returned,
    settings,
)


@pytest.fixture
def base() -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    app = create_app(settings(base_url=address), clock=Now())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield address
    server.should_exit = True
    thread.join(10)
    listening.close()


def test_a_launch_and_simultaneous_conditional_creates_over_a_socket(base: str) -> None:
    with httpx.Client(base_url=base) as http:
        asked = {"client_id": "public", "practitioner": "202", "patient": PATIENT}
        launch = http.post("/sandbox/launch", json=asked).json()
        request = {
            "response_type": "code",
            "client_id": "public",
            "redirect_uri": CALLBACK,
            "scope": "launch patient/Observation.crs",
            "state": "s",
            "aud": f"{base}/r4",
            "launch": launch["launch"],
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        code = returned(http.get("/auth/authorize", params=request))["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": "public",
        }
        token = http.post("/auth/token", data={**form, "code_verifier": VERIFIER}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "If-None-Exist": "identifier=https://ids.invalid|1"}
        body = observation(identifier=[{"system": "https://ids.invalid", "value": "1"}])

        def create(_: int) -> int:
            return http.post("/r4/Observation", json=body, headers=headers).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(create, range(16)))
        assert statuses == [200] * 15 + [201]
