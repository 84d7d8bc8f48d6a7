"""Every kind of entry comes of something that somebody does, and is as IHE BALP wants it."""

import asyncio
import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fhir.resources.R4B.auditevent import AuditEvent
from typer.testing import CliRunner

from plugin.audit import Kind, end_of_token
from plugin.command_line import app
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.research_settings import BACKEND_SCOPES
from plugin.roles import Role, RoleBook
from tests.audit import balp
from tests.audit.conftest import Kept, advance
from tests.audit.test_record import opened
from tests.norms.forms import write_ndjson
from tests.norms.test_command import people as many_people
from tests.product.forms import ANSWERS, question, response_of
from tests.product.test_administering import csrf_of, sign_in
from tests.product.test_auditing import BOOK as AUDITOR_BOOK
from tests.product.test_auditing import start
from tests.product.test_bad_input import app_token
from tests.product.test_cds_hooks import CLIENT, call, chart, post, token
from tests.product.test_kept import unlock
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_notes import DOCUMENTS, draft
from tests.product.test_notes import send as send_note
from tests.product.test_personalities import send_form, settled
from tests.product.test_remote import make_link, secret_of
from tests.product.test_research import export as research_export
from tests.product.test_research import fill_forms, policy
from tests.product.test_respondents import CONSENT, hand_to_child
from tests.product.world import CDS, Clock, World, rapport_settings, run_world

BOOK = RoleBook(
    {
        "Practitioner/206": frozenset({Role.ADMINISTRATOR}),
        "Practitioner/205": frozenset({Role.RESEARCHER}),
        "Practitioner/201": frozenset({Role.SUPERVISOR}),
    }
)
Json = dict[str, Any]
FAILURES = {
    Kind.LAUNCH,
    Kind.INVITATION_OPENED,
    Kind.HAND_OVER_ENDED,
    Kind.RESPONSE_RECEIVED,
    Kind.DELIVERY,
    Kind.NOTE_DELIVERY,
    Kind.EXPORTED,
    Kind.CARDS_GIVEN,
    Kind.ACCESS_REFUSED,
}
"""Kinds of which a failure is made, too."""
DONE_ELSEWHERE = {Kind.RESPONSE_SET_ASIDE, Kind.RESPONSE_RETRIED}
"""Those that come of responses which the EHR collected itself: `tests/product/test_collected.py` makes them."""


def entries_of(folder: Path) -> list[Json]:
    """Read the whole trail of a Rapport's folder."""
    settings = rapport_settings(folder)
    vault, engine = Vault(settings.vault_keys), open_database(settings.database)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(t.audit).order_by(t.audit.c.id)).all()
    engine.dispose()
    return [json.loads(vault.open("audit", row.event, row.sealed_resource)) for row in rows]


def kind_of(entry: Json) -> Kind:
    return Kind(entry["subtype"][-1]["code"])


async def newest_launch(world: World) -> str:
    query = sa.select(t.launch.c.id).order_by(t.launch.c.created.desc()).limit(1)
    ledger = world.rapport.state.rapport.ledger
    return str(await ledger.read(lambda connection: connection.execute(query).scalar_one()))


async def treat(world: World) -> str:
    """Launch, hand over, answer, give back with a wrong and a right PIN, look; gives the launch's address."""
    response = await send_form(world)
    launch = f"/launches/{await newest_launch(world)}"
    locked = await world.browser.get(f"{launch}/return")
    wrong = {"pin": "0000", "csrf": csrf_of(locked)}
    assert (
        (await world.browser.post(f"{launch}/return", data=wrong)).headers["location"].endswith("wrong=true")
    )
    await world.browser.get(f"{launch}")  # by whoever holds the device
    await unlock(world)
    await settled(world, response)
    assert (await world.browser.get(f"{launch}/responses/{response}")).status_code == 200
    found = await world.browser.get("/sites/sandbox/fhir/Observation?date=2026-03-02")
    one = found.json()["entry"][0]["resource"]["id"]
    assert (await world.browser.get(f"/sites/sandbox/fhir/Observation/{one}")).status_code == 200
    return launch


async def invite(world: World) -> None:
    """Send links: one is opened, one withdrawn, one left until its time is over and opened then."""
    people = await world.people()
    page = await world.launch("wei-ling")
    for end in ("opened", "withdrawn", "expired"):
        made = await make_link(world, page, f"Patient/{people['wei-ling']}")
        headers = {"X-Rapport-Invitation": secret_of(made)}
        async with world.new_browser() as phone:
            if end == "opened":
                assert (await phone.get("/fill/form", headers=headers)).status_code == 200
            elif end == "withdrawn":
                withdrawn = await world.browser.post(f"{made.url}/withdraw", data={"csrf": csrf_of(page)})
                assert withdrawn.status_code == 303
            else:
                world.clock.pass_time(hours=25)
                assert await world.rapport.state.housekeeping.sweep() == 2  # and the one of the lost PIN
                assert (await phone.get("/fill/form", headers=headers)).status_code == 410


