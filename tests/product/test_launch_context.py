"""What an EHR says at the launch beside the patient, and what Rapport makes of it; the sandbox EHR says each of them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from plugin.audit import Kind
from sandbox_ehr.oauth.grants import SmartIdToken
from tests.product.forms import ANSWERS
from tests.product.world import EHR, PIN, World, entries, run_world

MORE = ("messaging/ui", "user/PractitionerRole.r", "user/Person.r")
CHILD = "rapport-checkin-child"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, more_scopes=MORE) as running:
        yield running


def notices(page: httpx.Response) -> str:
    return " ".join(re.findall(r'class="notice.*?<p>(.*?)</p>', page.text, re.DOTALL))


def chosen_first(page: httpx.Response) -> tuple[str, str]:
    """Whom and which form the page offers first."""
    respondent = re.search(r'name="respondent" value="([^"]+)"', page.text)
    instrument = re.search(r'name="instrument" value="([^"]+)"[^>]* checked', page.text)
    return respondent[1] if respondent else "", instrument[1] if instrument else ""


def canonical(world: World, instrument: str) -> str:
    catalogue = world.rapport.state.rapport.intake.catalogue
    return str(catalogue.by_id(instrument).canonical)


def keep_in_ehr(world: World, resource: dict[str, Any]) -> str:
    """Have a resource stand in the EHR; its reference."""
    stored = world.ehr.state.store.create(resource)
    return f"{resource['resourceType']}/{stored.id}"


async def test_the_chart_is_opened_where_the_intent_says(world: World) -> None:
    for intent, place in (("show-scores", "#scores"), ("unheard-of", ""), ("start-form", "#start")):
        address = await world.new_launch("amara", intent=intent)
        answer = await world.browser.get(address)
        while "/launches/" not in answer.headers["location"]:
            answer = await world.browser.get(answer.headers["location"])
        assert answer.headers["location"].partition("#")[1:] == (("#", place[1:]) if place else ("", ""))


@pytest.mark.parametrize("instrument", ["rapport-checkin-therapist", "rapport-checkin-caregiver"])
async def test_a_form_that_the_ehr_names_is_chosen_with_whom_it_is_for(world: World, instrument: str) -> None:
    item = {"canonical": canonical(world, instrument), "type": "Questionnaire"}
    page = await world.launch("amara", fhirContext=[item])
    respondent, chosen = chosen_first(page)
    assert chosen == instrument
    assert respondent.startswith("Practitioner/" if "therapist" in instrument else "RelatedPerson/")
    assert "The EHR asks for this form" in notices(page)


async def test_a_role_of_its_own_does_not_keep_a_form_from_being_opened(world: World) -> None:
    item = {
        "canonical": canonical(world, CHILD),
        "type": "Questionnaire",
        "role": "https://ehr.invalid/roles/questionnaire-display",
    }
    page = await world.launch("amara", fhirContext=[item])
    assert chosen_first(page)[1] == CHILD


async def test_a_form_that_is_not_installed_is_named(world: World) -> None:
    page = await world.launch("amara", fhirContext=[{"canonical": "https://ehr.invalid/Questionnaire/x|2"}])
    assert "https://ehr.invalid/Questionnaire/x|2" in notices(page)


async def test_another_version_is_not_passed_off_as_the_one_asked_for(world: World) -> None:
    url = canonical(world, CHILD).partition("|")[0]
    page = await world.launch("amara", fhirContext=[{"canonical": f"{url}|99"}])
    assert "cannot be filled here" in notices(page)


async def begun(world: World, patient: str, status: str = "in-progress") -> str:
    people = await world.people()
    answers = [("goal-1", "mostly"), ("goal-2", "no such option")]
    items = [{"linkId": link, "answer": [{"valueCoding": {"code": code}}]} for link, code in answers]
    return keep_in_ehr(
        world,
        {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": canonical(world, CHILD),
            "status": status,
            "subject": {"reference": f"Patient/{people[patient]}"},
            "source": {"reference": f"Patient/{people[patient]}"},
            "item": items,
        },
    )


async def test_a_response_that_was_begun_in_the_ehr_goes_on_here(world: World) -> None:
    page = await world.launch("amara", fhirContext=[{"reference": await begun(world, "amara")}])
    people = await world.people()
    assert chosen_first(page) == (f"Patient/{people['amara']}", CHILD)
    continues = re.search(r'name="continues" value="([^"]+)"', page.text)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert continues
    assert csrf
    answer = await world.browser.post(
        f"{page.url}/invitations",
        data={
            "csrf": csrf[1],
            "respondent": f"Patient/{people['amara']}",
            "instrument": CHILD,
            "language": "en",
            "pin": PIN,
            "continues": continues[1],
        },
    )
    secret = answer.headers["location"].partition("#")[2]
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert re.findall(r'value="([^"]+)" checked', form.text) == ["mostly"]
    assert (await world.fill(secret, ANSWERS)).status_code == 200


@pytest.mark.parametrize(("patient", "status"), [("oliver", "in-progress"), ("amara", "completed")])
async def test_a_response_of_somebody_else_or_finished_is_not_taken_up(
    world: World, patient: str, status: str
) -> None:
    page = await world.launch("amara", fhirContext=[{"reference": await begun(world, patient, status)}])
    assert page.status_code == 200
    assert 'name="continues"' not in page.text


async def test_answers_are_taken_over_only_from_a_response_that_the_launch_names(world: World) -> None:
    page = await world.launch("amara")
    people = await world.people()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    answer = await world.browser.post(
        f"{page.url}/invitations",
        data={
            "csrf": csrf[1],
            "respondent": f"Patient/{people['amara']}",
            "instrument": CHILD,
            "language": "en",
            "pin": PIN,
            "continues": await begun(world, "amara"),
        },
    )
    secret = answer.headers["location"].partition("#")[2]
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert " checked" not in form.text


async def test_of_a_launch_that_names_hundreds_of_things_some_are_read(world: World) -> None:
    named = [{"reference": f"QuestionnaireResponse/none-{number}"} for number in range(60)]
    with capture_logs() as logs:
        await world.launch("amara", fhirContext=[*named[:10], *named])
    read = [each for each in world.hosts.seen if "/QuestionnaireResponse/none-" in each.url.path]
    assert len(read) == 20
    assert [each["left_out"] for each in logs if "left_out" in each] == [40]


async def test_the_clinicians_pages_wear_the_ehrs_look(world: World) -> None:
    page = await world.launch("amara")
    look = re.search(r'href="(/look\.css[^"]+)"', page.text)
    assert look
    sheet = await world.browser.get(look[1].replace("&amp;", "&"))
    assert sheet.headers["content-type"].startswith("text/css")
    assert "--accent: #0b6e77;" in sheet.text
    # Else the frame would change its colours from page to page.
    for beyond in ("notes/new", "sessions"):
        assert look[0] in (await world.browser.get(f"{page.url}/{beyond}")).text, beyond


async def test_a_look_on_another_host_is_not_fetched_and_the_launch_goes_on(world: World) -> None:
    rapport = world.rapport.state.rapport
    site = rapport.settings.sites["sandbox"]
    for address in (
        "https://attacker.invalid/s.json",
        "https://169.254.169.254/latest",
        "http://ehr.invalid/s",
    ):
        before = len(world.hosts.seen)
        assert await rapport.styles.find(site, address, rapport.http) is None
        assert len(world.hosts.seen) == before


async def test_the_way_back_speaks_to_the_origin_of_the_ehr(world: World) -> None:
    people = await world.people()
    await world.browser.post(f"{EHR}/sign-in", data={"practitioner": people["practitioner"]})
    chart = await world.browser.get(f"{EHR}/chart/{people['amara']}/app/rapport")
    address = re.search(r'src="(https://rapport[^"]+)"', chart.text)
    handle = re.search(r'data-handle="([^"]+)"', chart.text)
    assert address
    assert handle
    page = await world.follow(await world.browser.get(address[1].replace("&amp;", "&")))
    assert f'data-handle="{handle[1]}" data-origin="{EHR}"' in page.text


async def test_without_web_messaging_there_is_no_button(world: World) -> None:
    assert "data-done" not in (await world.launch("amara")).text


@pytest.mark.parametrize("kind", ["Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Person"])
async def test_each_kind_of_user_is_let_in_or_told_why_not(world: World, kind: str) -> None:
    people = await world.people()
    practitioner = f"Practitioner/{people['practitioner']}"
    related = (await world.search("RelatedPerson", patient=people["amara"]))[0]["id"]
    user = {
        "Patient": f"Patient/{people['amara']}",
        "RelatedPerson": f"RelatedPerson/{related}",
        "Practitioner": practitioner,
        "PractitionerRole": keep_in_ehr(
            world, {"resourceType": "PractitionerRole", "practitioner": {"reference": practitioner}}
        ),
        "Person": keep_in_ehr(
            world, {"resourceType": "Person", "link": [{"target": {"reference": practitioner}}]}
        ),
    }[kind]
    page = await world.launch("amara", practitioner=user)
    if kind in {"Patient", "RelatedPerson"}:
        assert page.status_code == 403
        assert "for the people who treat" in page.text
        return
    assert page.status_code == 200
    assert f'value="{practitioner}" data-rater="therapist"' in page.text


def say_of_the_user(monkeypatch: pytest.MonkeyPatch, user: object, kind: str = "JWT") -> None:
    """Have the sandbox EHR sign what it never would."""
    monkeypatch.setattr(
        SmartIdToken,
        "generate_user_info",
        lambda *_: {"sub": "1"} | ({} if user is None else {"fhirUser": user}),
    )
    header = SmartIdToken.get_encode_header
    monkeypatch.setattr(SmartIdToken, "get_encode_header", lambda *given: {**header(*given), "typ": kind})


@pytest.mark.parametrize(
    "user",
    [
        f"{EHR}/r4/Patient/ab_c",
        f"{EHR}/r4/Patient/1001?x=1",
        f"{EHR}/r4/Patient/1/",
        "patient/1",
        ["Patient/1"],
        f"RelatedPerson/{'1' * 65}",
        "Device/1",
    ],
    ids=str,
)
async def test_a_user_who_is_named_in_no_known_way_is_not_let_in(
    world: World, user: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_of_the_user(monkeypatch, user)
    page = await world.launch("amara")
    assert page.status_code == 403
    assert "for the people who treat" in page.text
    assert (await entries(world, Kind.LAUNCH))[-1]["outcomeDesc"] == "not-staff"


async def test_where_the_ehr_names_nobody_the_chart_opens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_of_the_user(monkeypatch, None)
    assert (await world.launch("amara")).status_code == 200


@pytest.mark.parametrize(
    ("user", "kind", "reason"),
    [
        ("https://x.invalid/a\0/Practitioner/1", "JWT", "id-token-fhirUser"),
        ("Practitioner/1", "logout+jwt", "id-token-typ"),
    ],
    ids=["a NUL", "of a logout"],
)
async def test_a_statement_that_is_none_is_refused_and_stands_in_the_trail(
    world: World, user: str, kind: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_of_the_user(monkeypatch, user, kind)
    page = await world.launch("amara")
    assert page.status_code == 502
    assert "cannot be trusted" in page.text
    assert (await entries(world, Kind.LAUNCH))[-1]["outcomeDesc"] == reason


@pytest.mark.parametrize("link", ["Patient", "RelatedPerson"])
async def test_a_person_who_is_a_patient_or_a_parent_is_not_let_in(world: World, link: str) -> None:
    people = await world.people()
    related = (await world.search("RelatedPerson", patient=people["amara"]))[0]["id"]
    target = f"Patient/{people['amara']}" if link == "Patient" else f"RelatedPerson/{related}"
    person = keep_in_ehr(world, {"resourceType": "Person", "link": [{"target": {"reference": target}}]})
    page = await world.launch("amara", practitioner=person)
    assert page.status_code == 403
    assert "for the people who treat" in page.text


async def test_a_person_who_cannot_be_read_is_not_let_in(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        person = keep_in_ehr(world, {"resourceType": "Person"})
        page = await world.launch("amara", practitioner=person)
        assert page.status_code == 403
        assert "user/Person.r" in page.text


async def test_on_paper_stands_whose_scores_they_are_where_the_ehr_shows_the_banner(world: World) -> None:
    page = await world.launch("amara", need_patient_banner=False)
    assert "<h1>Working together</h1>" in page.text
    assert re.search(
        r'<p class="printed"><b>Amara Okafor</b>, born \d+ \w+ 20\d\d \(9 years\)</p>', page.text
    )
