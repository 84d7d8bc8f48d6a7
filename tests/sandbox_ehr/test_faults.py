"""Faults over real HTTP: what a client sees, and what stands in the record all the same."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox_ehr.errors import SettingsInvalid
from sandbox_ehr.faults import FaultBook, FaultKind, FaultSpec
from sandbox_ehr.faults.book import STANDING, WORDS
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
from tests.sandbox_ehr.serving import serving

SCOPE = "launch online_access patient/Observation.crs patient/Patient.r"


class Client:
    """A launched app on a real socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, timeout=5)
        self.tokens: dict[str, Any] = {}

    def launch(self) -> None:
        asked = {"client_id": "public", "practitioner": "202", "patient": PATIENT}
        request = {
            "response_type": "code",
            "client_id": "public",
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "state": "s",
            "aud": f"{self.address}/r4",
            "launch": self.http.post("/sandbox/launch", json=asked).json()["launch"],
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        code = returned(self.http.get("/auth/authorize", params=request))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        answer = self.http.post(
            "/auth/token", data={**form, "client_id": "public", "code_verifier": VERIFIER}
        )
        self.take(answer.json())

    def take(self, tokens: dict[str, Any]) -> None:
        self.tokens = tokens
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def refresh(self) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        return self.http.post("/auth/token", data={**form, "client_id": "public"})

    def fault(self, kind: str, **more: Any) -> dict[str, Any]:
        answer = self.http.post("/sandbox/faults", json={"kind": kind, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def create(self, number: str = "1") -> httpx.Response:
        body = observation(identifier=[{"system": "https://ids.invalid", "value": number}])
        return self.http.post("/r4/Observation", json=body)

    def count(self, number: str = "1") -> int:
        found = self.http.get("/r4/Observation", params={"identifier": f"https://ids.invalid|{number}"})
        return int(found.json()["total"])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(settings(), Now()) as served:
        yield served


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    made = Client(address)
    made.http.delete("/sandbox/faults")
    made.launch()
    yield made
    made.http.delete("/sandbox/faults")
    made.http.close()


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("throttled", 429, 0),
        ("failed", 500, 0),
        ("failed-after-commit", 500, 1),
        ("unavailable", 503, 0),
        ("forbidden", 403, 0),
    ],
)
def test_a_status_comes_instead_of_an_answer(client: Client, kind: str, status: int, done: int) -> None:
    client.fault(kind, count=1, method="POST")
    assert client.create(kind).status_code == status
    assert client.count(kind) == done


def test_throttled_and_unavailable_say_when_to_come_back(client: Client) -> None:
    client.fault("throttled", retry_after=7, count=1)
    assert client.create().headers["retry-after"] == "7"
    client.fault("unavailable", retry_after=9, count=1)
    assert client.create().headers["retry-after"] == "9"
    client.fault("throttled", count=1)
    assert client.create().headers["retry-after"] == "1"


def test_forbidden_has_an_empty_body(client: Client) -> None:
    client.fault("forbidden", count=1)
    assert client.create().content == b""


@pytest.mark.parametrize(("kind", "done"), [("reset-before-commit", 0), ("reset-after-commit", 1)])
def test_a_broken_connection_gives_no_answer_and_tells_nothing(client: Client, kind: str, done: int) -> None:
    client.fault(kind, count=1, method="POST")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.create(kind)
    assert client.count(kind) == done


def test_half_an_answer_breaks_off(client: Client) -> None:
    client.fault("half-sent", count=1, method="POST")
    seen = b""
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):  # noqa: PT012, SIM117 -- it opens, then breaks
        with client.http.stream("POST", "/r4/Observation", json=observation()) as answer:
            assert answer.status_code == 201
            for chunk in answer.iter_raw():
                seen += chunk
    assert seen.startswith(b'{"resourceType":"Observation"')
    assert not seen.endswith(b"}}")


def test_latency_delays_the_answer_and_nothing_else(client: Client) -> None:
    client.fault("latency", seconds=0.3, count=1, method="POST")
    started = time.monotonic()
    assert client.create("slow").status_code == 201
    assert time.monotonic() - started >= 0.3
    assert client.count("slow") == 1


def test_an_expired_token_is_refused_and_can_be_refreshed(client: Client) -> None:
    client.fault("token-expired", count=1)
    answer = client.create()
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, "expired")
    assert "invalid_token" in answer.headers["www-authenticate"]
    refreshed = client.refresh()
    assert refreshed.status_code == 200
    client.take(refreshed.json())
    assert client.create().status_code == 201