async def integrate(world: World) -> None:
    """Call as another app does: a good token, a bad one, a good response, a bad one."""
    people = await world.people()
    access = await app_token(world)
    headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/fhir+json"}
    good = response_of(people["amara"], identifier={"system": "urn:x", "value": "1"})
    bad = response_of(people["amara"], item=[])
    door = "/sites/sandbox/fhir/QuestionnaireResponse"
    saved = await world.browser.post(door, content=json.dumps(good), headers=headers)
    assert saved.status_code == 201
    # Amended before that, it would come into the record amended, and nothing would have to be changed there.
    await settled(world, saved.headers["location"].rpartition("/")[2])
    assert (await world.browser.post(door, content=json.dumps(bad), headers=headers)).status_code == 400
    better = {
        **good,
        "status": "amended",
        "item": [question(each["linkId"], "mostly") for each in good["item"]],
    }
    amended = await world.browser.post(door, content=json.dumps(better), headers=headers)
    assert amended.is_success
    await settled(world, amended.headers["location"].rpartition("/")[2])
    scored = await world.browser.post(
        "/fhir/QuestionnaireResponse/$score", content=json.dumps(good), headers=headers
    )
    assert scored.status_code == 200
    seen = await world.browser.get(door, headers={"Authorization": f"Bearer {access}"})
    assert seen.status_code == 200
    refused = await world.browser.get(door, headers={"Authorization": "Bearer forged-and-quite-long"})
    assert refused.status_code == 401


async def show_cards(world: World) -> None:
    people = await world.people()
    await chart(world)
    (card,) = (await post(world, call(people["amara"]))).json()["cards"]
    when = "2026-03-02T16:10:00Z"
    feedback = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": when}
    address = f"{CDS}/feedback"
    answer = await post(world, {"feedback": [feedback]}, token(world, aud=address), address)
    assert answer.status_code == 200
    assert (await post(world, call(people["amara"]), "forged")).status_code == 401


async def lose_the_pin(world: World) -> None:
    page = await world.launch()
    people = await world.people()
    await world.hand_over(page, f"Patient/{people['amara']}")
    locked = await world.browser.get(f"{page.url}/return")
    wrong = {"pin": "0000", "csrf": csrf_of(locked)}
    for _ in range(5):
        last = await world.browser.post(f"{page.url}/return", data=wrong)
    assert last.headers["location"].endswith("wrong=true")


async def end_elsewhere(world: World) -> None:
    """End, from another browser, every other session of the same clinician."""
    page = await world.launch("amara")
    given = {"csrf": csrf_of(page), "which": "others"}
    assert (await world.browser.post(f"{page.url}/sessions/end", data=given)).status_code == 303


async def administer(world: World, response: str) -> None:
    browser, desk = await sign_in(world, "206")
    base = str(desk.url)
    await sign_in(world, "202")  # nobody of that name has a role
    one = await browser.get(f"{base}/deliveries/{response}")
    given = {"csrf": csrf_of(one), "why": "Printed instead"}
    for what in ("discard", "retry"):
        assert (await browser.post(f"{base}/deliveries/{response}/{what}", data=given)).status_code == 303, (
            what
        )
    assert (await browser.post(f"{base}/ehr", data=given)).status_code == 200


async def release(world: World) -> None:
    """Answer when the clinician's sign-in is over, and have what is held sent."""
    page = await world.launch("amara")
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    world.clock.pass_time(hours=9)
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    browser, desk = await sign_in(world, "206")
    for _ in range(600):  # it is tried first, and held then
        held = await browser.get(f"{desk.url}/deliveries?state=held")
        if "/deliveries/release" in held.text:
            break
        await asyncio.sleep(0.1)
    released = await browser.post(f"{desk.url}/deliveries/release", data={"csrf": csrf_of(held)})
    assert released.headers["location"].endswith("done=released")


async def oversee(world: World) -> None:
    """Look at the caseload as a supervisor, and export as a researcher."""
    supervisor, desk = await sign_in(world, "201")
    assert (await supervisor.get(f"{desk.url}/caseload")).status_code == 200
    await fill_forms(world, ("amara",))
    assert (await supervisor.get(f"{desk.url}/caseload")).status_code == 200
    assert (await research_export(world)).status_code == 200
    world.browser = world.new_browser()
    page = await world.launch("amara")
    assert (await world.browser.get(f"{page.url}/summary.pdf")).status_code == 200


