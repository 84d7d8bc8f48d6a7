"""A ledger with history, made through the front door once, and copied for each test that alters it."""

import asyncio
import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.throttle import count_try
from plugin.audit import Actor, Kind, Trail
from plugin.audit.log import TransparencyLog
from plugin.audit.trail import Clock, utc_now
from plugin.collecting import book
from plugin.delivery.keep import read_kept
from plugin.delivery.notes import Note, keep_note
from plugin.delivery.rescored import Why, keep_again, score_again
from plugin.delivery.revising import read_current
from plugin.erasure import Decision, erase, new_id
from plugin.flow import enter_in_error
from plugin.ledger import Ledger, Vault, save_row
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.norming import Coefficient, Figures, Group, adopt
from plugin.respondents import RespondentPolicy
from plugin.roles import Role, RoleBook
from plugin.routes.state import Rapport
from plugin.scores import Key, compile_key
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Progress, Verifier
from questionnaires import Catalogue, load_catalogue
from tests.product.forms import ANSWERS
from tests.product.test_administering import csrf_of, sign_in
from tests.product.test_later_versions import CORRECTING
from tests.product.test_path import send_child_form
from tests.product.world import World, rapport_settings, run_world

Json = dict[str, Any]


@cache
def stock() -> tuple[Catalogue, Mapping[str, Key]]:
    """Load and compile the forms once for all tests."""
    catalogue = load_catalogue()
    return catalogue, {each.canonical: compile_key(each) for each in catalogue.all()}


@dataclass
class Kept:
    """A copy of a Rapport's folder: its database and its log."""

    folder: Path

    def run(self, *statements: str) -> int:
        """Run SQL against the database behind Rapport's back; gives how many rows were changed."""
        engine = open_database(rapport_settings(self.folder).database)
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # the pragma counts outside transactions only
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            changed = sum(connection.exec_driver_sql(each).rowcount for each in statements)
        engine.dispose()
        return changed

    def verify(
        self,
        older: bytes | None = None,
        clock: Clock = utc_now,
        *,
        progress: Progress | None = None,
        connection: Connection | None = None,
    ) -> list[Finding]:
        settings = rapport_settings(self.folder)
        verifier = Verifier(
            *stock(),
            Vault(settings.vault_keys),
            Tiles(settings.log_folder),
            LogSigner(settings.log_name, settings.log_key).verifier,
            older,
            clock=clock,
        )
        progress = progress or Progress()
        if connection is not None:
            return list(verifier.verify(connection, progress))
        engine = open_database(settings.database)
        with engine.connect() as opened:
            found = list(verifier.verify(opened, progress))
        engine.dispose()
        return found

    def reseal(
        self,
        *,
        body: Callable[[Json], None] | None = None,
        panel: Callable[[Json], None] | None = None,
        total: Callable[[Json], None] | None = None,
        provenance: Callable[[Json], None] | None = None,
        stored: Callable[[Json], None] | None = None,
    ) -> str:
        """Rewrite parts of the response that has a total, as somebody who has the vault's key can; gives its id."""
        settings = rapport_settings(self.folder)
        vault, engine = Vault(settings.vault_keys), open_database(settings.database)
        with engine.connect() as connection:
            opened = {
                row.id: (
                    vault.open("response", row.id, row.sealed_body),
                    vault.open("results", row.id, row.sealed_results),
                )
                for row in connection.execute(sa.select(t.response))
            }
            (known,) = (each for each, (_, results) in opened.items() if b'\\"value\\":14' in results)
            answers, results = (json.loads(each) for each in opened[known])
            parts = {"panel": panel, "provenance": provenance}
            for name, change in parts.items():
                results[name] = _changed(results[name], change)
            results["scores"] = [
                _changed(each, total if "/score-total" in each else None) for each in results["scores"]
            ]
            for whole, change in ((answers, body), (results, stored)):
                if change is not None:
                    change(whole)
            raw = json.dumps(answers).encode() if body else opened[known][0]
            connection.execute(
                t.response.update()
                .where(t.response.c.id == known)
                .values(
                    sealed_body=vault.seal("response", known, raw),
                    body_digest=hashlib.sha256(raw).hexdigest(),
                    sealed_results=vault.seal("results", known, json.dumps(results).encode()),
                )
            )
            connection.commit()
        engine.dispose()
        return str(known)

    @property
    def tiles(self) -> Path:
        return rapport_settings(self.folder).log_folder


def _changed(resource: str, change: Callable[[Json], None] | None) -> str:
    if change is None:
        return resource
    decoded: Json = json.loads(resource)
    change(decoded)
    return json.dumps(decoded)


def back_up(folder: Path) -> None:
    """Keep the database and the log as they are now in `yesterday`."""
    settings = rapport_settings(folder)
    (folder / "yesterday").mkdir()
    engine = open_database(settings.database)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{folder / 'yesterday' / 'rapport.sqlite3'}'")
    engine.dispose()
    shutil.copytree(settings.log_folder, folder / "yesterday" / "log")


