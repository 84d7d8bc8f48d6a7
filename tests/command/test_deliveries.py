"""`rapport deliveries` as an operator uses it who finds something refused."""

import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from rich.console import Console
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.commands import delivering
from plugin.delivery.keep import keep
from plugin.delivery.states import DeliveryState
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.settings import read_settings
from tests.command.test_worker import SITE
from tests.delivery.records import record

SECRET = "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"


@dataclass(frozen=True)
class Done:
    """What a command printed, and the error that `main` tells on standard error."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Place:
    """A configuration with a database in which deliveries stand."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "RAPPORT_SECRET_KEY": SECRET, "RAPPORT_SITE_CLINIC_SECRET": "s3cret-of-tests"}

    def run(self, *arguments: str) -> Done:
        """Run the command in this process (a process each would take a second)."""
        command = ["deliveries", *arguments, "--config", str(self.folder / "rapport.toml")]
        result = CliRunner().invoke(app, command, env=self.environment)
        return Done(result.exit_code, result.stdout, str(result.exception or ""))

    def rows(self) -> dict[str, Any]:
        engine = open_database(f"sqlite:///{self.folder}/r.sqlite3")
        with engine.connect() as connection:
            found = {row.response: row for row in connection.execute(sa.select(t.delivery))}
        engine.dispose()
        return found

    def trail(self) -> list[dict[str, Any]]:
        vault = Vault(read_settings(self.folder / "rapport.toml", self.environment).vault_keys)
        engine = open_database(f"sqlite:///{self.folder}/r.sqlite3")
        with engine.connect() as connection:
            rows = connection.execute(sa.select(t.audit).order_by(t.audit.c.id)).all()
        engine.dispose()
        return [msgspec.json.decode(vault.open("audit", row.event, row.sealed_resource)) for row in rows]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    site = SITE.format(database=f"sqlite:///{tmp_path}/r.sqlite3").replace("private_key_jwt", "client_secret")
    (tmp_path / "rapport.toml").write_text(site, encoding="utf-8")
    made = Place(tmp_path)
    settings = read_settings(tmp_path / "rapport.toml", made.environment)
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    ledger.close()
    engine = open_database(settings.database, ledger.vault)
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        for state in DeliveryState:
            keep(connection, ledger.vault, record(id=str(state), identifier=str(state), site="clinic"))
            never = datetime(2099, 1, 1, tzinfo=UTC)
            change = t.delivery.update().where(t.delivery.c.response == str(state))
            connection.execute(change.values(state=state, attempts=3, due=never, detail="HTTP 422"))
    engine.dispose()
    return made


def test_what_is_not_in_the_record_is_listed_without_naming_anybody(place: Place) -> None:
    listed = place.run("list", "--json")
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert [each["response"] for each in found["deliveries"]] == sorted(
        state for state in DeliveryState if state != "delivered"
    )
    assert found["counts"]["refused"] == 1
    assert "Patient/" not in listed.stdout + place.run("list").stdout


def test_an_unknown_state_is_told_with_those_that_there_are(place: Place) -> None:
    listed = place.run("list", "--state", "lost")
    assert listed.returncode == 1
    assert "set-aside" in listed.stderr


def test_a_refused_one_is_tried_again_and_the_trail_says_who_asked(place: Place) -> None:
    assert place.run("retry", "refused").returncode == 0
    row = place.rows()["refused"]
    assert (row.state, row.attempts) == ("unknown", 3)
    assert row.due <= datetime.now(UTC)
    (entry,) = place.trail()
    assert entry["subtype"][-1]["code"] == "delivery-retried"
    assert entry["entity"][0]["what"]["reference"] == "QuestionnaireResponse/refused"
    assert "at the command line" in json.dumps(entry["agent"])


@pytest.mark.parametrize("state", ["delivered", "sending"])
def test_what_is_in_the_record_or_under_way_is_not_changed(place: Place, state: str) -> None:
    for command in (("retry", state), ("discard", state, "--why", "sent by mistake")):
        done = place.run(*command)
        assert done.returncode == 1
        assert ("in the record" if state == "delivered" else "being sent") in done.stderr
    assert place.rows()[state].state == state
    assert place.trail() == []


def test_a_discarded_one_keeps_the_reason(place: Place) -> None:
    assert place.run("discard", "refused", "--why", "The patient moved away").returncode == 0
    assert (place.rows()["refused"].state, place.rows()["refused"].detail) == (
        "discarded",
        "The patient moved away",
    )
    (entry,) = place.trail()
    assert entry["purposeOfEvent"] == [{"text": "The patient moved away"}]


def test_nothing_is_discarded_without_a_reason(place: Place) -> None:
    assert place.run("discard", "refused", "--why", " ").returncode == 1
    assert place.run("discard", "refused").returncode == 2
    assert place.rows()["refused"].state == "refused"


def test_all_that_is_held_is_released_at_once(place: Place) -> None:
    done = place.run("release")
    assert "1 held delivery is due now" in done.stdout
    assert place.rows()["held"].due <= datetime.now(UTC)
    assert place.rows()["refused"].due > datetime.now(UTC)


def test_a_delivery_is_shown_and_one_that_is_not_there_is_told(place: Place) -> None:
    assert "HTTP 422" in place.run("show", "refused").stdout
    missing = place.run("show", "nothing")
    assert missing.returncode == 1
    assert "rapport deliveries list" in missing.stderr


LONG = "HTTP 400: business-rule at Observation.encounter.reference: " + "a reason that is long " * 10


def test_nothing_is_cut_in_a_pipe_and_the_beginning_of_an_id_is_enough(place: Place) -> None:
    first, second = "ad330bc2-1111-4222-8333-444455556666", "ad330bc2-1111-4222-8333-444455557777"
    keep_refused(place, first)
    listed = place.run("list").stdout
    assert first in listed
    assert LONG.strip() in listed
    assert LONG.strip() in place.run("show", first[:8]).stdout
    assert place.run("retry", first[:8]).returncode == 0
    assert place.run("discard", first[:9], "--why", "sent by mistake").returncode == 0
    assert place.rows()[first].state == "discarded"
    keep_refused(place, second)
    ambiguous = place.run("show", first[:8])
    assert ambiguous.returncode == 1
    assert f"{first}, {second}" in ambiguous.stderr
    assert place.run("show", second).returncode == 0
    assert "no delivery of a response ad330bc9" in place.run("show", "ad330bc9").stderr
    assert "no delivery of a response ad330" in place.run("show", "ad330").stderr


def test_on_a_narrow_terminal_an_id_stands_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "ad330bc2-1111-4222-8333-444455556666"
    keep_refused(place, own)
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(delivering, "_out", console)  # what it prints to is no parameter of a command
    assert place.run("list").returncode == 0
    assert own in screen.getvalue()
    assert "…" not in screen.getvalue()


def keep_refused(place: Place, response: str) -> None:
    """Put a refused delivery with a long reason into the ledger."""
    settings = read_settings(place.folder / "rapport.toml", place.environment)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database, vault)
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        keep(connection, vault, record(id=response, identifier=response, site="clinic"))
        change = t.delivery.update().where(t.delivery.c.response == response)
        connection.execute(change.values(state=DeliveryState.REFUSED, attempts=1, detail=LONG.strip()))
    engine.dispose()
