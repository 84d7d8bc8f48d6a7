"""Rapport's read-only FHIR interface: what no EHR took stays readable, for those who may."""

from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy.engine import Connection

from plugin.audit import Actor
from plugin.ledger import tables as t
from plugin.routes.kept import Reader
from plugin.served import searching
from plugin.served.searching import Search, read_search
from plugin.served.shelf import AUDIT, Among, Kept, read_shelf
from plugin.writing import WriterKind, Writing
from tests.product.forms import ANSWERS, response_of
from tests.product.naming import Naming
from tests.product.test_bad_input import app_token, post
from tests.product.test_personalities import send_form, settled
from tests.product.world import EHR, PIN, RAPPORT, Clock, World, run_world

BASE = "/sites/sandbox/fhir"
CODES = "https://w3id.org/rapport-fhir/CodeSystem/score"


async def unlock(world: World) -> None:
    """Give the device back to the clinician, whose page opens again."""
    (launch,) = await world.rapport.state.rapport.ledger.read(
        lambda c: (
            c.execute(sa.select(t.launch.c.id).order_by(t.launch.c.created.desc()).limit(1)).scalars().all()
        )
    )
    page = await world.browser.get(f"/launches/{launch}/return")
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    answer = await world.browser.post(f"/launches/{launch}/return", data={"pin": PIN, "csrf": csrf})
    assert answer.status_code in {200, 303}, answer.text


async def sent(world: World) -> str:
    """Send a form and open the clinician's page again; gives the response's id."""
    response = await send_form(world)
    await settled(world, response)
    await unlock(world)
    return response