async def ask_the_caregiver(world: World) -> None:
    """Have a caregiver agree, and a month later refuse."""
    for agreed in (True, False):
        headers = await hand_to_child(world)
        said = await world.browser.post(
            "/fill/consent", headers=headers, json={"agreed": agreed, "stated": ["caregiver", "may-decide"]}
        )
        assert said.status_code == 200
        await unlock(world)
        world.clock.pass_time(days=31)


async def inspect(world: World) -> None:
    """Search, look at a chain and the log, verify, draw a sample, look at it and sign, as an auditor; mark an error, as a clinician."""
    audit = await start(world)
    await audit.get("/audit")
    await audit.get(audit.chain)
    await audit.get("/log")
    assert (await audit.post("/log/verify")).status_code == 303
    await world.rapport.state.rapport.verification.finished()
    asked = {"asked": "1", "first": "2026-01-01", "last": "2026-03-31", "seed": "s", "why": "because"}
    location = (await audit.post("/reviews", **asked)).headers["location"]
    drawn = f"/reviews/{location.partition('?')[0].rpartition('/')[2]}"
    await audit.get(drawn)
    signed = await audit.post(f"{drawn}/sign-off", verdict="question", comment="because")
    assert signed.status_code == 303
    world.browser = world.new_browser()  # the other one is in the child's hands
    assert (await mark(world, audit.response)).status_code == 303


