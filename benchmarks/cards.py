"""How long a CDS Hooks call takes: a patient with 200 responses, interpretation on, over HTTP on loopback, one after the other.

Run: python -m benchmarks.cards [calls]. Starts a sandbox EHR and a Rapport; prints median, p99 and the slowest of calls without
prefetch, and of calls that carry scores as the EHR has them, repeated up to the 200 that the service asks for; at last
of calls that carry 200 encounters, too, and a narrative of 2 kB with each.
"""

import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from joserfc import jwt

from plugin.audit.trail import utc_now
from sandbox_ehr.database import Database
from sandbox_ehr.oauth.records import Records
from tests.product.crashing import (
    Place,
    _search,
    _wait_for_delivery,
    free_port,
    launched_tokens,
    open_place,
    send,
)

_RESPONSES = 200
_SCORES = 200
_SECTIONS = """
[site.cds]
issuer = "{ehr}/r4"
jwks_url = "{ehr}/auth/jwks"
algorithms = ["RS256"]

[site.interpretation]
accepted_by = "The benchmark"
accepted_on = 2026-01-01
instruments = ["rapport-checkin-child"]
rupture = "gumz-1sd"
"""


@contextmanager
def _serving(folder: Path) -> Iterator[Place]:
    with open_place(folder, free_port()) as place:
        with (folder / "rapport.toml").open("a", encoding="utf-8") as file:
            file.write(_SECTIONS.format(ehr=place.ehr))
        process = place.start()
        try:
            place.wait(process)
            yield place
        finally:
            process.terminate()
            process.wait(20)


def main(calls: int) -> None:
    """Call as often, without and with the EHR's scores; print the times in milliseconds as each is done."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _serving(Path(folder)) as place,
        httpx.Client(timeout=20) as http,
    ):
        ((patient, token),) = launched_tokens(place, 1)
        for number in range(_RESPONSES):
            send(http, place, (patient, token), number, 0.0)
        left = _wait_for_delivery(place, 300)
        assert not left, f"not delivered: {left}"
        records = Records(Database(str(Path(folder) / "ehr.sqlite3")), utc_now)  # for its signing key alone
        for name, prefetch in (
            ("no prefetch", {}),
            ("200 scores", {"scores": _scores(place, patient)}),
            ("200 scores and 200 encounters with narratives", _narrated(place, patient)),
        ):
            _report(name, _call(http, place, records, _body(patient, prefetch), calls))


def _scores(place: Place, patient: str) -> dict[str, object]:
    """Give a search result of as many Observations as are asked for: the EHR's own, again and again under other ids."""
    many = _own(place, patient)
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in many]}


def _own(place: Place, patient: str) -> list[dict[str, object]]:
    own = _search(place, "Observation")
    assert own, "the EHR has no score"
    of = {"subject": {"reference": f"Patient/{patient}"}}
    return [{**own[at % len(own)], **of, "id": f"score-{at}"} for at in range(_SCORES)]


def _narrated(place: Place, patient: str) -> dict[str, object]:
    """Give everything that the service asks for, each resource with a narrative of 2 kB."""
    held = _search(place, "Encounter")
    assert held, "the EHR has no encounter"
    of = {"subject": {"reference": f"Patient/{patient}"}}
    visits = [{**held[at % len(held)], **of, "id": f"visit-{at}"} for at in range(_SCORES)]
    text = {"text": {"status": "generated", "div": f"<div>{'x' * 2_000}</div>"}}
    return {
        name: {"resourceType": "Bundle", "entry": [{"resource": {**each, **text}} for each in many]}
        for name, many in (("encounters", visits), ("scores", _own(place, patient)))
    }


def _body(patient: str, prefetch: dict[str, object]) -> dict[str, object]:
    context = {"userId": "Practitioner/201", "patientId": patient, "encounterId": "next"}
    return {"hook": "patient-view", "context": context, "prefetch": prefetch}


def _call(
    http: httpx.Client, place: Place, records: Records, body: dict[str, object], calls: int
) -> list[float]:
    """Call as often; give the milliseconds of each."""
    address = f"{place.rapport}/sites/sandbox/cds-services/alliance-patient-view"
    taken = []
    for _ in range(calls):
        content = json.dumps({**body, "hookInstance": str(uuid.uuid4())})
        headers = {"Authorization": f"Bearer {_sign(records, f'{place.ehr}/r4', address)}"}
        begun = time.perf_counter()
        answer = http.post(address, content=content, headers=headers)
        taken.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    return taken


def _report(name: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(
        f"{name}, {len(taken)} calls: median {statistics.median(taken):.1f} ms, p99 {p99:.1f} ms, slowest {ordered[-1]:.1f} ms",
        flush=True,
    )


def _sign(records: Records, issuer: str, address: str) -> str:
    key, now = records.signing_key(), int(time.time())
    claims = {"iss": issuer, "aud": address, "iat": now, "exp": now + 120, "jti": str(uuid.uuid4())}
    return jwt.encode({"alg": "RS256", "kid": key.kid or ""}, claims, key, algorithms=["RS256"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
