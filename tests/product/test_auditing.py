"""The auditor's pages: from any number back to its origin, with nothing written but the trail of having looked."""

import asyncio
import csv
import html
import io
import json
import re
import threading
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from plugin.app import PARTS
from plugin.audit import Actor, Kind
from plugin.audit.leaves import count_pending
from plugin.auditing.verifying import LedgerVerification, beside_ehr, outcome, said_of
from plugin.exports import Exporter
from plugin.ledger import insert_row
from plugin.ledger import tables as t
from plugin.pages.words import LANGUAGES, TRANSLATED
from plugin.roles import EVERYBODY, Role, RoleBook, Team
from plugin.routes.auditing import prover_of
from plugin.verify import Finding, Flaw, Progress, Verifier
from smart_launch import Sites, SmartDirectory, system_token
from tests.audit.conftest import configure, score_somebody_again
from tests.audit.test_exports import run
from tests.product.forms import ANSWERS
from tests.product.test_administering import ADMINISTRATOR, csrf_of, kinds, sign_in
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_notes import DOCUMENTS, draft, send
from tests.product.test_personalities import newest, send_form, settled
from tests.product.ways import form_to
from tests.product.world import EHR, PIN, RAPPORT, World, run_world

AUDITOR = "205"
SYSTEM = "https://w3id.org/rapport-fhir/identifier"
BOOK = RoleBook({f"Practitioner/{AUDITOR}": frozenset({Role.AUDITOR})})


JsonObject = dict[str, Any]


class Audit:
    """An auditor at their desk, in a browser of their own, and one administration that reached the record."""

    def __init__(self, world: World, browser: httpx.AsyncClient, base: str, response: str) -> None:
        self.world, self.browser, self.base, self.response = world, browser, base, response

    @property
    def chain(self) -> str:
        return f"{self.base}/audit/responses/{self.response}"

    async def get(self, path: str, status: int = 200) -> httpx.Response:
        page = await self.browser.get(path if path.startswith("http") else f"{self.base}{path}")
        assert page.status_code == status, page.text
        return page

    async def post(self, path: str, **data: str) -> httpx.Response:
        csrf = csrf_of(await self.get("/reviews"))
        return await self.browser.post(
            path if path.startswith("http") else f"{self.base}{path}", data={"csrf": csrf, **data}
        )

    async def search(self, **data: str) -> httpx.Response:
        return await self.post("/audit", **data)


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Audit]:
    async with run_world(tmp_path, roles=BOOK) as world:
        yield await start(world)


async def start(world: World) -> Audit:
    response = await send_form(world)
    await settled(world, response)
    return Audit(world, *await at_a_desk(world), response)


async def at_a_desk(world: World) -> tuple[httpx.AsyncClient, str]:
    browser, desk = await sign_in(world, AUDITOR)
    return browser, str(desk.url)