async def act(folder: Path) -> None:
    """Do at the front door all that leaves an entry."""
    clock = Clock()
    async with run_world(folder, clock, roles=BOOK, cds=CLIENT, show_item_answers=True) as world:
        await treat(world)
        await integrate(world)
        await show_cards(world)
        await lose_the_pin(world)
        world.browser = world.new_browser()
        await end_elsewhere(world)
        await invite(world)
        world.browser = world.new_browser()
        await release(world)
    refusing = folder / "refusing"
    refusing.mkdir()
    async with run_world(refusing, Clock(), personality="read-only", roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        await administer(world, response)
        await send_note(world, *await draft(world))

    overseeing = folder / "overseeing"
    overseeing.mkdir()
    decided = {**policy(overseeing), "roles": BOOK}
    decided["backend_scopes"] = BACKEND_SCOPES
    async with run_world(overseeing, Clock(), more_scopes=DOCUMENTS, **decided) as world:
        await oversee(world)
        await send_note(world, *await draft(world))
    asking = folder / "asking"
    asking.mkdir()
    async with run_world(asking, Clock(), respondents=CONSENT) as world:
        await ask_the_caregiver(world)
    inspecting = folder / "inspecting"
    inspecting.mkdir()
    async with run_world(inspecting, Clock(), roles=AUDITOR_BOOK, more_scopes=CORRECTING) as world:
        await inspect(world)


def command(kept: Kept, environment: dict[str, str], *words: str) -> int:
    config = ("--config", str(kept.folder / "rapport.toml"))
    return int(CliRunner().invoke(app, [*words, *config], env=environment).exit_code)


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all that people and apps did at the front door."""
    folder = tmp_path_factory.mktemp("trail")
    asyncio.run(act(folder))
    return folder


@pytest.fixture(scope="session")
def trail(original: Path, done: Path) -> list[Json]:
    """All entries that people, apps and commands made."""
    folder = done
    kept = Kept(folder / "kept")
    shutil.copytree(original, kept.folder)
    with opened(kept) as ehr:
        out, config = folder / "export", ehr.environment
        period = ("--from", "2020-01-01", "--to", "2099-12-31")
        assert command(kept, config, "audit", "export", *period, "--out", str(out)) == 0
        assert ehr.verify().stdout  # what it finds is for other tests
        answers = folder / "answers.ndjson"
        write_ndjson(answers, many_people(120))
        why = ("--why", "own data")
        adopt = ("rapport-checkin-child", "total", "--site", "sandbox", "--from", str(answers), *why)
        assert command(kept, config, "norms", "adopt", *adopt) == 0
        engine = open_database(rapport_settings(kept.folder).database)
        with engine.connect() as connection:
            norms = connection.execute(sa.select(t.norm.c.id).order_by(t.norm.c.decided.desc())).scalars()
            norm = norms.all()[0]
        engine.dispose()
        assert command(kept, config, "norms", "withdraw", norm, *why) == 0
        with (kept.folder / "rapport.toml").open("a", encoding="utf-8") as settings:
            settings.write("\n[site.retention]\nlaunches_days = 1\n")
        assert command(kept, config, "retention", "run") == 0
        erase = ("patient", "erase", "Patient/1001", "--site", "sandbox", "--why", "Decision 12", "--yes")
        assert command(kept, config, *erase) == 0
        shutil.rmtree(kept.tiles)
        assert command(kept, config, "audit", "export", *period, "--out", str(folder / "none")) != 0
    return [
        *entries_of(folder),
        *entries_of(folder / "refusing"),
        *entries_of(folder / "overseeing"),
        *entries_of(folder / "asking"),
        *entries_of(folder / "inspecting"),
        *entries_of(kept.folder),
    ]


def test_every_kind_is_emitted_by_something_that_somebody_does(trail: list[Json]) -> None:
    assert {kind_of(each) for each in trail} == set(Kind) - DONE_ELSEWHERE


@pytest.mark.parametrize("name", [".", "refusing", "overseeing", "asking", "inspecting"])
async def test_what_was_done_at_the_front_door_verifies(done: Path, name: str) -> None:
    kept = Kept(done / name)
    await advance(kept.folder)
    assert kept.verify() == []


def test_failures_are_recorded_too(trail: list[Json]) -> None:
    assert {kind_of(each) for each in trail if each["outcome"] != "0"} == FAILURES
    assert all(each["outcomeDesc"] for each in trail if each["outcome"] != "0")


def test_every_entry_is_as_balp_wants_it(trail: list[Json]) -> None:
    assert {tuple(balp.problems(each)) for each in trail} == {()}


def test_every_entry_is_an_auditevent(trail: list[Json]) -> None:
    for each in trail:
        AuditEvent.model_validate(each)


def test_creating_reading_changing_deleting_and_searching_claim_their_profiles(trail: list[Json]) -> None:
    claimed = {name for each in trail for name in balp.claimed(each)}
    without_patient = {"Create", "Update", "Delete", "Query"}
    of_patients = {"PatientCreate", "PatientRead", "PatientUpdate", "PatientDelete", "PatientQuery"}
    assert claimed >= {*without_patient, *of_patients, balp.TOKEN}


def test_what_an_interaction_does_to_a_patients_data_claims_the_patients_variant(trail: list[Json]) -> None:
    for each in trail:
        people = [one for one in each.get("entity", ()) if one["type"]["code"] == "1"]
        families = balp.claimed(each) & set(balp.FAMILIES)
        assert all(name.startswith("Patient") is bool(people) for name in families), each


def test_every_success_with_a_restful_interaction_claims_a_profile(trail: list[Json]) -> None:
    restful = {code for rule in balp.RULES.values() for code in rule.subtypes}
    for each in trail:
        if each["outcome"] == "0" and each["subtype"][0]["code"] in restful:
            assert balp.claimed(each) & set(balp.FAMILIES), each


def test_no_profile_is_claimed_by_a_failure(trail: list[Json]) -> None:
    assert not any(balp.claimed(each) for each in trail if each["outcome"] != "0")


def test_a_query_is_kept_as_it_was_asked(trail: list[Json]) -> None:
    queries = [
        base64.b64decode(one["query"]).decode()
        for each in trail
        for one in each.get("entity", ())
        if "query" in one and kind_of(each) is Kind.RECORD_SEARCHED
    ]
    assert "/sites/sandbox/fhir/Observation?date=2026-03-02" in queries


def test_requests_are_known_by_their_ids_and_where_they_came_from(trail: list[Json]) -> None:
    (viewed, *_) = [each for each in trail if kind_of(each) is Kind.PATIENT_VIEWED]
    assert any(one["type"]["code"] == "XrequestId" for one in viewed["entity"])
    assert {each["network"]["type"] for each in viewed["agent"] if "network" in each} == {"2", "5"}


@pytest.mark.parametrize(
    ("token", "end"),
    [("a" * 40 + "b" * 40, "b" * 32), ("abcdefgh", "efgh"), ("x", None), ("", None)],
)
def test_of_a_token_the_trail_holds_the_end_and_never_the_whole(token: str, end: str | None) -> None:
    assert end_of_token(token) == end


async def test_no_token_stands_in_the_trail(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        access = await app_token(world)
        headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/fhir+json"}
        body = json.dumps(response_of(people["amara"]))
        door = "/sites/sandbox/fhir/QuestionnaireResponse"
        assert (await world.browser.post(door, content=body, headers=headers)).status_code == 201
        said = json.dumps(entries_of(tmp_path))
        assert access not in said
        assert str(end_of_token(access)) in said


async def test_a_kind_can_be_searched_for_over_the_fhir_interface(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await treat(world)
        found = await world.browser.get("/sites/sandbox/fhir/AuditEvent?subtype=hand-over-ended&outcome=4")
        (entry,) = [each["resource"] for each in found.json()["entry"]]
        assert entry["outcomeDesc"] == "Wrong PIN"
        people = await world.people()
        mine = f"/sites/sandbox/fhir/AuditEvent?agent=Patient/{people['amara']}&subtype=response-received"
        assert (await world.browser.get(mine)).json()["total"] == 1


async def test_refusals_from_one_address_do_not_fill_the_ledger(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        for _ in range(65):
            assert (await world.browser.get("/launches/none")).status_code == 401
        refused = [each for each in entries_of(tmp_path) if kind_of(each) is Kind.ACCESS_REFUSED]
        assert len(refused) == 60
        world.clock.pass_time(minutes=11)
        assert (
            await world.browser.get("/launches/none")
        ).status_code == 401  # sweeps what is over, but not this
        for _ in range(2):
            await world.rapport.state.housekeeping.sweep()
    last = [each for each in entries_of(tmp_path) if kind_of(each) is Kind.ACCESS_REFUSED][60:]
    assert [each["outcomeDesc"] for each in last] == [
        "6 more from one address within about ten minutes: counted, not written down one by one"
    ]


def whoever_asked(entry: Json) -> Json:
    """Give who stands as the person behind an entry."""
    who: Json = next(each["who"] for each in entry["agent"] if each["requestor"])
    return who


async def test_a_flood_of_refusals_hides_nobody_who_is_signed_in(tmp_path: Path) -> None:
    people = RoleBook({"Practitioner/206": frozenset({Role.ADMINISTRATOR})})
    async with run_world(tmp_path, roles=people) as world:
        of_another = await world.launch("wei-ling")
        stranger = world.new_browser()
        for _ in range(65):
            door = "/sites/sandbox/fhir/Observation"
            answer = await stranger.get(door, headers={"Authorization": "Bearer wrong"})
            assert answer.status_code in {401, 429}
        clinician, administrator = world.new_browser(), world.new_browser()
        await world.launch("amara", clinician, practitioner="202")
        assert (await clinician.get(str(of_another.url))).status_code == 401
        desk = await world.launch("amara", administrator, practitioner="206")
        audit = str(desk.url).replace("/launches/", "/desks/") + "/audit"
        assert (await administrator.get(audit)).status_code == 403
        await stranger.get(str(of_another.url))
    refused = [each for each in entries_of(tmp_path) if kind_of(each) is Kind.ACCESS_REFUSED]
    agents = [whoever_asked(each) for each in refused[60:]]
    assert [who.get("reference") for who in agents] == [
        "Practitioner/202",
        "Practitioner/206",
    ]


async def test_whoever_has_a_device_that_is_handed_over_is_not_told_to_be_the_clinician(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path) as world:
        page = await world.launch("amara")
        people = await world.people()
        await world.hand_over(page, f"Patient/{people['amara']}")
        assert (await world.browser.get(str(page.url))).status_code == 303
    (refused,) = [each for each in entries_of(tmp_path) if kind_of(each) is Kind.ACCESS_REFUSED]
    assert whoever_asked(refused) == {"display": "Whoever has a device handed over"}


async def test_a_changed_setting_is_in_the_trail_by_its_section_and_nothing_else_is(tmp_path: Path) -> None:
    for hours in (8, 8, 4):
        async with run_world(tmp_path, session_hours=hours):
            pass
    reasons = [each["purposeOfEvent"][0]["text"] for each in entries_of(tmp_path)]
    assert reasons == [
        "First start: instruments, keys, schema, server, site sandbox, software",
        "Changed: site sandbox",
    ]


async def test_an_invitation_expires_once(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        await make_link(world, await world.launch("wei-ling"), f"Patient/{people['wei-ling']}")
        world.clock.pass_time(hours=25)
        sweeps = await asyncio.gather(*(world.rapport.state.housekeeping.sweep() for _ in range(3)))
        assert sum(sweeps) == 1
        expired = [each for each in entries_of(tmp_path) if kind_of(each) is Kind.INVITATION_EXPIRED]
        assert len(expired) == 1


def test_every_kind_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")
    section = page.split("\n## The trail\n")[1].split("\n## ")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    told = [code for cell in cells for code in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(told) == sorted(each.value for each in Kind)
