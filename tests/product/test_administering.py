"""The administrator's pages: deliveries, the state of the installation, what the EHR takes. For nobody else."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.roles import Role, RoleBook
from tests.product.collecting import collecting_world, look, someones_answers, started
from tests.product.forms import question
from tests.product.test_delivery import until_state
from tests.product.test_personalities import newest, send_form, settled
from tests.product.ways import form_to
from tests.product.world import EHR, RAPPORT, World, body_of, run_world

ADMINISTRATOR, OTHER = "206", "202"
BOOK = RoleBook({f"Practitioner/{ADMINISTRATOR}": frozenset({Role.ADMINISTRATOR})})


async def sign_in(
    world: World, practitioner: str = ADMINISTRATOR
) -> tuple[httpx.AsyncClient, httpx.Response]:
    """Launch Rapport from the EHR without any patient, in a browser of one's own."""
    browser = world.new_browser()
    asked = {"client_id": "rapport", "practitioner": practitioner}
    answer = await browser.post(f"{EHR}/sandbox/launch", json=asked)
    assert answer.status_code == 201, answer.text
    return browser, await world.follow(await browser.get(answer.json()["launch_url"]), browser)


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    return found[1]


async def kinds(world: World) -> list[str]:
    query = sa.select(t.audit.c.kind).order_by(t.audit.c.id)
    ledger = world.rapport.state.rapport.ledger
    return list(await ledger.read(lambda c: c.execute(query).scalars().all()))