def test_a_revoked_permission_cannot_be_refreshed(client: Client) -> None:
    client.fault("token-revoked", count=1)
    assert client.create().status_code == 401
    assert client.refresh().json()["error"] == "invalid_grant"


def test_the_server_can_become_another_while_it_runs(client: Client) -> None:
    made = client.fault("capability", personality="athena")
    statement = client.http.get("/r4/metadata").json()
    (found,) = [each for each in statement["rest"][0]["resource"] if each["type"] == "Observation"]
    assert {"code": "create"} not in found["interaction"]
    assert client.create().status_code == 405
    assert client.http.delete(f"/sandbox/faults/{made['id']}").status_code == 204
    assert client.create().status_code == 201


def test_a_wrong_clock_dates_everything_and_ends_tokens(client: Client) -> None:
    client.fault("clock-skew", seconds=1800)
    assert client.create().json()["meta"]["lastUpdated"] == "2026-11-23T09:45:00.000Z"
    client.fault("clock-skew", seconds=1801)
    assert client.create().status_code == 401


def test_a_fault_befalls_the_chosen_requests_as_often_as_was_asked(client: Client) -> None:
    client.fault("failed", count=2, method="POST", path="/r4/Obs*")
    assert client.http.get(f"/r4/Patient/{PATIENT}").status_code == 200
    assert [client.create().status_code for _ in range(3)] == [500, 500, 201]
    (listed,) = client.http.get("/sandbox/faults").json()
    assert (listed["hits"], listed["spent"]) == (2, True)


def test_the_token_endpoint_can_be_hit_as_well(client: Client) -> None:
    client.fault("unavailable", path="/auth/token", count=1)
    assert client.refresh().status_code == 503


def test_the_control_address_is_never_hit_and_clears_everything(client: Client) -> None:
    client.fault("unavailable", path="*")
    assert client.http.get("/r4/metadata").status_code == 503
    assert client.http.delete("/sandbox/faults").status_code == 204
    assert client.http.get("/r4/metadata").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fire"},
        {"kind": "capability"},
        {"kind": "capability", "personality": "none"},
        {"kind": "failed", "probability": 2},
        {"kind": "failed", "count": 0},
        {"kind": "failed", "path": "r4"},
        {"kind": "failed", "cuont": 1},
        {"kind": "latency", "seconds": -1},
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_name(client: Client, wrong: dict[str, Any]) -> None:
    answer = client.http.post("/sandbox/faults", json=wrong)
    assert answer.status_code == 422
    assert client.http.get("/sandbox/faults").json() == []


def test_removing_what_is_not_there_is_said(client: Client) -> None:
    assert client.http.delete("/sandbox/faults/99").status_code == 404


def test_the_page_shows_the_faults_adds_and_removes_them(client: Client) -> None:
    assert "None: everything works" in client.http.get("/sandbox").text
    form = {"kind": "failed", "path": "/r4/Obs*", "count": "3", "probability": "0.5"}
    assert client.http.post("/sandbox/control", data=form).status_code == 303
    page = client.http.get("/sandbox").text
    assert "500, nothing done" in page
    assert "3 times, 50 %" in page
    refused = client.http.post("/sandbox/control", data={**form, "probability": "often"})
    assert (refused.status_code, "probability:" in refused.text) == (422, True)
    assert client.http.post("/sandbox/control/clear").status_code == 303
    assert client.http.get("/sandbox/faults").json() == []


def test_faults_can_be_set_from_the_start_and_so_can_a_personality() -> None:
    spec = FaultSpec(kind=FaultKind.UNAVAILABLE, path="/r4/metadata", count=1)
    with serving(settings(), Now(), faults=(spec,), personality="epic") as address, httpx.Client() as http:
        assert http.get(f"{address}/r4/metadata").status_code == 503
        assert "Epic" in http.get(f"{address}/r4/metadata").json()["software"]["name"]
        assert "Epic-like" in http.get(f"{address}/sandbox").text


def test_a_probability_is_a_share_of_the_requests() -> None:
    chances = iter([0.1, 0.7, 0.49, 0.5])
    book = FaultBook([FaultSpec(kind=FaultKind.FAILED, probability=0.5)], chance=lambda: next(chances))
    assert [len(book.take("GET", "/r4/metadata")) for _ in range(4)] == [1, 0, 1, 0]


def test_every_kind_has_words_and_is_told_apart() -> None:
    assert set(WORDS) == set(FaultKind)
    assert len(set(WORDS.values())) == len(WORDS)
    assert set(FaultKind) > STANDING


def test_a_wrong_personality_in_the_settings_stops_the_start() -> None:
    with pytest.raises(SettingsInvalid):
        settings(personality="none")