def folder_in(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


async def logged(world: World) -> None:
    """Wait until everything is in the log and signed for; the log's own task does it every two seconds."""
    rapport = world.rapport.state.rapport

    def behind(connection: sa.Connection) -> bool:
        signed = prover_of(rapport).signed()
        leaves = connection.execute(sa.select(sa.func.count()).select_from(t.log_leaf)).scalar_one()
        return bool(count_pending(connection).waiting) or signed is None or signed.size < leaves

    for _ in range(1200):
        if not await rapport.ledger.read(behind):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the log did not keep up")


async def another(world: World) -> str:
    """Have another form answered, on a device of its own."""
    world.browser = world.new_browser()
    response = await send_form(world)
    await settled(world, response)
    return response


async def from_the_chart(world: World, response: str) -> Audit:
    """Sit down at a desk that was opened from the patient's chart: with a token that reads it."""
    browser = world.new_browser()
    page = await world.launch("amara", browser, practitioner=AUDITOR)
    return Audit(world, browser, str(page.url).replace("/launches/", "/desks/"), response)


async def test_the_newest_are_listed_before_anything_is_asked(audit: Audit) -> None:
    page = await audit.get("/audit")
    assert f"/audit/responses/{audit.response}" in page.text
    assert "1 administration" in page.text


async def test_it_is_found_by_patient_clinician_date_instrument_and_outcome(audit: Audit) -> None:
    people = await audit.world.people()
    fitting = {
        "patient": people["amara"],
        "clinician": f"Practitioner/{people['practitioner']}",
        "first": "2026-03-01",
        "last": "2026-03-31",
        "instrument": "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child",
        "outcome": "delivered",
    }
    assert audit.response in (await audit.search(**fitting)).text
    for name, other in {
        "patient": "Patient/nobody",
        "clinician": "Practitioner/nobody",
        "first": "2026-03-03",
        "last": "2026-03-01",
        "instrument": "https://w3id.org/rapport-fhir/Questionnaire/tasc-r-child",
        "outcome": "refused",
    }.items():
        found = await audit.search(**{**fitting, name: other})
        assert audit.response not in found.text, name
        assert "Nothing at this site is like this" in found.text


async def test_an_observation_leads_to_its_chain_however_it_is_named_and_is_marked_there(
    audit: Audit,
) -> None:
    name = f"{audit.response}/score-task"
    (observation,) = await audit.world.search("Observation", identifier=f"{SYSTEM}|{name}")
    value, address = observation["valueQuantity"]["value"], f"Observation/{observation['id']}"
    for number in (
        address, f"{address}/_history/1", observation["id"], f"{EHR}/r4/{address}", name, f"urn:uuid:{name}", f"{SYSTEM}|{name}",
    ):  # fmt: skip
        led = await audit.search(number=number)
        assert led.status_code == 303, number
        page = (await audit.get(f"{RAPPORT}{led.headers['location']}")).text
        asked = page.split("Asked for:")[1].split("</p>")[0]
        assert ("Task" in asked, str(value) in asked, address in asked) == (True, True, True), asked
        assert re.search(rf'class="name"[^>]*>Score: {value} of', page), number
    whole = await audit.search(number=f"urn:uuid:{audit.response}")
    assert "Asked for:" not in (await audit.get(f"{RAPPORT}{whole.headers['location']}")).text


@pytest.mark.parametrize("number", ["", "  "])
async def test_a_number_that_was_not_typed_is_asked_for(audit: Audit, number: str) -> None:
    page = await audit.search(by="number", number=number)
    assert page.status_code == 422
    assert "Nothing was typed. Give an Observation" in html.unescape(page.text)


async def test_a_number_that_rapport_never_wrote_is_told_so(audit: Audit) -> None:
    unknown = await audit.search(number="Observation/nothing")
    assert unknown.status_code == 404
    assert "Rapport delivered nothing under this address" in unknown.text


async def test_a_note_is_told_by_who_wrote_it_when_and_how_far_it_is_and_not_by_its_text(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, roles=BOOK, more_scopes=DOCUMENTS) as world:
        audit = await start(world)
        browser, address, form = await draft(world)
        await send(world, browser, address, {**form, "text": "We spoke about school."})
        people = await world.people()
        ledger = world.rapport.state.rapport.ledger
        where = await ledger.read(lambda c: c.execute(sa.select(t.note_delivery.c.location)).scalar_one())
        for number in (where, f"{EHR}/r4/{where}/_history/1", form["note"], f"{SYSTEM}|{form['note']}/note"):
            page = await audit.search(number=number, by="number")
            assert page.status_code == 200, number
            told = html.unescape(page.text.partition('id="note"')[2].partition("</section>")[0])
            for words in (
                f"Practitioner/{people['practitioner']}",
                f"Patient/{people['amara']}",
                "In the record",
                where,
                "the note was written",
                "an attempt to write into the record",
            ):
                assert words in told, (number, words)
            assert "school" not in page.text
        trail = await ledger.read(
            lambda c: c.execute(sa.select(t.audit).where(t.audit.c.kind == "chain-viewed")).all()
        )
        assert {each.patient for each in trail} == {f"Patient/{people['amara']}"}
        assert "an auditor looked up the note" in told
        seen = (await audit.get(audit.chain)).text.partition('id="views"')[2].partition("</details>")[0]
        assert "an auditor looked at this page" not in seen
        place = ("--config", str(tmp_path / "rapport.toml"))
        traced = await asyncio.to_thread(run, "trace", where, *place, environment=configure(tmp_path))
        assert f"Practitioner/{people['practitioner']}" in traced.stdout
        assert "delivered, attempts: 1" in traced.stdout
        assert "school" not in traced.stdout


@pytest.mark.parametrize(
    ("path", "typed", "told"),
    [
        ("/audit", {"number": "Observation/nothing"}, ("Rapport delivered nothing", "Give an Observation")),
        ("/audit", {"patient": "Amara Okafor"}, ("This is no reference", "Write it as the EHR does")),
        ("/audit", {"by": "number"}, ("Nothing was typed", "Give an Observation")),
        ("/audit", {"first": "2026-12-05", "last": "2026-11-01"}, ("is after", "Exchange the two")),
        ("/reviews", {"first": "2026-03-02", "last": "2026-03-01"}, ("is after", "Exchange the two")),
        (
            "/reviews",
            {"first": "2026-03-01", "last": "2026-03-02", "seed": "\u202e"},
            ("This seed cannot be used", "Give up"),
        ),
    ],
)
async def test_what_a_form_refuses_is_told_in_the_readers_language(
    audit: Audit, path: str, typed: dict[str, str], told: tuple[str, str]
) -> None:
    english = await audit.post(path, **typed)
    assert [each for each in told if each not in html.unescape(english.text)] == []
    for language in TRANSLATED:
        audit.browser.headers["Accept-Language"] = language
        page = await audit.post(path, **typed)
        assert page.status_code == english.status_code
        assert [each for each in told if each in html.unescape(page.text)] == [], language


async def test_a_sample_that_cannot_be_drawn_leaves_what_was_typed(audit: Audit) -> None:
    typed = {"asked": "7", "first": "2026-03-02", "last": "2026-03-01", "seed": 'a "six"', "why": "Spring"}
    page = await audit.post("/reviews", **typed)
    assert page.status_code == 422
    form = html.unescape(page.text)
    assert [
        name for name, each in typed.items() if f'name="{name}"' not in form or f'value="{each}"' not in form
    ] == []


async def test_a_seed_may_be_a_joined_emoji(audit: Audit) -> None:
    family = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
    drawn = await audit.post("/reviews", asked="1", first="2026-01-01", last="2026-12-31", seed=family)
    assert drawn.status_code == 303
    assert family in (await audit.browser.get(f"{RAPPORT}{drawn.headers['location']}")).text


async def test_the_chain_names_every_station(audit: Audit) -> None:
    page = await audit.get(audit.chain)
    people = await audit.world.people()
    for words in (
        f"Practitioner/{people['practitioner']}",
        f"Patient/{people['amara']}",
        "on the clinician’s device, behind a PIN",
        "rapport-checkin-child",
        "the installed one has the same",
        "Computed again just now from the stored answers: the same.",
        "In the record",
        "Observation/",
    ):
        assert words in page.text, words
    stations = re.findall(r'<a href="#(\w+)" class="node', page.text)
    assert stations == [
        "launch", "invitation", "response", "key", "score", "observation", "delivery", "changes", "views", "proof",
    ]  # fmt: skip
    assert re.findall(r'<li>(?:[\w ]+ → )?<a href="#(\w+)"', page.text) == stations
    for each in stations:
        assert f'<h2 id="{each}">' in page.text


async def test_the_chain_of_one_administration_tells_nothing_of_the_patient_s_others(audit: Audit) -> None:
    other = await another(audit.world)
    audit.world.browser = audit.world.new_browser()
    for response in (audit.response, other):
        page = await audit.get(f"/audit/responses/{response}")
        came = page.text.partition("How it came about, by the trail")[2].partition("</table>")[0]
        told = re.findall(r"<tr>.*?</tr>", came, re.DOTALL)
        for what in ("opened from the EHR", "handed over", "the form was opened", "answers were received"):
            assert sum(what in each for each in told) == 1, (what, came)


async def handed_over_twice(audit: Audit, patient: str = "amara", *, named: bool = True) -> list[list[str]]:
    """Have two forms answered one after the other, each device given back; gives what the trail tells of each, in order."""
    world = audit.world
    responses = []
    for _ in range(2):
        world.browser = world.new_browser()
        page = await world.launch(patient)
        secret = await world.hand_over(page, f"Patient/{(await world.people())[patient]}")
        world.clock.pass_time(minutes=1)
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        responses.append(
            str(await world.rapport.state.rapport.reading.read(lambda c: c.execute(newest()).scalar_one()))
        )
        world.clock.pass_time(minutes=1)
        lock = f"{page.url}/return"
        csrf = csrf_of(await world.browser.get(lock))
        for pin in ("0000", PIN):
            await world.browser.post(lock, data={"csrf": csrf, "pin": pin})
        world.clock.pass_time(minutes=1)
    if not named:
        await forget_forms(world)
    told = []
    for response in responses:
        page = await audit.get(f"/audit/responses/{response}")
        came = page.text.partition("How it came about, by the trail")[2].partition("</table>")[0]
        told.append(re.findall(r"</td><td>([^<]*(?:given back|handed over))", came))
    return told


async def forget_forms(world: World) -> None:
    """Have entries of devices given back name nothing, as those of before."""
    ledger = world.rapport.state.rapport.ledger

    def forget(connection: sa.Connection) -> None:
        for row in connection.execute(sa.select(t.audit).where(t.audit.c.kind == "hand-over-ended")).all():
            event = json.loads(ledger.vault.open("audit", row.event, row.sealed_resource))
            event["entity"] = [each for each in event["entity"] if "urn:uuid" not in json.dumps(each)]
            sealed = ledger.vault.seal("audit", row.event, json.dumps(event).encode())
            connection.execute(t.audit.update().where(t.audit.c.id == row.id).values(sealed_resource=sealed))

    await ledger.bookkeep(forget)


HANDED_AND_BACK = ["the device was handed over", *["the device was given back"] * 2]


async def test_the_chain_tells_when_its_own_device_was_given_back_and_no_other_s(audit: Audit) -> None:
    assert await handed_over_twice(audit) == [HANDED_AND_BACK, HANDED_AND_BACK]


async def test_returns_of_before_which_name_no_form_are_told_only_where_no_other_was_out(
    audit: Audit,
) -> None:
    assert await handed_over_twice(audit, "mateo", named=False) == [HANDED_AND_BACK, HANDED_AND_BACK]
    # Amara's first device was never given back: two were out at a time.
    assert await handed_over_twice(audit, named=False) == [HANDED_AND_BACK[:1], HANDED_AND_BACK[:1]]
    assert "4 entries of a device given back name no form" in (await audit.get(audit.chain)).text


async def test_the_chain_tells_what_the_ehr_answered_to_the_write_and_to_each_part_of_it(
    audit: Audit,
) -> None:
    page = (await audit.get(audit.chain)).text
    assert "<td>200</td>" in page
    assert "<code>POST Bundle: 200</code>" in page
    told = re.findall(r"<code>entry \d+: 201 ([A-Za-z]+)/[^/<]+/_history/1</code>", page)
    assert {"QuestionnaireResponse", "Observation", "Provenance"} == set(told)


async def test_a_launch_is_told_as_open_over_or_ended(audit: Audit) -> None:
    ledger = audit.world.rapport.state.rapport.ledger
    own = t.launch.c.id == sa.select(t.response.c.launch).scalar_subquery()
    over = audit.world.clock() - timedelta(minutes=1)
    assert "<dt>Still open, until</dt>" in (await audit.get(audit.chain)).text
    await ledger.bookkeep(lambda c: c.execute(t.launch.update().where(own).values(expires=over)))
    assert "<dt>Ended, its time being over</dt>" in (await audit.get(audit.chain)).text
    await ledger.bookkeep(lambda c: c.execute(t.launch.update().where(own).values(ended=over)))
    assert "<dt>Ended</dt>" in (await audit.get(audit.chain)).text


async def test_single_answers_are_held_back_unless_the_site_lets_auditors_see_them(tmp_path: Path) -> None:
    async with run_world(folder_in(tmp_path, "held"), roles=BOOK) as world:
        audit = await start(world)
        page = await audit.get(audit.chain)
        assert "held back" in page.text
        assert '"valueCoding"' not in page.text.replace("&#34;", '"')
    async with run_world(folder_in(tmp_path, "shown"), roles=BOOK, auditors_see_answers=True) as world:
        audit = await start(world)
        page = await audit.get(audit.chain)
        assert "held back" not in page.text
        assert '"valueCoding"' in page.text.replace("&#34;", '"')
        assert "<td>Mostly yes <code>mostly</code></td>" in re.sub(r"</?span[^>]*>", "", page.text)


async def test_the_key_and_the_log_prove_every_row_of_it(audit: Audit) -> None:
    waiting = await audit.get(audit.chain)
    assert "waits for the next checkpoint" in waiting.text or "as it was logged" in waiting.text
    await logged(audit.world)
    page = await audit.get(audit.chain)
    assert page.text.count("in the log, as it was logged") == 2  # the response and its attempt
    ledger = audit.world.rapport.state.rapport.ledger
    await ledger.bookkeep(lambda c: c.execute(t.attempt.update().values(detail="another")))
    altered = await audit.get(audit.chain)
    assert "not what was logged" in altered.text
    assert "1 row not as logged" in altered.text


async def test_what_the_ehr_altered_stands_beside_what_was_delivered(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        audit = await from_the_chart(world, response)
        same = await audit.post(f"{audit.chain}/compare")
        assert "The EHR holds what was delivered, member by member." in same.text
        (total,) = await world.search("Observation", identifier=f"{SYSTEM}|{response}/score-total")
        await alter(world, total)
        other = await audit.post(f"{audit.chain}/compare")
        assert "1 difference" in other.text
        assert re.search(r"<mark>3\b", other.text), other.text
        assert (
            f"Observation/{total['id']} stands there as version 2, and Rapport wrote version 1 last."
            in other.text
        )
        assert "record-compared" in await kinds(world)


async def test_what_the_ehr_added_to_a_result_stands_beside_what_was_delivered(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        audit = await from_the_chart(world, response)
        (total,) = await world.search("Observation", identifier=f"{SYSTEM}|{response}/score-total")
        await alter(world, total, modifierExtension=[{"url": "https://a.invalid/not", "valueBoolean": True}])
        page = await audit.post(f"{audit.chain}/compare")
        assert "Its modifierExtension is not what was delivered." in page.text
        assert "https://a.invalid/not" in page.text.partition("<mark>")[2].partition("</mark>")[0]


async def test_with_backend_scopes_the_record_is_read_from_any_desk(tmp_path: Path) -> None:
    scopes = ("system/Observation.rs", "system/QuestionnaireResponse.rs", "system/Provenance.rs")
    async with run_world(tmp_path, roles=BOOK, backend_scopes=scopes) as world:
        audit = await start(world)
        same = await audit.post(f"{audit.chain}/compare")
        assert "The EHR holds what was delivered, member by member." in same.text
        assert "Not looked at" not in same.text


async def alter(world: World, observation: JsonObject, **added: object) -> None:
    """Change a value in the EHR, or add something, as somebody there can."""
    site = replace(world.settings.sites["sandbox"], backend_scopes=("system/Observation.crus",))
    async with httpx.AsyncClient(transport=world.hosts) as http:
        found = await SmartDirectory(clock=world.clock).discover(site, http)
        token = await system_token(site, found, http=http, now=world.clock())
        observation.update(added or {"valueQuantity": {**observation["valueQuantity"], "value": 3}})
        headers = {"Authorization": f"Bearer {token.access_token}", "Content-Type": "application/fhir+json"}
        address = f"{EHR}/r4/Observation/{observation['id']}"
        answer = await http.put(address, headers=headers, content=json.dumps(observation))
        assert answer.status_code == 200, answer.text


async def test_the_address_of_a_comparison_opened_anew_shows_the_chain(audit: Audit) -> None:
    opened = await audit.get(f"{audit.chain}/compare", status=303)
    assert opened.status_code == 303
    assert audit.chain.endswith(opened.headers["location"])


async def test_without_a_way_to_read_the_record_the_page_says_what_to_set(audit: Audit) -> None:
    page = await audit.get(audit.chain)
    assert "the site needs backend_scopes" in page.text
    refused = await audit.post(f"{audit.chain}/compare")
    assert refused.status_code == 403


async def test_an_ehr_that_does_not_answer_is_told_and_nothing_else_is_lost(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        audit = await from_the_chart(world, response)
        world.hosts.cut.add("ehr.invalid")
        told = await audit.post(f"{audit.chain}/compare")
        assert told.status_code == 200
        assert "cannot be reached" in told.text
        assert "Computed again just now" in told.text


async def test_a_verification_runs_beside_the_serving_and_its_result_is_kept(audit: Audit) -> None:
    await logged(audit.world)
    assert "Nobody has verified" in (await audit.get("/log")).text
    begun = await audit.post("/log/verify")
    assert begun.status_code == 303
    await audit.world.rapport.state.rapport.verification.finished()
    page = await audit.get("/log?done=begun")
    assert "Nothing is wrong." in page.text
    assert "Verification has begun" not in page.text
    ledger = audit.world.rapport.state.rapport.ledger
    await ledger.bookkeep(lambda c: c.execute(t.attempt.update().values(detail="another")))
    await audit.post("/log/verify")
    await audit.world.rapport.state.rapport.verification.finished()
    again = await audit.get("/log")
    assert "2 flaws were found." in again.text
    assert "It is not what was logged." in again.text


async def test_a_verification_of_the_ledger_alone_leaves_what_was_found_in_the_ehr_standing(
    audit: Audit,
) -> None:
    rapport = audit.world.rapport.state.rapport
    finding = Finding(
        Flaw.MISMATCH, f"response {audit.response}, score-total (Observation/1)", "Its value is another one."
    )
    for site in ("sandbox", "elsewhere"):
        told = outcome(Progress(), 1, [said_of(finding)], beside=beside_ehr(site))
        entry = rapport.trail.entry(Kind.LEDGER_VERIFIED, Actor(display="somebody"), details=told)
        await rapport.ledger.record(entry)
    await audit.post("/log/verify")
    await rapport.verification.finished()
    page = (await audit.get("/log")).text
    now, before = page.split("The last one that looked at the EHR too")
    assert "The EHR was not looked at this time." in now
    assert "Its value is another one." in before


async def test_another_site_is_searched_where_the_browser_is_signed_in_there_too(audit: Audit) -> None:
    rapport = audit.world.rapport.state.rapport
    settings = rapport.settings
    site = replace(
        settings.sites["sandbox"], id="elsewhere", name="Elsewhere", fhir_base="https://e.invalid/r4"
    )
    policies = {**settings.policies, "elsewhere": settings.policies["sandbox"]}
    audit.world.rapport.state.rapport = replace(
        rapport,
        settings=replace(settings, sites=Sites([*settings.sites.values(), site]), policies=policies),
    )
    await rapport.ledger.bookkeep(lambda c: c.execute(t.response.update().values(site="elsewhere")))
    assert (await audit.search(site="elsewhere")).status_code == 403

    def sign_in_there(connection: sa.Connection) -> None:
        own = connection.execute(sa.select(t.launch).where(t.launch.c.id == audit.base[-36:])).one()
        insert_row(connection, t.launch, {**own._mapping, "id": "there", "site": "elsewhere"})

    await rapport.ledger.bookkeep(sign_in_there)
    here = await audit.search(site="sandbox")
    assert '<option value="elsewhere">Elsewhere</option>' in here.text
    assert audit.response not in here.text
    there = await audit.search(site="elsewhere")
    assert f"/desks/there/audit/responses/{audit.response}" in there.text


async def test_flaws_of_another_site_are_counted_and_not_shown(audit: Audit) -> None:
    ledger = audit.world.rapport.state.rapport.ledger
    await logged(audit.world)
    await ledger.bookkeep(lambda c: c.execute(t.response.update().values(site="elsewhere")))
    await audit.post("/log/verify")
    await audit.world.rapport.state.rapport.verification.finished()
    page = await audit.get("/log")
    assert re.search(r"\d+ flaws were found", page.text)
    assert re.search(r"\d+ more (is|are) about (an)?other sites? of this installation", page.text)
    assert audit.response not in page.text


async def test_a_verification_that_takes_too_long_is_stopped_and_told(audit: Audit) -> None:
    verification = audit.world.rapport.state.rapport.verification
    verification.longest = 0.0
    await audit.post("/log/verify")
    await verification.finished()
    assert "It was stopped before its end" in (await audit.get("/log")).text


async def test_one_verification_at_a_time(audit: Audit) -> None:
    verification: LedgerVerification = audit.world.rapport.state.rapport.verification
    go_on, own = threading.Event(), verification.open_verifier

    def held() -> Verifier:
        go_on.wait(30)
        return own()

    verification.open_verifier = held
    first = await audit.post("/log/verify")
    second = await audit.post("/log/verify")
    under_way = await audit.get("/log?done=begun")
    go_on.set()
    await verification.finished()
    assert first.headers["location"].endswith("done=begun")
    assert second.headers["location"].endswith("done=under-way")
    assert "Under way" in under_way.text
    assert "Verification has begun" in under_way.text
    assert (await kinds(audit.world)).count("ledger-verified") == 2  # begun, ended


async def test_a_row_that_was_set_aside_is_named_on_the_page_of_the_log(audit: Audit) -> None:
    ledger = audit.world.rapport.state.rapport.ledger
    row = {"kind": "response", "row": "r1", "problem": "The seal was altered"}
    await ledger.bookkeep(lambda c: c.execute(t.log_pending.insert().values(**row)))
    page = await audit.get("/log")
    assert "The seal was altered" in page.text


async def drawn(audit: Audit, **asked: str) -> str:
    data = {
        "asked": "30",
        "first": "2026-01-01",
        "last": "2026-03-31",
        "seed": "spring",
        "why": "Quarter",
        **asked,
    }
    answer = await audit.post("/reviews", **data)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0].rpartition("/")[2]


async def test_the_same_seed_draws_the_same_sample_and_says_of_how_many(audit: Audit) -> None:
    for _ in range(3):
        await another(audit.world)
    first, second, other = [await drawn(audit, asked="2", seed=each) for each in ("a", "a", "b")]
    samples = []
    for review in (first, second, other):
        page = await audit.get(f"/reviews/{review}")
        assert "2 of 4 that were received" in page.text
        samples.append(re.findall(r"/audit/responses/([0-9a-f-]{36})\?review", page.text))
    assert samples[0] == samples[1]
    assert len(samples[0]) == 2
    again = await audit.get(f"/reviews/{first}?again=true")
    assert "the same sample of the same administrations" in again.text
    await another(audit.world)
    later = await audit.get(f"/reviews/{first}?again=true")
    assert "came or went since" in later.text


async def test_each_administration_and_the_whole_are_signed_off_for_good(audit: Audit) -> None:
    review = await drawn(audit)
    opened = await audit.get(f"{audit.chain}?review={review}")
    assert "Sign off this administration" in opened.text
    asked = {"response": audit.response, "verdict": "question", "comment": "The date is a holiday"}
    signed = await audit.post(f"/reviews/{review}/sign-off", **asked)
    assert signed.status_code == 303
    whole = await audit.post(f"/reviews/{review}/sign-off", verdict="in-order", comment="")
    assert whole.status_code == 303
    page = await audit.get(f"/reviews/{review}")
    assert "The date is a holiday" in page.text
    assert "Administrations: 1 of 1 signed" in page.text
    await logged(audit.world)
    ledger = audit.world.rapport.state.rapport.ledger
    stored = await ledger.read(lambda c: set(c.execute(sa.select(t.log_leaf.c.kind)).scalars()))
    assert {"review", "sign_off"} <= stored
    assert (await kinds(audit.world)).count("review-signed") == 2


async def test_a_whole_says_what_was_in_question_and_unsigned_when_it_was_signed(audit: Audit) -> None:
    await another(audit.world)
    review = await drawn(audit)
    asked = {"response": audit.response, "verdict": "question", "comment": "The date is a holiday"}
    await audit.post(f"/reviews/{review}/sign-off", **asked)
    page = (await audit.get(f"/reviews/{review}")).text
    assert "1 administration is in question or not in order." in page
    assert "This is written into what you sign of the whole." in page
    await audit.post(f"/reviews/{review}/sign-off", verdict="in-order", comment="All the same")
    signed = "Signed with 1 of 2 administrations in question or not in order and 1 not signed."
    assert f"{signed}<br>All the same" in (await audit.get(f"/reviews/{review}")).text
    audit.browser.headers["Accept-Language"] = "es"
    spanish = (await audit.get(f"/reviews/{review}")).text
    assert "Firmado con 1 de 2 aplicaciones en duda o no en orden y 1 sin firmar.<br>All the same" in spanish
    audit.browser.headers["Accept-Language"] = "en"
    whole = (await audit.get(f"/reviews/{review}/export?form=json")).json()["sign_offs"]
    assert [each["comment"] for each in whole] == [f"{signed}\nAll the same"]
    listed = (await audit.get("/reviews")).text
    assert ("1 in question or not in order" in listed, "1 not signed" in listed) == (True, True)


async def test_an_auditor_s_lists_are_one_line_of_who_has_seen_it(audit: Audit) -> None:
    for _ in range(3):
        await audit.get("/audit")
    seen = (await audit.get(audit.chain)).text.partition('id="views"')[2].partition("</details>")[0]
    assert "it stood in an auditor’s list 3 times, last on" in seen
    assert "it stood in an auditor's list" not in html.unescape(seen)


async def test_a_question_needs_a_comment_and_a_stranger_s_administration_cannot_be_signed(
    audit: Audit,
) -> None:
    review = await drawn(audit)
    for response, heading in (
        (audit.response, "Sign off this administration"),
        ("", "The review as a whole"),
    ):
        bare = await audit.post(
            f"/reviews/{review}/sign-off", response=response, verdict="question", comment="x"
        )
        assert bare.status_code == 422
        assert heading in bare.text
        assert re.search(r'value="question" checked>', bare.text)
        assert re.search(r"<textarea[^>]*>x</textarea><p class=\"error\"[^>]*>Say in a few words", bare.text)
    chosen = await audit.post(f"/reviews/{review}/sign-off", response=audit.response, comment="seen")
    assert (chosen.status_code, "Choose one." in chosen.text, ">seen</textarea>" in chosen.text) == (
        422,
        True,
        True,
    )
    assert "review-signed" not in await kinds(audit.world)
    strange = await audit.post(f"/reviews/{review}/sign-off", response="x", verdict="in-order")
    assert strange.status_code == 404


async def test_a_review_is_exported_as_json_and_as_csv(audit: Audit) -> None:
    review = await drawn(audit)
    await audit.post(
        f"/reviews/{review}/sign-off", response=audit.response, verdict="question", comment="=1+1"
    )
    whole = (await audit.get(f"/reviews/{review}/export?form=json")).json()
    assert whole["sample"][0]["response"] == audit.response
    assert whole["sample"][0]["sign_offs"][0]["comment"] == "=1+1"
    sheet = (await audit.get(f"/reviews/{review}/export?form=csv")).text
    assert "'=1+1" in sheet
    assert (await kinds(audit.world)).count("exported") == 2


async def test_nothing_to_draw_from_is_told(audit: Audit) -> None:
    empty = await audit.post("/reviews", asked="5", first="2020-01-01", last="2020-03-31", seed="s", why="")
    assert empty.status_code == 422
    assert "nothing to draw from" in empty.text


async def test_a_period_is_exported_as_the_command_does_and_verifies(tmp_path: Path) -> None:
    from plugin.exports import ExportVerifier, read_manifest
    from plugin.verify import Progress

    async with run_world(tmp_path, roles=BOOK, auditors_see_answers=True) as world:
        audit = await start(world)
        await logged(world)
        given = await audit.post("/exports", first="2026-01-01", last="2026-03-31", why="The inspector")
        assert given.status_code == 200, given.text
        zipfile.ZipFile(io.BytesIO(given.content)).extractall(tmp_path / "out")
        (folder,) = (tmp_path / "out").iterdir()
        manifest = read_manifest(folder)
        verifier = ExportVerifier(folder, manifest, manifest.log.verifier_key)
        assert list(await asyncio.to_thread(lambda: list(verifier.verify(Progress())))) == []
        assert manifest.counts["administrations"] == 1
        assert manifest.site == "sandbox"
        assert "exported" in await kinds(world)
        assert (
            "Export of 2026-01-01 to 2026-03-31 (UTC): The inspector" in (await audit.get(audit.chain)).text
        )
        audit.browser.headers["Accept-Language"] = "de"
        assert (
            "Export von 2026-01-01 bis 2026-03-31 (UTC): The inspector" in (await audit.get(audit.chain)).text
        )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"first": "soon"}, "Received from: soon is no date. Write it as 2026-10-01."),
        ({"last": ""}, "to, that day included: there is no date. Write it as 2026-10-01."),
        ({"first": "2026-04-01"}, "2026-04-01 is after 2026-03-31. Exchange the two."),
        ({"why": "x"}, "The reason is too short. Say in a few words whom or what it is for."),
    ],
)
async def test_an_export_that_is_refused_stands_in_the_form_again(
    tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    typed = {"first": "2026-01-01", "last": "2026-03-31", "why": "The inspector & co"} | wrong
    async with run_world(tmp_path, roles=BOOK, auditors_see_answers=True) as world:
        audit = await start(world)
        for language in LANGUAGES:
            audit.browser.headers["Accept-Language"] = language
            refused = await audit.post("/exports", **typed)
            assert refused.status_code == 422
            assert (told in refused.text) == (language == "en")
            assert told.partition(". ")[2] not in refused.text or language == "en"
            assert typed.items() <= form_to(refused, "/exports").as_it_stands.items()
        assert "exported" not in await kinds(world)


@pytest.mark.parametrize("page", ["audit", "exports", "reviews"])
async def test_a_period_may_end_with_the_last_day_there_is(audit: Audit, page: str) -> None:
    asked = await audit.post(f"/{page}", first="0001-01-01", last="9999-12-31", why="All of it", asked="1")
    assert asked.status_code < 500, asked.text


async def test_an_export_that_could_not_be_written_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    asked = {"first": "2026-01-01", "last": "2026-03-31", "why": "The inspector"}
    async with run_world(tmp_path, roles=BOOK, auditors_see_answers=True) as world:
        audit = await start(world)
        monkeypatch.setattr(Exporter, "write", full)
        assert (await audit.post("/exports", **asked)).status_code == 500
        told = "It was not finished (a file could not be written); nothing was kept"
        assert told in (await audit.get(audit.chain)).text
        for language in LANGUAGES:
            audit.browser.headers["Accept-Language"] = language
            page = (await audit.get(audit.chain)).text
            assert (told in page) == (language == "en")
            assert "could not be written" not in page or language == "en"
            assert "OSError" not in page


async def test_a_period_is_not_exported_where_auditors_may_not_see_answers(audit: Audit) -> None:
    assert "does not let auditors see" in (await audit.get("/exports")).text
    refused = await audit.post("/exports", first="2026-01-01", last="2026-03-31", why="The inspector")
    assert refused.status_code == 403


PAGES = {
    "": None,  # the desk names nothing and nobody
    "/audit": "audit-searched",
    "/audit/responses/{response}": "chain-viewed",
    "/reviews": "review-viewed",
    "/reviews/{review}": "review-viewed",
    "/reviews/{review}/export": "exported",
    "/exports": "log-viewed",
    "/log": "log-viewed",
}


def auditors_routes(method: str) -> set[str]:
    own = [
        part for part in PARTS if part.__name__.rpartition(".")[2] in {"auditing", "reviewing", "inspecting"}
    ]
    return {
        route.path.removeprefix("/desks/{desk}")
        for part in own
        for route in part.router.routes
        if method in route.methods
    }


def test_every_page_of_auditors_is_walked() -> None:
    assert set(PAGES) - {""} == auditors_routes("GET")


async def test_every_view_is_itself_in_the_trail(audit: Audit) -> None:
    review = await drawn(audit)
    for path, kind in PAGES.items():
        before = await kinds(audit.world)
        await audit.get(path.format(response=audit.response, review=review))
        fresh = (await kinds(audit.world))[len(before) :]
        assert fresh == ([kind] if kind else []), path
    people = await audit.world.people()
    ledger = audit.world.rapport.state.rapport.ledger
    query = sa.select(t.audit.c.kind).where(t.audit.c.patient == f"Patient/{people['amara']}")
    about = set(await ledger.read(lambda c: c.execute(query).scalars().all()))
    assert {"audit-searched", "chain-viewed"} <= about  # her own account names who has looked
    seen = await audit.get(audit.chain)
    assert "an auditor looked at this page" in seen.text


WRITTEN_BY_LOOKING = {"audit", "log_pending", "log_leaf", "browser_session", "delivery"}


async def test_looking_writes_nothing_but_the_trail(audit: Audit) -> None:
    review = await drawn(audit)
    ledger = audit.world.rapport.state.rapport.ledger

    def everything(connection: sa.Connection) -> dict[str, list[object]]:
        tables = [each for each in t.metadata.sorted_tables if each.name not in WRITTEN_BY_LOOKING]
        return {each.name: [tuple(row) for row in connection.execute(sa.select(each))] for each in tables}

    before = await ledger.read(everything)
    for path in PAGES:
        await audit.get(path.format(response=audit.response, review=review))
    assert await ledger.read(everything) == before


async def test_no_page_of_auditors_reads_by_the_way_that_can_write(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Watched where it is called: a page that read by the ordinary way would show the same.
    review = await drawn(audit)
    ledger = audit.world.rapport.state.rapport.ledger
    own, callers = ledger.read, set()

    async def watched(look: Any) -> Any:
        callers.add(look.__module__)
        return await own(look)

    monkeypatch.setattr(ledger, "read", watched)
    for path in PAGES:
        await audit.get(path.format(response=audit.response, review=review))
    assert "plugin.routes.state" in callers  # signing in
    auditors = (
        "plugin.auditing",
        "plugin.routes.auditing",
        "plugin.routes.reviewing",
        "plugin.routes.inspecting",
    )
    assert not [each for each in callers if each.startswith(auditors)]


async def test_what_auditors_pages_read_by_cannot_write_any_table(audit: Audit) -> None:
    reading = audit.world.rapport.state.rapport.reading
    for table in t.metadata.sorted_tables:
        for statement in (table.delete(), table.update().values({table.c[0].name: "x"})):
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                await reading.read(lambda c, statement=statement: c.execute(statement))


async def test_even_with_its_pragma_taken_back_the_file_is_read_only(audit: Audit) -> None:
    reading = audit.world.rapport.state.rapport.reading

    def write(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        connection.execute(t.attempt.update().values(detail="x"))

    with pytest.raises(sa.exc.OperationalError, match="readonly"):
        await reading.read(write)


async def test_nobody_else_opens_a_page_of_auditors(tmp_path: Path) -> None:
    both = RoleBook({**BOOK.people, f"Practitioner/{ADMINISTRATOR}": frozenset({Role.ADMINISTRATOR})})
    async with run_world(tmp_path, roles=both) as world:
        audit = await start(world)
        review = await drawn(audit)
        browser, desk = await sign_in(world, ADMINISTRATOR)
        for path in PAGES.keys() - {""}:
            page = await browser.get(f"{desk.url}{path.format(response=audit.response, review=review)}")
            assert page.status_code == 403, path


async def test_a_form_of_auditors_needs_our_own_page_s_token(audit: Audit) -> None:
    data = {"asked": "3", "verdict": "in-order", "why": "because"}
    for path in sorted(auditors_routes("POST")):
        address = f"{audit.base}{path.format(response=audit.response, review='r')}"
        assert (await audit.browser.post(address, data=data)).status_code == 403, path


async def test_another_site_s_administrations_are_not_there(audit: Audit) -> None:
    ledger = audit.world.rapport.state.rapport.ledger
    for table in (t.delivery, t.response):
        await ledger.bookkeep(lambda c, table=table: c.execute(table.update().values(site="elsewhere")))
    assert audit.response not in (await audit.get("/audit")).text
    await audit.get(f"/audit/responses/{audit.response}", 404)
    assert (await audit.search(number=audit.response)).status_code == 404


async def test_scores_by_another_version_stand_beside_the_first_with_their_proof(audit: Audit) -> None:
    await score_somebody_again(audit.world)
    await logged(audit.world)
    page = (await audit.get(audit.chain)).text
    again = page.split("Scored again by")[1].split("</article>")[0]
    assert "rapport-checkin-child|1.1.0" in again
    assert re.findall(r"<td>([^<]*)</td><td>([^<]*)</td>", again)[0] == ("14", "14")
    assert "never written into the EHR" in again
    proof = page.split("Scored again <code>")[1].split("</tr>")[0]
    assert "in the log, as it was logged" in proof


async def test_a_later_version_is_drawn_told_and_proved(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK, more_scopes=CORRECTING) as world:
        audit = await start(world)
        world.browser = world.new_browser()  # the other one is handed over
        assert (await mark(world, audit.response, why="wrong child")).status_code == 303
        await settled(world, audit.response)
        for listed in ("/audit", f"/reviews/{await drawn(audit)}"):
            row = (
                (await audit.get(listed))
                .text.partition(f"responses/{audit.response}")[2]
                .partition("</tr>")[0]
            )
            assert "Entered in error" in row
        review = await drawn(audit)
        (item,) = (await audit.get(f"/reviews/{review}/export?form=json")).json()["sample"]
        assert item["entered_in_error"] is True
        sheet = (await audit.get(f"/reviews/{review}/export?form=csv")).text
        (line, *_) = csv.DictReader(io.StringIO(sheet))
        assert line["entered_in_error"] == "True"
        await score_somebody_again(world)
        await logged(world)
        page = (await audit.get(audit.chain)).text
        stations = re.findall(r'<text class="name"[^>]*>([^<]*)</text>', page)
        assert stations.index("Response") < stations.index("Version 1: marked as entered in error")
        assert (
            stations.index("Score: 14 of 24")
            < stations.index("Scored again: 14 (version 0)")
            < stations.index("Observation")
        )
        assert "as they were first received" in page.split('id="again"')[1].split("</article>")[0]
        for link in ("score", "observation"):
            (box,) = re.findall(rf'<a href="#{link}" class="node (\w*)".*?</a>', page)
            assert box == "quiet"
            assert re.search(rf'<a href="#{link}" class="node.*>Entered in error: ', page)
        assert "wrong child" in page.split('id="score"')[1].split("</details>")[0]
        proofs = page.split('id="proof"')[1].split("</details>")[0]
        assert re.findall(r"Delivery attempt (\S+)<br>", proofs) == ["1", "2"]
        told = page.split('id="versions"')[1].split("</article>")[0]
        assert "wrong child" in told
        assert "not the one that was stored" not in page
        assert "in the log, as it was logged" in page.split("Later version <code>")[1].split("</tr>")[0]
        decided = page.split('id="changes"')[1].split("</details>")[0]
        assert "it was marked as entered in error" in decided


async def test_scores_are_named_in_the_auditor_s_language(audit: Audit) -> None:
    audit.browser.headers["Accept-Language"] = "pt"
    page = (await audit.get(audit.chain)).text
    scores = page.split('id="score"')[1].split("</details>")[0]
    assert re.findall(r"<h3>(\w+):", scores) == ["Total", "Objetivos", "Tarefas", "Vínculo"]
    assert not re.search(r">[^<]*\b(Goals|Tasks|Bond)\b", page)


async def test_flaws_of_later_versions_and_of_what_scored_again_are_shown(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK, more_scopes=CORRECTING) as world:
        audit = await start(world)
        world.browser = world.new_browser()  # the other one is handed over
        await mark(world, audit.response)
        await settled(world, audit.response)
        await score_somebody_again(world)
        await logged(world)
        ledger = world.rapport.state.rapport.ledger
        for table in (t.revision, t.rescoring):
            await ledger.bookkeep(lambda c, table=table: c.execute(table.update().values(why="another")))
        await audit.post("/log/verify")
        await world.rapport.state.rapport.verification.finished()
        page = (await audit.get("/log")).text
        assert len(re.findall(r"(revision|rescoring) [0-9a-f-]+: It is not what was logged", page)) == 2


async def test_what_the_command_line_verified_last_stands_on_the_page_of_the_log(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await logged(world)
        place = ("--config", str(tmp_path / "rapport.toml"))
        environment = configure(tmp_path)
        assert (await asyncio.to_thread(run, "verify", *place, environment=environment)).returncode == 0
        page = (await audit.get("/log")).text
        assert re.search(r"at the command line: <b>Nothing is wrong", page)
        ledger = world.rapport.state.rapport.ledger
        await ledger.bookkeep(lambda c: c.execute(t.attempt.update().values(detail="another")))
        unrecorded = await asyncio.to_thread(run, "verify", "--no-record", *place, environment=environment)
        assert unrecorded.returncode == 1
        assert (await audit.get("/log")).text.count("Nothing is wrong") == 1
        await asyncio.to_thread(run, "verify", *place, environment=environment)
        assert "It is not what was logged." in (await audit.get("/log")).text
        assert (await kinds(world)).count("ledger-verified") == 2


async def test_whoever_saw_scores_or_answers_is_among_those_who_have_seen_it(tmp_path: Path) -> None:
    auditor = f"Practitioner/{AUDITOR}"
    both = {auditor: frozenset({Role.AUDITOR, Role.SUPERVISOR})}
    book = RoleBook(both, teams=(Team((auditor,), (EVERYBODY,)),))
    async with run_world(tmp_path, roles=book, more_scopes=DOCUMENTS, show_item_answers=True) as world:
        response = await send_form(world)
        await settled(world, response)
        audit = Audit(world, *await at_a_desk(world), response)
        browser, address, form = await draft(world)
        await send(world, browser, address, form)
        fhir = f"{RAPPORT}/sites/sandbox/fhir"
        about = {"derived-from": f"QuestionnaireResponse/{response}", "_count": "1", "_page": "2"}
        for path, asked in (
            ("QuestionnaireResponse", {}),
            ("Observation", about),  # one score, and not the panel
            ("QuestionnaireResponse", {"_id": "another"}),  # does not give this one
            ("AuditEvent", {}),
        ):
            assert (await browser.get(f"{fhir}/{path}", params=asked)).status_code == 200
        await audit.get("/caseload")
        pdf = f"{address.removesuffix('/notes')}/summary.pdf"
        assert (await browser.get(pdf)).content.startswith(b"%PDF")
        traced = await asyncio.to_thread(
            run,
            "trace",
            response,
            "--config",
            str(tmp_path / "rapport.toml"),
            environment=configure(tmp_path),
        )
        assert "summary-given by" in traced.stdout
        await audit.get(f"/reviews/{await drawn(audit)}")
        rapport = world.rapport.state.rapport
        given = rapport.trail.entry(
            Kind.RESEARCH_EXPORTED,
            Actor("Practitioner/9"),
            site="sandbox",
            patient=f"Patient/{(await world.people())['amara']}",
            reason="A study",
        )
        await rapport.ledger.record(given)
        seen = (await audit.get(audit.chain)).text.partition('id="views"')[2].partition("</details>")[0]
        seen = html.unescape(seen)
        assert re.search(
            r"\d+ views by \d (person|people), at the command line", (await audit.get(audit.chain)).text
        )
        for words, times in (
            ("it was found by a search over the FHIR interface", 2),
            ("the patient stood in a supervisor’s caseload, with scores", 1),
            ("a note written since, which may tell of it, was read again", 1),
            ("the patient’s forms were given to research, de-identified", 1),
            ("a note was drafted from the patient’s scores", 1),
            ("the patient’s scores were given as a PDF", 1),
            ("a review that holds it was looked at 1 time", 1),
        ):
            assert seen.count(words) == times, words
        world.clock.pass_time(minutes=1)
        later = await another(world)
        await browser.get(f"{address}/{form['note']}")  # written before that one came
        seen = (await audit.get(f"/audit/responses/{later}")).text.partition('id="views"')[2]
        assert "FHIR interface" not in seen.partition("</details>")[0]
        assert "note written since" not in seen.partition("</details>")[0]