async def test_an_administrator_sees_why_something_is_not_in_the_record_and_decides(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        browser, desk = await sign_in(world)
        assert desk.url.path.startswith("/desks/"), desk.text
        base = str(desk.url)
        listed = await browser.get(f"{base}/deliveries")
        assert "Refused by the EHR" in listed.text
        assert response[:8] in listed.text

        one = await browser.get(f"{base}/deliveries/{response}")
        asked = {"csrf": csrf_of(one), "why": "Printed and scanned instead"}
        hasty = await browser.post(f"{base}/deliveries/{response}/discard", data={**asked, "why": "x"})
        assert hasty.status_code == 422
        assert "The reason is too short. Say in a few words why it is not to be sent." in hasty.text
        assert form_to(hasty, "/discard").as_it_stands["why"] == "x"
        decided = await browser.post(f"{base}/deliveries/{response}/discard", data=asked)
        assert decided.status_code == 303
        assert "Not sent, by decision" in (await world.follow(decided, browser)).text

        again = await browser.post(f"{base}/deliveries/{response}/retry", data={"csrf": asked["csrf"]})
        assert again.status_code == 303
        assert (await settled(world, response)).state == "refused"
        assert {"deliveries-viewed", "delivery-discarded", "delivery-retried"} <= set(await kinds(world))


async def test_the_pages_name_no_patient_and_no_answer(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        browser, desk = await sign_in(world)
        base, amara = str(desk.url), (await world.people())["amara"]
        for place in ("", "/deliveries", f"/deliveries/{response}", "/installation", "/ehr", "/norms"):
            page = await browser.get(f"{base}{place}")
            assert page.status_code == 200, page.text
            assert not re.search(rf"Amara|Okafor|Patient/{amara}\b", page.text)


async def aside_world_page(world: World) -> tuple[httpx.AsyncClient, str, str]:
    """Have a response set aside that the EHR collected; gives the administrator's browser, desk and its address."""
    await started(world)
    reference = await world.collect(await someones_answers(world, item=[question("goal-1", "nonsense")]))
    await look(world)
    browser, desk = await sign_in(world)
    return browser, str(desk.url), reference


async def test_a_collected_response_that_was_set_aside_is_shown_with_the_reason(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, roles=BOOK) as world:
        browser, base, reference = await aside_world_page(world)
        page = await browser.get(f"{base}/deliveries")
        assert reference in page.text
        assert "It does not fit its form: goal-1" in page.text
        assert "nonsense" not in page.text


async def test_a_collected_response_is_looked_at_again_from_the_page(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, roles=BOOK) as world:
        browser, base, reference = await aside_world_page(world)
        csrf = csrf_of(await browser.get(f"{base}/deliveries"))
        asked = {"csrf": csrf, "reference": reference}
        still = await browser.post(f"{base}/deliveries/collected", data=asked)
        assert "cannot be scored still" in (await world.follow(still, browser)).text
        await world.collect(await someones_answers(world), reference)
        kept = await world.follow(await browser.post(f"{base}/deliveries/collected", data=asked), browser)
        assert "It could be scored" in kept.text
        assert reference not in kept.text
        assert (await kinds(world)).count("response-retried") == 2


async def test_held_deliveries_are_released_together(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        page = await world.launch("amara")
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        world.clock.pass_time(hours=9)  # the clinician's token is over; the invitation is not
        from tests.product.forms import ANSWERS

        assert (await world.fill(secret, ANSWERS)).status_code == 200
        ledger = world.rapport.state.rapport.ledger
        await until_state(world, await ledger.read(lambda c: c.execute(newest()).scalar_one()), "held")
        browser, desk = await sign_in(world)
        listed = await browser.get(f"{desk.url}/deliveries?state=held")
        assert "Waiting for sign-in" in listed.text
        done = await browser.post(f"{desk.url}/deliveries/release", data={"csrf": csrf_of(listed)})
        assert "due now" in (await world.follow(done, browser)).text
        assert "delivery-released" in await kinds(world)


async def test_the_page_says_what_the_ehr_takes_as_the_doctor_does(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        asked = await browser.get(f"{desk.url}/ehr")
        found = await browser.post(f"{desk.url}/ehr", data={"csrf": csrf_of(asked)})
        assert found.status_code == 200, found.text
        assert "write into its records" in found.text
        assert "What will be written" in found.text
        topics = re.findall(r"<h3[^>]*>([^<]+)</h3>", found.text)
        assert topics[:4] == ["Server", "Signing in", "Reading", "Writing"], topics
        assert "ehr-examined" in await kinds(world)


async def test_the_installation_page_shows_parts_backlog_and_versions(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        page = await browser.get(f"{desk.url}/installation")
        for words in ("Database", "works", "Database schema", "forms can be used"):
            assert words in page.text


async def test_the_installation_page_tells_how_long_the_log_is(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        for _ in range(1200):
            if (await browser.get(f"{RAPPORT}/log/checkpoint")).status_code == 200:
                break
            await asyncio.sleep(0.05)
        page = await browser.get(f"{desk.url}/installation")
        assert re.search(r"<dt>Transparency log</dt><dd>\d+ entr", page.text)


async def test_without_a_role_there_is_no_way_in_without_a_patient(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        _, refused = await sign_in(world, OTHER)
        assert refused.status_code == 403
        assert "which patient" in refused.text
        assert await kinds(world) == ["configuration-changed", "launch"]  # the refusal stands in the trail


async def test_a_chart_s_launch_is_a_desk_only_for_those_who_have_a_role(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        page = await world.launch("amara", practitioner=OTHER)
        launch = page.url.path.rpartition("/")[2]
        assert "/desks/" not in page.text
        assert (await world.browser.get(f"/desks/{launch}/deliveries")).status_code == 401
        own = await world.launch("amara", practitioner=ADMINISTRATOR)
        launch = own.url.path.rpartition("/")[2]
        assert f"/desks/{launch}" in own.text
        assert (await world.browser.get(f"/desks/{launch}/deliveries")).status_code == 200


async def test_a_desk_without_a_patient_opens_no_page_of_one(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        launch = desk.url.path.rpartition("/")[2]
        assert (await browser.get(f"/launches/{launch}")).status_code == 401


async def test_nothing_is_open_while_the_device_is_handed_over(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        page = await world.launch("amara", practitioner=ADMINISTRATOR)
        people = await world.people()
        await world.hand_over(page, f"Patient/{people['amara']}")
        launch = page.url.path.rpartition("/")[2]
        locked = await world.browser.get(f"/desks/{launch}/deliveries")
        assert locked.status_code == 303
        assert locked.headers["location"] == f"/launches/{launch}/return"


@pytest.mark.parametrize(
    "place",
    ["deliveries/release", "deliveries/collected", "deliveries/x/retry", "deliveries/x/discard", "ehr"],
)
async def test_a_change_needs_our_own_page_s_token(place: str, tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        refused = await browser.post(f"{desk.url}/{place}", data={"why": "because"})
        assert refused.status_code == 403
        assert "out of date" in refused.text


async def test_another_site_s_delivery_is_not_there(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", roles=BOOK) as world:
        response = await send_form(world)
        await settled(world, response)
        ledger = world.rapport.state.rapport.ledger
        for table in (t.delivery, t.response):
            await ledger.bookkeep(lambda c, table=table: c.execute(table.update().values(site="elsewhere")))
        browser, desk = await sign_in(world)
        assert response[:8] not in (await browser.get(f"{desk.url}/deliveries")).text
        assert (await browser.get(f"{desk.url}/deliveries/{response}")).status_code == 404


async def test_a_role_can_be_given_by_the_ehr_s_own_code(tmp_path: Path) -> None:
    code = ("urn:x-sandbox:role", "clinical-systems-administrator")
    book = RoleBook(codes={code: frozenset({Role.ADMINISTRATOR})})
    async with run_world(tmp_path, roles=book, more_scopes=("user/PractitionerRole.rs",)) as world:
        _, desk = await sign_in(world)
        assert desk.status_code == 200
        assert "Deliveries" in desk.text
        _, refused = await sign_in(world, OTHER)
        assert refused.status_code == 403


async def test_the_front_page_offers_the_way_in_only_where_somebody_has_a_role(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        assert "/staff/sandbox" in (await world.browser.get("/")).text
        away = await world.depart("/staff/sandbox")
        assert away.status_code == 303
        asked = httpx.URL(away.headers["location"]).params["scope"].split()
        assert asked == ["openid", "fhirUser"]
    async with run_world(tmp_path) as world:
        assert "/staff/sandbox" not in (await world.browser.get("/")).text
        assert body_of(await world.browser.get("/staff/sandbox", headers={"Accept": "application/json"}))
