"""A whole run of real processes, and then a search of everything they printed for health data, names and secrets."""

import json
import re
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from plugin.access.launches import launches_with_token
from plugin.ledger import Vault, change_rows
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from tests.ports import free_port
from tests.product.crashing import SECRET, Place, _key, _search, open_place
from tests.product.forms import ANSWERS, response_of
from tests.questionnaires import forms
from tests.terminal import run_rapport

PIN, WRONG_PIN = "83915274", "60218357"
OWN_WORDS = "Grandmother keeps the blue bicycle"
TEENAGER = "wei-ling"
SHORTEST_NAME = 3  # letters; shorter ones are in every other word


@dataclass
class Run:
    """What people did, what may never be told of it, and what was printed."""

    place: Place
    secrets: dict[str, str] = field(default_factory=dict)  # value -> what it is
    output: str = ""
    cookie: str = ""

    def keep(self, what: str, *values: str) -> None:
        self.secrets.update({value: what for value in values if value})

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request as the clinician's browser does."""
        headers = {"Cookie": self.cookie, "Accept": "text/html", **more.pop("headers", {})}
        address = path if path.startswith("http") else f"{self.place.rapport}{path}"
        answer = httpx.request(method, address, headers=headers, timeout=30, **more)
        if given := answer.headers.get("set-cookie"):
            self.cookie = given.split(";")[0]
            self.keep("session handle", self.cookie.partition("=")[2])
        return answer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Do everything that the product does, good and bad; stop it; collect what it printed."""
    folder = tmp_path_factory.mktemp("logs")
    note = forms.form(
        forms.question("a"),
        {"linkId": "word", "text": "A word", "type": "string"},
        forms.score("total", "%resource.item.answer.value.weight().sum()"),
    )
    (folder / "note.json").write_text(json.dumps(note), encoding="utf-8")
    with open_place(folder, free_port()) as place:
        file = folder / "rapport.toml"
        file.write_text(
            file.read_text().replace("[[site]]", 'instruments = ["note.json"]\n\n[[site]]', 1),
            encoding="utf-8",
        )
        done = Run(place)
        server = place.start()
        try:
            place.wait(server)
            _live_through(done)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
        done.output = (folder / "output.txt").read_text(encoding="utf-8") + _doctor(place)
        _collect(done)
        yield done


def _live_through(run: Run) -> None:
    place = run.place
    people = {
        each["name"][0].get("given", ["-"])[0].lower(): each["id"] for each in _search(place, "Patient")
    }
    _fault(place, kind="reset-after-commit", count=1)
    _fault(place, kind="failed", count=1)
    _hand_over(run, people["amara"])
    _link(run, people[TEENAGER])
    _bad_requests(run, people["amara"])
    _wait_for_deliveries(place)
    _break_a_row(run, people["amara"])


def _launch(run: Run, patient: str) -> str:
    place = run.place
    clinician = _search(place, "Practitioner")[0]["id"]
    asked = {"client_id": "rapport", "patient": patient, "practitioner": clinician}
    address = httpx.post(f"{place.ehr}/sandbox/launch", json=asked).json()["launch_url"]
    for _ in range(8):
        for name in ("code", "state", "launch"):
            run.keep(name, httpx.URL(address).params.get(name, ""))
        own = address.startswith(place.rapport)
        answer = run.ask("GET", address) if own else httpx.get(address)
        if answer.status_code == 200:
            return str(address)
        address = str(httpx.URL(address).join(answer.headers["location"]))
    raise AssertionError("the launch did not arrive")


def _invite(run: Run, page: str, **form: str) -> httpx.Response:
    text = run.ask("GET", page).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', text)
    assert csrf, text[:500]
    run.keep("csrf", csrf[1])
    return run.ask("POST", f"{page}/invitations", data={"csrf": csrf[1], "language": "en", **form})


def _fill(run: Run, secret: str, answers: Mapping[str, str | None]) -> None:
    run.keep("invitation", secret)
    headers = {"X-Rapport-Invitation": secret}
    assert run.ask("GET", "/fill/form", headers=headers).status_code == 200
    assert run.ask("PUT", "/fill/answers", headers=headers, json={"answers": answers}).status_code == 200
    sent = run.ask("POST", "/fill/submit", headers=headers, json={"answers": answers})
    assert sent.status_code == 200, sent.text


def _hand_over(run: Run, patient: str) -> None:
    page = _launch(run, patient)
    run.keep("PIN", PIN, WRONG_PIN)
    run.keep("answer", OWN_WORDS)
    for instrument, answers in (
        ("rapport-checkin-child", ANSWERS),
        ("note", {"a": "s1", "word": OWN_WORDS}),
    ):
        made = _invite(run, page, respondent=f"Patient/{patient}", instrument=instrument, pin=PIN)
        assert made.status_code == 303, made.text
        _fill(run, made.headers["location"].partition("#")[2], answers)
        locked = re.search(r'name="csrf" value="([^"]+)"', run.ask("GET", f"{page}/return").text)
        assert locked
        for pin in (WRONG_PIN, PIN):
            run.ask("POST", f"{page}/return", data={"csrf": locked[1], "pin": pin})
    assert run.ask("GET", page).status_code == 200


def _link(run: Run, patient: str) -> None:
    page = _launch(run, patient)
    made = _invite(
        run, page, respondent=f"Patient/{patient}", instrument="rapport-checkin-adolescent", way="link"
    )
    shown = run.ask("GET", f"{run.place.rapport}{made.headers['location']}").text
    secret, code = re.search(r"/fill#([0-9a-f]{40})", shown), re.search(r"<b>(\d{4}) (\d{4})</b>", shown)
    assert secret
    assert code
    run.keep("spoken code", code[1] + code[2], f"{code[1]} {code[2]}")
    assert run.ask("POST", "/code", data={"code": code[1] + code[2]}).status_code == 303
    run.ask("POST", "/code", data={"code": "00000000"})
    _fill(run, secret[1], ANSWERS)


def _bad_requests(run: Run, patient: str) -> None:
    token = _token(run, patient)
    address = "/sites/sandbox/fhir/QuestionnaireResponse"
    wrong = {**response_of(patient), "status": OWN_WORDS, "Okafor": "1"}
    wrong_item = response_of(patient, item=[{"linkId": OWN_WORDS, "answer": [{"valueString": OWN_WORDS}]}])
    for body in (b"{" + OWN_WORDS.encode(), json.dumps(wrong).encode(), json.dumps(wrong_item).encode()):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        assert run.ask("POST", address, content=body, headers=headers).status_code in {400, 422}
    made_up = "eyJhbGciOiJub25lIn0.made-up-token.of-nobody"
    run.keep("made-up token", made_up)
    run.ask("POST", address, content=b"{}", headers={"Authorization": f"Bearer {made_up}"})
    run.ask("GET", f"/Okafor/{OWN_WORDS}?name={OWN_WORDS}", headers={"X-Request-Id": "Amara-Okafor"})
    run.ask("POST", "/fill/submit", headers={"X-Rapport-Invitation": "f" * 40}, json={"answers": {}})
    run.keep("unknown invitation", "f" * 40)
    run.ask("GET", f"/callback?state={made_up}&code={made_up}&error_description={OWN_WORDS}")
    run.ask("GET", f"/launch?iss=https://evil.invalid/{OWN_WORDS}&launch={made_up}")


def _break_a_row(run: Run, patient: str) -> None:
    """Have nonsense rest, sealed as Rapport's own, so that an error that nobody handles is raised and logged."""
    page = _launch(run, patient)
    made = _invite(run, page, respondent=f"Patient/{patient}", instrument="rapport-checkin-child", pin=PIN)
    secret = made.headers["location"].partition("#")[2]
    run.keep("invitation", secret)
    engine = open_database(run.place.database)
    with engine.connect() as connection:
        whole = connection.execution_options(vault=Vault((_key(),)))
        change_rows(whole, t.invitation, (), {"gate": OWN_WORDS[:16]})
        connection.commit()
    engine.dispose()
    said = run.ask("POST", "/fill/consent", headers={"X-Rapport-Invitation": secret}, json={"agreed": True})
    assert said.status_code == 500, said.text