async def get(world: World, path: str, token: str | None = None, **parameters: str) -> httpx.Response:
    headers = {"Accept": "application/fhir+json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await world.browser.get(f"{BASE}/{path}", headers=headers, params=parameters)


async def search(
    world: World, kind: str, token: str | None = None, **parameters: str
) -> list[dict[str, Any]]:
    answer = await get(world, kind, token, **parameters)
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    found = [each["resource"] for each in entries if each["search"]["mode"] == "match"]
    assert answer.json()["total"] >= len(found)
    return found


async def test_what_a_read_only_ehr_did_not_take_is_read_here(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", show_item_answers=True) as world:
        response = await sent(world)
        counts = {
            kind: len(await search(world, kind))
            for kind in ("QuestionnaireResponse", "Observation", "Provenance")
        }
        assert counts == {"QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}
        assert (await search(world, "QuestionnaireResponse"))[0]["id"] == response
        assert await search(world, "AuditEvent")


async def test_resources_find_each_other_here_and_people_in_the_ehr(world: World) -> None:
    response = await sent(world)
    people = await world.people()
    (panel,) = [each for each in await search(world, "Observation") if "hasMember" in each]
    for member in panel["hasMember"]:
        read = (await get(world, member["reference"])).json()
        assert read["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{response}"}]
        assert read["subject"] == {"reference": f"{EHR}/r4/Patient/{people['amara']}"}
    (provenance,) = await search(world, "Provenance", target=f"Observation/{panel['id']}")
    assert len(provenance["target"]) == 6


async def test_observations_are_found_by_what_they_are(world: World) -> None:
    await sent(world)
    for parameters, count in (
        ({"code": f"{CODES}|rapport-checkin-child-total"}, 1),
        ({"code": "rapport-checkin-child-total,rapport-checkin-child-bond"}, 2),
        ({"code": "https://other.invalid|rapport-checkin-child-total"}, 0),
        ({"category": "survey"}, 5),
        ({"date": "2026-03-02"}, 5),
        ({"date": "ge2026-03-03"}, 0),
        ({"date": "lt2026-03-02T09:00:01Z"}, 5),
        ({"date": "lt9999-12-31"}, 5),
        ({"date": "lt9999-12"}, 5),
        ({"date": "lt9999"}, 5),
        ({"date": "le9999-12-31T23:59:59Z"}, 5),
        ({"date": "9999-12-31"}, 0),
        ({"status": "final", "date": "2026-03"}, 5),
        ({"_id": "nothing"}, 0),
    ):
        assert len(await search(world, "Observation", **parameters)) == count, parameters


async def test_observations_are_found_by_the_response_they_come_from(world: World) -> None:
    response = await sent(world)
    found = await search(world, "Observation", **{"derived-from": f"QuestionnaireResponse/{response}"})
    assert len(found) == 5
    absolute = f"{RAPPORT}{BASE}/QuestionnaireResponse/{response}"
    assert len(await search(world, "Observation", **{"derived-from": absolute})) == 5
    assert await search(world, "Observation", **{"derived-from": "QuestionnaireResponse/other"}) == []


async def test_pages_follow_each_other_to_the_end(world: World) -> None:
    await sent(world)
    seen: list[str] = []
    address: str | None = f"{BASE}/Observation?_count=2&category=survey"
    while address is not None:
        page = (await world.browser.get(address, headers={"Accept": "application/fhir+json"})).json()
        assert page["total"] == 5
        seen += [each["resource"]["id"] for each in page["entry"]]
        following = [each["url"] for each in page["link"] if each["relation"] == "next"]
        address = following[0] if following else None
        assert address is None or urlsplit(address).path == f"{BASE}/Observation"
    assert len(seen) == len(set(seen)) == 5


async def test_single_answers_are_held_back_where_the_site_says_so(world: World) -> None:
    response = await sent(world)
    bundle = (await get(world, "QuestionnaireResponse")).json()
    assert bundle["total"] == 0
    (outcome,) = bundle["entry"]
    assert "clinicians see scores" in outcome["resource"]["issue"][0]["diagnostics"]
    assert (await get(world, f"QuestionnaireResponse/{response}")).status_code == 403
    assert "completely" not in (await get(world, "Observation")).text


async def test_another_app_reads_with_the_ehrs_token(world: World) -> None:
    response = await sent(world)
    world.browser = world.new_browser()
    token = await app_token(world)
    world.browser = world.new_browser()
    assert len(await search(world, "Observation", token)) == 5
    (found,) = await search(world, "QuestionnaireResponse", token, questionnaire=CHILD_FORM)
    assert found["id"] == response
    assert (await get(world, "Provenance", token)).status_code == 403  # the token may not search them


@pytest.mark.parametrize("shows", [False, True])
async def test_another_app_reads_no_more_answers_than_the_form_said_would_be_read(
    tmp_path: Path, *, shows: bool
) -> None:
    only_scores = Writing(writers=(WriterKind.OBSERVATIONS,))
    async with run_world(tmp_path, writing=only_scores, show_item_answers=shows) as world:
        people = await world.people()
        page = await world.launch()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        headers = {"X-Rapport-Invitation": secret}
        form = (await world.browser.get("/fill/form", headers=headers)).text
        promised = "Your single answers are not shown to anybody here." in form
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        await unlock(world)
        world.browser = world.new_browser()
        token = await app_token(world)
        world.browser = world.new_browser()
        found = await search(world, "QuestionnaireResponse", token)
        ledger = world.rapport.state.rapport.ledger
        (response,) = await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).scalars().all())
        single = await get(world, f"QuestionnaireResponse/{response}", token)
    assert promised is not shows
    assert bool(found) is shows
    assert single.status_code == (200 if shows else 403)
    assert ("completely" in single.text) is shows


@pytest.mark.parametrize(
    ("user", "status", "shown"),
    [
        (f"{EHR}/r4/Practitioner/202", 200, 5),
        ("https://elsewhere.invalid/r4/Patient/1001", 200, 0),
        (f"{EHR}/r4/RelatedPerson/1001-1", 200, 0),
        (f"{EHR}/r4/Person/7", 403, 0),
        (None, 403, 0),
    ],
)
async def test_a_token_reads_as_the_user_whom_the_ehr_names(
    world: World, user: str | None, status: int, shown: int
) -> None:
    await sent(world)
    world.browser = world.new_browser()
    token = await app_token(world)
    world.browser = world.new_browser()
    world.hosts.apps["ehr.invalid"] = Naming(world.hosts.apps["ehr.invalid"], user)  # type: ignore[assignment] # any transport will do
    answer = await get(world, "Observation", token)
    assert (answer.status_code, answer.text.count('"mode":"match"')) == (status, shown)