async def _write_a_note(rapport: Rapport) -> None:
    """Keep a note as the clinician's page does; nobody's token can send it."""
    note = Note(
        "n1", "sandbox", "Patient/1001", None, "l1", "Practitioner/202", "en", datetime.now(UTC), "School.\n"
    )
    about = (f"DocumentReference/{note.id}",)
    entry = rapport.trail.entry(
        Kind.NOTE_WRITTEN, Actor(note.author), site=note.site, patient=note.patient, about=about
    )
    await rapport.ledger.write(lambda c: keep_note(c, rapport.ledger.vault, note), entry)


async def score_somebody_again(world: World) -> None:
    """Keep scores of the first response beside the first ones, as the command does for another version of the form."""
    rapport = world.rapport.state.rapport
    vault, intake = rapport.ledger.vault, rapport.intake
    first = sa.text("SELECT id FROM response ORDER BY rowid LIMIT 1")
    response = await rapport.ledger.read(lambda c: str(c.execute(first).scalar_one()))
    record = await rapport.ledger.read(lambda c: read_kept(c, vault, response))
    form = intake.catalogue.by_canonical(record.instrument)
    why = Why(datetime.now(UTC), "somebody", "because")
    _, results = score_again(record, form, intake.keys[form.canonical], why.computed)
    entry = rapport.trail.entry(
        Kind.RESPONSE_RESCORED,
        Actor(display=why.who),
        site=record.site,
        patient=record.patient,
        about=(f"QuestionnaireResponse/{record.id}",),
        reason=why.reason,
    )
    await rapport.ledger.write(lambda c: keep_again(c, vault, record, form, results, why), entry)


async def review(world: World) -> None:
    """Draw a sample and sign one of it, as an auditor does."""
    roles = RoleBook({"Practitioner/205": frozenset({Role.AUDITOR})})
    rapport = world.rapport.state.rapport
    policy = replace(rapport.settings.policies["sandbox"], roles=roles)
    settings = replace(rapport.settings, policies={"sandbox": policy})
    world.rapport.state.rapport = replace(rapport, settings=settings)
    browser, desk = await sign_in(world, "205")
    page = await browser.get(f"{desk.url}/reviews")
    csrf = {"csrf": csrf_of(page)}
    asked = {"asked": "1", "first": "2026-01-01", "last": "2026-03-31", "seed": "s", "why": "because"}
    answer = await browser.post(f"{desk.url}/reviews", data={**csrf, **asked})
    assert answer.status_code == 303, answer.text
    drawn = answer.headers["location"].partition("?")[0]
    said = {"verdict": "question", "comment": "because"}
    answer = await browser.post(f"{drawn}/sign-off", data={**csrf, **said})
    assert answer.status_code == 303, answer.text