def _fault(place: Place, **fault: Any) -> None:
    asked = {"method": "POST", "path": "/r4*", **fault}
    httpx.post(f"{place.ehr}/sandbox/faults", json=asked).raise_for_status()


def _token(run: Run, patient: str) -> str:
    engine = open_database(run.place.database)
    with engine.connect() as connection:
        held = launches_with_token(connection, Vault((_key(),)), "sandbox", f"Patient/{patient}", None)
    engine.dispose()
    return str(held[0].context.tokens.access_token)


def _wait_for_deliveries(place: Place) -> None:
    engine = open_database(place.database)
    for _ in range(600):
        with engine.connect() as connection:
            states = set(connection.execute(sa.select(t.delivery.c.state)).scalars())
        if states == {"delivered"}:
            break
        time.sleep(0.1)
    engine.dispose()
    assert states == {"delivered"}


def _doctor(place: Place) -> str:
    environment = {"RAPPORT_SECRET_KEY": SECRET, "RAPPORT_SIGNING_KEYS": str(place.folder / "keys")}
    config = ("--config", place.folder / "rapport.toml")
    examined = run_rapport("doctor", f"{place.ehr}/r4", *config, environment=environment)
    assert "Traceback" not in examined.stderr
    return examined.stdout + examined.stderr


