"""How long from pressing "send" until any FHIR client can read the score in the EHR.

Two real processes on this machine (the demonstration), HTTP over loopback, SQLite with full synchronisation.
Run: python -m benchmarks.send_to_record [repetitions]. Prints the median, the slowest and the fastest, in milliseconds.
"""

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import httpx

from tests.product.demonstration import Demonstration, running_demonstration

ITEMS = ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2")
IDENTIFIER = "https://w3id.org/rapport-fhir/identifier"
AMARA, SAMUEL = "1001", "202"  # of the sandbox's synthetic people


def main(repetitions: int) -> None:
    """Start the demonstration, measure, stop it."""
    with tempfile.TemporaryDirectory() as folder, running_demonstration(Path(folder)) as demonstration:
        token = demonstration.reader_token("system/Observation.rs")
        times = [_once(demonstration, token) for _ in range(repetitions)]
    saved, readable = (sorted(each) for each in zip(*times, strict=True))
    for name, values in (("send until 'saved'", saved), ("send until readable in the EHR", readable)):
        median = statistics.median(values)
        print(
            f"{name}: median {median:.0f} ms, fastest {values[0]:.0f}, slowest {values[-1]:.0f} (n={len(values)})"
        )


def _once(demonstration: Demonstration, token: str) -> tuple[float, float]:
    with httpx.Client(timeout=10) as browser:
        page, cookie = _launch(demonstration, browser)
        secret = _start_therapist_form(browser, page, cookie)
        headers = {"X-Rapport-Invitation": secret}
        browser.get(f"{demonstration.rapport}/fill/form", headers=headers).raise_for_status()
        begun = time.perf_counter()
        sent = browser.post(
            f"{demonstration.rapport}/fill/submit",
            headers=headers,
            json={"answers": dict.fromkeys(ITEMS, "mostly")},
        )
        sent.raise_for_status()
        saved = time.perf_counter() - begun
        listed = browser.get(f"{page}/responses.json", headers={"Cookie": cookie}).json()
        query = {"identifier": f"{IDENTIFIER}|{listed[0]['id']}/score-total"}
        reader = {"Authorization": f"Bearer {token}"}
        while (
            not browser.get(f"{demonstration.ehr}/r4/Observation", params=query, headers=reader)
            .json()
            .get("entry")
        ):
            if time.perf_counter() - begun > 20:
                raise TimeoutError("the score did not arrive within 20 seconds")
            time.sleep(0.002)
        return saved * 1000, (time.perf_counter() - begun) * 1000


def _launch(demonstration: Demonstration, browser: httpx.Client) -> tuple[str, str]:
    asked = {"client_id": "rapport", "patient": AMARA, "practitioner": SAMUEL}
    address = browser.post(f"{demonstration.ehr}/sandbox/launch", json=asked).json()["launch_url"]
    cookie = ""
    for _ in range(8):
        answer = browser.get(
            address, headers={"Cookie": cookie} if address.startswith(demonstration.rapport) else {}
        )
        if (given := answer.headers.get("set-cookie")) and address.startswith(demonstration.rapport):
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