async def leave_open(world: World) -> None:
    """Leave a form half filled after its caregiver has agreed, and a launch that has not come back from the EHR."""
    rapport, used = world.rapport.state.rapport, world.browser
    policy = replace(rapport.settings.policies["sandbox"], respondents=RespondentPolicy(consent_below_age=16))
    settings = replace(rapport.settings, policies={"sandbox": policy})
    world.rapport.state.rapport = replace(rapport, settings=settings)
    world.browser = world.new_browser()
    people = await world.people()
    secret = await world.hand_over(await world.launch("amara"), f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    for address, sent in (
        ("consent", {"agreed": True, "stated": ["caregiver", "may-decide"]}),
        ("answers", {"answers": {"goal-1": None}}),
    ):
        await world.browser.get("/fill/form", headers=headers)
        write = world.browser.post if address == "consent" else world.browser.put
        answer = await write(f"/fill/{address}", headers=headers, json=sent)
        assert answer.status_code == 200, answer.text
    world.browser = world.new_browser()
    await world.depart()
    world.browser = used


def search_and_schedule(connection: Connection) -> None:
    """Remember a response of the EHR's own and a schedule, and count a wrong try, as the search, a launch and a gate do."""
    now = datetime.now(UTC)
    book.begin(connection, "sandbox", now, now)
    found = book.Candidate("QuestionnaireResponse/1", "1", "Patient/1001", "https://a.invalid/q|1", None)
    book.remember(connection, "sandbox", found, book.Found.SET_ASIDE, now, reason="no form")
    plan = {"site": "sandbox", "address": "PlanDefinition/1", "read": now, "content": "{}"}
    save_row(connection, t.plan_copy, plan)
    count_try(connection, Vault((bytes(32),)), "code", "10.0.0.1", now, 5)


async def erase_somebody(world: World) -> None:
    """Have another patient's launch, of whom nothing else is kept, and erase it as the command does."""
    await world.launch("wei-ling")
    people = await world.people()
    rapport = world.rapport.state.rapport
    decision = Decision("sandbox", f"Patient/{people['wei-ling']}", "somebody", "because", with_trail=True)
    identity = new_id()
    entry = rapport.trail.entry(
        Kind.PATIENT_ERASED,
        Actor(display="somebody"),
        site="sandbox",
        about=(f"urn:uuid:{identity}",),
        reason="because",
    )
    vault, now = rapport.ledger.vault, datetime.now(UTC)
    await world.rapport.state.log.advance()
    await rapport.ledger.write(lambda c: erase(c, vault, decision, identity, now), entry)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")

    async def make() -> None:
        async with run_world(folder, more_scopes=CORRECTING) as world:
            for answers in (ANSWERS, {**ANSWERS, "goal-2": None}):
                _, response = await send_child_form(world, answers)
                await world.delivered(
                    tries=2000,  # a machine under load
                    identifier=f"https://w3id.org/rapport-fhir/identifier|{response}/score-total",
                )
                if answers is ANSWERS:
                    await world.rapport.state.log.advance()
                    back_up(folder)
            await erase_somebody(world)
            await mark_as_error(world)
            figures = Figures(14.0, 4.0, 120, Coefficient.ALPHA, 0.8, 0.7, 0.9, 110, "the ledger")
            group = Group("sandbox", "https://a.invalid/q|1", "score-total", "child", "unknown")
            entry = world.rapport.state.rapport.trail.entry(
                Kind.NORM_ADOPTED,
                Actor(display="somebody"),
                site="sandbox",
                about=("https://a.invalid/q",),
                reason="because",
            )
            await world.rapport.state.rapport.ledger.write(
                lambda c: adopt(c, group, figures, "somebody", "because", datetime.now(UTC)), entry
            )
            await _write_a_note(world.rapport.state.rapport)
            await score_somebody_again(world)
            await review(world)
            await leave_open(world)
            await world.rapport.state.rapport.ledger.bookkeep(search_and_schedule)
            await world.rapport.state.log.advance()

    asyncio.run(make())
    return folder


def record(kept: Kept, many: int, *, logged: bool = False, ago: timedelta = timedelta()) -> None:
    """Record entries of the trail, which wait for their places in the log."""
    settings = rapport_settings(kept.folder)
    trail = Trail("https://rapport.invalid", lambda: datetime.now(UTC) - ago)

    async def tell() -> None:
        ledger = Ledger(settings.database, Vault(settings.vault_keys))
        entries = [trail.entry(Kind.LAUNCH, Actor("Practitioner/1"), site="sandbox") for _ in range(many)]
        await asyncio.gather(*(ledger.record(each) for each in entries))
        if logged:
            signer = LogSigner(settings.log_name, settings.log_key)
            await TransparencyLog(settings.log_folder, signer, ledger).advance()
        ledger.close()

    asyncio.run(tell())


async def mark_as_error(world: World) -> None:
    """Have the clinician say that the last response was entered in error, and wait until the record has been told."""
    rapport = world.rapport.state.rapport
    vault = rapport.ledger.vault
    latest = sa.text("SELECT response FROM delivery ORDER BY rowid DESC LIMIT 1")
    response = await rapport.ledger.read(lambda c: str(c.execute(latest).scalar_one()))
    record = await rapport.ledger.read(lambda c: read_current(c, vault, response))
    await enter_in_error(rapport.intake, record, Actor("Practitioner/202"), "wrong child")
    rapport.worker.wake()
    ended = sa.select(t.attempt.c.id).where(t.attempt.c.response == response, t.attempt.c.revision == 1)
    for _ in range(2000):
        if await rapport.ledger.read(lambda c: c.execute(ended).first()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the record was not told")


@pytest.fixture
def kept(original: Path, tmp_path: Path) -> Kept:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Kept(tmp_path)


@pytest.fixture
def environment(kept: Kept) -> dict[str, str]:
    return configure(kept.folder)


def configure(folder: Path) -> dict[str, str]:
    """Write a configuration file for the copied ledger, and give its secrets, as an operator has them."""
    settings = rapport_settings(folder)
    (folder / "rapport.toml").write_text(
        f"""
[server]
base_url = "{settings.base_url}"
database = "{settings.database}"
log = "{settings.log_folder}"

[[site]]
id = "sandbox"
name = "Sandbox EHR"
organization = "Sandbox service"
fhir_base = "https://ehr.invalid/r4"
client_id = "rapport"
authentication = "public"
""",
        encoding="utf-8",
    )
    return {
        **os.environ,
        "RAPPORT_SECRET_KEY": ",".join(base64.urlsafe_b64encode(key).decode() for key in settings.vault_keys),
        "RAPPORT_LOG_KEY": base64.urlsafe_b64encode(settings.log_key.private_bytes_raw()).decode(),
        "COLUMNS": "200",
    }


async def advance(folder: Path) -> None:
    """Log what waits for its place, as a serving Rapport does within seconds."""
    settings = rapport_settings(folder)
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    signer = LogSigner(settings.log_name, settings.log_key)
    await TransparencyLog(settings.log_folder, signer, ledger).advance()
    ledger.close()