CHILD_FORM = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"


async def test_without_a_sign_in_nothing_is_shown(world: World) -> None:
    response = await sent(world)
    world.browser = world.new_browser()
    for path in ("Observation", f"QuestionnaireResponse/{response}", "AuditEvent"):
        answer = await get(world, path)
        assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")
    assert (await get(world, "Observation", "made-up")).status_code == 401


async def test_while_the_device_is_handed_over_nothing_is_shown(world: World) -> None:
    await send_form(world)
    assert (await get(world, "Observation")).status_code == 423


async def test_another_patient_is_not_to_be_seen(world: World) -> None:
    await sent(world)
    people = await world.people()
    other = next(own for name, own in people.items() if name not in {"amara", "practitioner"})
    (mine, *_) = await search(world, "Observation")
    world.browser = world.new_browser()
    token = await app_token(world, next(name for name, own in people.items() if own == other))
    world.browser = world.new_browser()
    assert await search(world, "Observation", token) == []
    assert (await get(world, f"Observation/{mine['id']}", token)).status_code == 404
    assert (await get(world, "Observation", token, patient=people["amara"])).status_code == 403


async def test_what_is_not_understood_is_refused_and_not_ignored(world: World) -> None:
    await world.launch("amara")
    for path, parameters, said in (
        ("Observation", {"colour": "red"}, "cannot be searched by colour"),
        ("Observation", {"date": "soon"}, "is not a date"),
        ("Observation", {"date": "2026-13-40"}, "is not a date"),
        ("Observation", {"date": "2026-01-01T00:00:00+99:00"}, "is not a date"),
        ("Observation", {"_count": "many"}, "not a whole number"),
        ("QuestionnaireResponse", {"code": "x"}, "cannot be searched by code"),
        ("Medication", {}, "Nothing of this type"),
        ("Observation/none", {}, "There is no Observation/none"),
    ):
        answer = await get(world, path, **parameters)
        assert answer.status_code in {404, 422}
        assert said in answer.text


async def test_a_response_that_is_dated_by_its_month_alone_is_found(world: World) -> None:
    people = await world.people()
    token = await app_token(world)
    answer = await post(world, response_of(people["amara"], authored="2026-03"), token=token)
    assert answer.status_code == 201, answer.text
    for asked, found in (("ge2026", 1), ("2026-03", 1), ("lt2026-03-01", 0)):
        assert len(await search(world, "QuestionnaireResponse", token, authored=asked)) == found, asked


async def test_reading_leaves_an_entry_in_the_trail(world: World) -> None:
    response = await sent(world)
    (panel,) = [each for each in await search(world, "Observation") if "hasMember" in each]
    await get(world, f"Observation/{panel['id']}")
    entries = await search(world, "AuditEvent", action="R")
    assert any(
        {"reference": f"Observation/{panel['id']}"} in [entity["what"] for entity in each["entity"]]
        for each in entries
    )
    assert await search(world, "AuditEvent", entity=f"QuestionnaireResponse/{response}")


async def test_the_interface_says_what_it_offers(world: World) -> None:
    statement = (await get(world, "metadata")).json()
    (rest,) = statement["rest"]
    assert {each["type"] for each in rest["resource"]} == {
        "QuestionnaireResponse",
        "Observation",
        "Provenance",
        "AuditEvent",
    }
    assert (await world.browser.get("/sites/none/fhir/metadata")).status_code == 404


async def test_what_is_served_is_sound_fhir(tmp_path: Path) -> None:
    async with run_world(tmp_path, show_item_answers=True) as world:
        await sent(world)
        for kind in ("QuestionnaireResponse", "Observation", "Provenance", "AuditEvent"):
            for resource in await search(world, kind):
                get_fhir_model_class(kind).model_validate(resource)


