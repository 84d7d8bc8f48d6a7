"""How long from pressing "send" until any FHIR client can read the score in the EHR.

Two real processes on this machine (the demonstration), HTTP over loopback, SQLite with full synchronisation.
Run: python -m benchmarks.send_to_record [repetitions]. Prints the median, the slowest and the fastest, in milliseconds.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import httpx

from smart_launch import PrivateKeyJwt, SigningKey, Site, discover, system_token

PORT = 8751
EHR, RAPPORT = f"http://localhost:{PORT - 1}", f"http://127.0.0.1:{PORT}"
ITEMS = ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2")
IDENTIFIER = "https://w3id.org/rapport-fhir/identifier"


def main(repetitions: int) -> None:
    """Start the demonstration, measure, stop it."""
    with tempfile.TemporaryDirectory() as state:
        environment = {"XDG_STATE_HOME": state, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "plugin", "demo", "--port", str(PORT), "--fresh"]
        demo = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1]
        )
        try:
            _wait(f"{RAPPORT}/health")
            token = _reader_token(state)
            times = [_once(token) for _ in range(repetitions)]
        finally:
            demo.terminate()
            demo.wait(15)
    saved, readable = (sorted(each) for each in zip(*times, strict=True))
    for name, values in (("send until 'saved'", saved), ("send until readable in the EHR", readable)):
        median = statistics.median(values)
        print(
            f"{name}: median {median:.0f} ms, fastest {values[0]:.0f}, slowest {values[-1]:.0f} (n={len(values)})"
        )


def _once(token: str) -> tuple[float, float]:
    with httpx.Client(timeout=10) as browser:
        page, cookie = _launch(browser)
        secret = _start_therapist_form(browser, page, cookie)
        headers = {"X-Rapport-Invitation": secret}
        browser.get(f"{RAPPORT}/fill/form", headers=headers).raise_for_status()
        begun = time.perf_counter()
        sent = browser.post(
            f"{RAPPORT}/fill/submit", headers=headers, json={"answers": dict.fromkeys(ITEMS, "mostly")}
        )
        sent.raise_for_status()
        saved = time.perf_counter() - begun
        listed = browser.get(f"{page}/responses.json", headers={"Cookie": cookie}).json()
        query = {"identifier": f"{IDENTIFIER}|{listed[0]['id']}/score-total"}
        reader = {"Authorization": f"Bearer {token}"}
        while not browser.get(f"{EHR}/r4/Observation", params=query, headers=reader).json().get("entry"):
            if time.perf_counter() - begun > 20:
                raise TimeoutError("the score did not arrive within 20 seconds")
            time.sleep(0.002)
        return saved * 1000, (time.perf_counter() - begun) * 1000


def _launch(browser: httpx.Client) -> tuple[str, str]:
    people = browser.get(f"{EHR}/sandbox/people").json()
    asked = {
        "client_id": "rapport",
        "patient": people["patients"][0],
        "practitioner": people["practitioners"][0],
    }
    address = browser.post(f"{EHR}/sandbox/launch", json=asked).json()["launch_url"]
    cookie = ""
    for _ in range(8):
        answer = browser.get(address, headers={"Cookie": cookie} if address.startswith(RAPPORT) else {})
        if (given := answer.headers.get("set-cookie")) and address.startswith(RAPPORT):
            cookie = given.split(";")[0]
        if answer.status_code == 200:
            return address, cookie
        address = urljoin(address, answer.headers["location"])
    raise RuntimeError("the launch did not arrive")


def _start_therapist_form(browser: httpx.Client, page: str, cookie: str) -> str:
    text = browser.get(page, headers={"Cookie": cookie}).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', text)
    therapist = re.search(r'value="(Practitioner/[^"]+)"', text)
    if csrf is None or therapist is None:
        raise RuntimeError("the patient page has no form")
    data = {
        "csrf": csrf[1],
        "respondent": therapist[1],
        "instrument": "rapport-checkin-therapist",
        "language": "en",
    }
    answer = browser.post(f"{page}/invitations", data=data, headers={"Cookie": cookie})
    return answer.headers["location"].partition("#")[2]


def _reader_token(state: str) -> str:
    """Get a token of the EHR with the demonstration's own key (SMART Backend Services)."""
    (key,) = Path(state).rglob("es384.jwk.json")
    site = Site(
        id="sandbox",
        name="Sandbox EHR",
        fhir_base=f"{EHR}/r4",
        client_id="rapport",
        authentication=PrivateKeyJwt((SigningKey.from_jwk(key.read_text()),)),
        redirect_uri=f"{RAPPORT}/callback",
        scopes=(),
        backend_scopes=("system/Observation.rs",),
        allow_http_loopback=True,
        allow_private_addresses=True,
    )

    async def ask() -> str:
        async with httpx.AsyncClient() as http:
            configuration = await discover(site, http)
            return (await system_token(site, configuration, http=http, now=datetime.now(UTC))).access_token

    return asyncio.run(ask())


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{address} did not answer")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