def _collect(run: Run) -> None:
    """Learn from the record and the ledger what may not have been told."""
    for kind in ("Patient", "RelatedPerson"):
        for person in _search(run.place, kind):
            for name in person.get("name", ()):
                for part in (*name.get("given", ()), *name.get("family", "").split(), name.get("text", "")):
                    if len(part) >= SHORTEST_NAME:
                        run.keep(f"name of a {kind}", part)
            run.keep("birth date", person.get("birthDate", ""))
            run.keep("identifier", *(each["value"] for each in person.get("identifier", ())))
            run.keep("reference", f"{kind}/{person['id']}")
            run.keep("telecom", *(each["value"] for each in person.get("telecom", ())))
    vault = Vault((_key(),))
    engine = open_database(run.place.database)
    with engine.connect() as connection:
        for row in connection.execute(sa.select(t.launch)):
            for held in launches_with_token(connection, vault, "sandbox", row.patient, row.id):
                tokens = held.context.tokens
                run.keep("access token", tokens.access_token)
                run.keep("refresh token", tokens.refresh_token or "")
    engine.dispose()
    run.keep("secret key", SECRET)


def told(run: Run, output: str) -> list[str]:
    """Name what was told and should not have been, as whole words in any case."""
    return sorted(
        {
            what
            for value, what in run.secrets.items()
            if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", output, re.IGNORECASE)
        }
    )


def test_nothing_that_was_printed_names_a_person_an_answer_or_a_secret(run: Run) -> None:
    assert told(run, run.output) == []


def test_the_search_is_for_something(run: Run) -> None:
    kinds = set(run.secrets.values())
    assert len(run.secrets) > 60
    assert {
        "access token",
        "code",
        "session handle",
        "invitation",
        "PIN",
        "birth date",
        "identifier",
    } <= kinds


def test_the_search_would_find_each_of_them(run: Run) -> None:
    assert set(told(run, "\n".join(f'{{"event": "{each}"}}' for each in run.secrets))) == set(
        run.secrets.values()
    )


def test_every_line_of_the_server_is_an_event(run: Run) -> None:
    lines = run.output.splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {"request", "delivery", "refused", "failed"} <= {each["event"] for each in events}
    assert [each for each in events if each["event"] == "request" and each.get("response")]
    assert not [line for line in lines if "Traceback" in line]


def test_every_line_of_a_request_has_its_id(run: Run) -> None:
    events = [json.loads(line) for line in run.output.splitlines() if line.startswith("{")]
    of_requests = [each for each in events if each["event"] in {"request", "refused", "failed", "delivery"}]
    assert of_requests
    assert [each for each in of_requests if "request_id" not in each] == []


def test_an_unforeseen_error_is_logged_by_its_places(run: Run) -> None:
    events = [json.loads(line) for line in run.output.splitlines() if line.startswith("{")]
    (unforeseen,) = [each for each in events if "exception" in each]
    assert any("_check_stated" in place for place in unforeseen["exception"][0]["at"])