async def test_a_second_response_does_not_move_the_pages(tmp_path: Path) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock) as world:
        await sent(world)
        first = [each["id"] for each in await search(world, "Observation", _count="3")]
        clock.pass_time(minutes=5)
        world.browser = world.new_browser()
        await sent(world)
        assert [each["id"] for each in await search(world, "Observation", _count="3")] == first
        assert len(await search(world, "Observation")) == 10


def kept(kind: str, source: str | None, rater: str = "child") -> Kept:
    return Kept(kind, "1", Clock().now, dict, source, rater)


def test_a_respondents_token_sees_what_that_person_answered_and_no_more() -> None:
    caregiver = Reader(
        "sandbox",
        "Patient/1",
        Actor("RelatedPerson/2"),
        own="RelatedPerson/2",
        scores_for=frozenset({"caregiver", "child"}),
    )
    assert caregiver.may_see(kept("Observation", "RelatedPerson/2"))
    assert not caregiver.may_see(kept("Observation", "Patient/1"))
    assert not caregiver.may_see(kept(AUDIT, None))


def test_a_therapists_own_answers_are_not_held_back() -> None:
    clinician = Reader("sandbox", "Patient/1", Actor("Practitioner/3"), answers=False)
    assert clinician.is_held_back(kept("QuestionnaireResponse", "Patient/1"))
    assert not clinician.is_held_back(kept("QuestionnaireResponse", "Practitioner/3", "therapist"))
    assert not clinician.is_held_back(kept("Observation", "Patient/1"))


async def test_what_columns_of_the_trail_tell_narrows_a_search_and_changes_nothing_of_it(
    world: World,
) -> None:
    await sent(world)
    rapport, people = world.rapport.state.rapport, await world.people()
    patient, home = f"Patient/{people['amara']}", rapport.settings.sites["sandbox"].base

    async def found(understood: Search, among: tuple[Among, ...]) -> list[str]:
        def look(connection: Connection) -> list[str]:
            kept = read_shelf(connection, rapport.ledger.vault, "sandbox", patient, "AuditEvent", home, among)
            return [each.id for each in kept if all(test(each) for test in understood.tests)]

        return cast("list[str]", await rapport.ledger.read(look))

    for asked in (
        {"date": "ge2026"},
        {"date": "lt2026-01-01"},
        {"date": "gt2026-03-01,lt2020"},
        {"date": "ne2026-03-02"},
        {"date": "le9999-12-31"},
        {"outcome": "0"},
        {"outcome": "4"},
        {"outcome": "0,4"},
        {"subtype": "response-received"},
        {"subtype": "response-received,launch"},
        {"subtype": "create"},
        {"subtype": "response-received,create"},
    ):
        understood = read_search("AuditEvent", tuple(asked.items()), patient, home)
        assert await found(understood, understood.among) == await found(understood, ()), asked


async def test_entries_of_another_kind_or_time_are_not_opened_by_a_search(world: World) -> None:
    await sent(world)
    broken = t.audit.update().where(t.audit.c.kind == "launch").values(sealed_resource=b"0")
    await world.rapport.state.rapport.ledger.bookkeep(lambda c: c.execute(broken))
    assert await search(world, "AuditEvent", subtype="response-received")
    assert not await search(world, "AuditEvent", date="lt2020")


async def test_a_search_that_would_open_too_much_says_what_makes_it_quick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(world)
    monkeypatch.setattr(searching, "MOST_LOOKED_INTO", 3)
    refused = await get(world, "AuditEvent", action="C")
    assert refused.status_code == 422
    (issue,) = refused.json()["issue"]
    assert issue["code"] == "too-costly"
    assert "`date`" in issue["diagnostics"]
    assert len(await search(world, "AuditEvent")) > 3


async def test_what_is_only_counted_is_not_read(world: World) -> None:
    await sent(world)
    first = (await search(world, "AuditEvent", _count="1"))[0]["id"]
    broken = t.audit.update().where(t.audit.c.event != first).values(sealed_resource=b"0")
    await world.rapport.state.rapport.ledger.bookkeep(lambda c: c.execute(broken))
    assert [each["id"] for each in await search(world, "AuditEvent", _count="1")] == [first]
