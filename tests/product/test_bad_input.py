"""Bad input names the place and the remedy, and loses nothing that was answered."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from plugin.audit import Kind
from plugin.responses import take_answers
from questionnaires import load_catalogue
from sandbox_ehr.oauth.server import SmartAuthorizationServer
from smart_launch import Sites
from tests.product.forms import CHILD, question, response_of
from tests.product.world import EHR, RAPPORT, World, entries, rapport_settings, run_world

DOOR = "/sites/sandbox/fhir/QuestionnaireResponse"
INVALID_TOKEN = 'Bearer error="invalid_token"'


async def app_token(world: World, patient: str = "amara") -> str:
    """Get a token as another app of the EHR would: through its launch. Rapport's own serves here."""
    await world.launch(patient)
    ledger = world.rapport.state.rapport.ledger
    from plugin.access.launches import launches_with_token

    people = await world.people()
    held = await ledger.read(
        lambda c: launches_with_token(c, ledger.vault, "sandbox", f"Patient/{people[patient]}", None)
    )
    return str(held[0].context.tokens.access_token)


async def post(world: World, body: bytes | dict[str, Any], *, token: str | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "Authorization": f"Bearer {token or await app_token(world)}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    return await world.browser.post(DOOR, content=content, headers=headers)


async def test_a_number_finer_than_its_form_allows_is_refused_and_what_was_kept_before_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await world.people()
    form = load_catalogue().by_id("srs")
    body = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": form.canonical,
        "status": "completed",
        "subject": {"reference": f"Patient/{people['amara']}"},
        "authored": "2026-03-02T09:00:00Z",
        "item": [{"linkId": "line-1", "answer": [{"valueDecimal": 8.55}]}],
    }
    token = await app_token(world)
    refused = await post(world, body, token=token)
    assert refused.status_code == 422
    assert "line-1" in problems(refused)
    with monkeypatch.context() as before:  # as Rapport took it before it looked
        before.setattr("plugin.flow.check_places", lambda *_: None)
        assert (await post(world, body, token=token)).status_code == 201
    assert (await post(world, body, token=token)).status_code == 200
    _, answers = take_answers(json.dumps(body).encode(), form, patient=None)  # as all that is kept is read
    assert answers.given["line-1"][0].code == "8.55"


def problems(answer: httpx.Response) -> str:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome", answer.text
    assert all(issue["severity"] in {"error", "fatal", "warning"} for issue in outcome["issue"])
    return json.dumps(outcome)


async def test_a_response_of_another_app_is_taken_and_given_back_byte_for_byte(world: World) -> None:
    people = await world.people()
    token = await app_token(world)
    body = json.dumps(response_of(people["amara"]), indent=3).encode()
    answer = await post(world, body, token=token)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {token}"}
    again = await post(world, body, token=token)
    assert again.status_code == 200
    assert again.headers["location"] == answer.headers["location"]
    given = await world.browser.get(answer.headers["location"], headers=headers)
    assert given.content == body
    found = await world.delivered(
        identifier="https://w3id.org/rapport-fhir/identifier|"
        + answer.headers["location"].rsplit("/", 1)[1]
        + "/score-total"
    )
    assert found[0]["valueQuantity"]["value"] == 14


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"questionnaire": "https://example.invalid/Questionnaire/other|1.0.0"}, 422, "example.invalid"),
        ({"questionnaire": f"{CHILD}|9.9.9"}, 422, "1.0.0"),
        ({"questionnaire": CHILD}, 422, "1.0.0"),
        ({"subject": {"reference": "Patient/somebody-else"}}, 422, "subject"),
        ({"item": [question("goal-1", "super")]}, 422, "goal-1"),
        ({"item": [question("goal-1", "mostly", "a-little")]}, 422, "goal-1"),
        ({"item": [question("goal-9", "mostly")]}, 422, "goal-9"),
        ({"item": [{"linkId": "goal-1", "answer": [{"valueInteger": 3}]}]}, 422, "goal-1"),
        ({"status": "done"}, 400, "status"),
        ({"status": 7}, 400, "status"),
        ({"authored": "2026-02-30T10:00:00Z"}, 400, "authored"),
        ({"item": []}, 400, "item"),
        ({"resourceType": "Observation"}, 400, "QuestionnaireResponse"),
    ],
)
async def test_a_wrong_response_is_refused_and_the_place_is_named(
    world: World, changes: dict[str, Any], status: int, named: str
) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], **changes))
    assert answer.status_code == status, answer.text
    assert named in problems(answer)


async def test_every_problem_is_told_at_once(world: World) -> None:
    people = await world.people()
    items = [
        question("goal-1", "super"),
        question("task-1", "mostly", "a-little"),
        question("bond-9", "mostly"),
    ]
    answer = await post(world, response_of(people["amara"], item=items))
    for place in ("goal-1", "task-1", "bond-9"):
        assert place in problems(answer)


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"[]", b'"x"', b"\xff\xfe", b'{"resourceType":"QuestionnaireResponse"', b"[" * 100_000],
)
async def test_broken_json_is_refused_in_words(world: World, body: bytes) -> None:
    answer = await post(world, body)
    assert answer.status_code == 400, answer.text
    problems(answer)


@pytest.mark.parametrize("number", ["1e999999999", "1e-9999999999999999999999"])
async def test_a_number_beyond_all_computing_is_refused_in_words(world: World, number: str) -> None:
    people = await world.people()
    items = [{"linkId": "goal-1", "answer": [{"valueDecimal": "@"}]}]
    body = json.dumps(response_of(people["amara"], item=items)).replace('"@"', number)
    answer = await post(world, body.encode())
    assert answer.status_code == 400, answer.text
    assert "goal-1" in problems(answer)
    assert "larger than any that is kept" in problems(answer)


async def test_ten_megabytes_are_refused_without_being_read(world: World) -> None:
    answer = await post(world, b'{"x":"' + b"a" * 10_000_000 + b'"}')
    assert answer.status_code == 413
    assert "1000000" in problems(answer)


async def test_ten_megabytes_in_pieces_are_refused_too(world: World) -> None:
    async def pieces() -> Any:
        for _ in range(1000):
            yield b"a" * 10_000

    token = await app_token(world)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    answer = await world.browser.post(DOOR, content=pieces(), headers=headers)
    assert answer.status_code == 413
    problems(answer)


async def test_another_media_type_is_refused(world: World) -> None:
    token = await app_token(world)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+xml"}
    answer = await world.browser.post(DOOR, content=b"<x/>", headers=headers)
    assert answer.status_code == 415
    assert "application/fhir+json" in problems(answer)


async def test_a_token_that_the_ehr_does_not_know_is_refused(world: World) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"]), token="made-up")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == INVALID_TOKEN
    assert "made-up" not in problems(answer)


@pytest.mark.parametrize("door", [DOOR, "/fhir/QuestionnaireResponse/$score"])
async def test_a_token_longer_than_any_is_refused_without_asking_the_ehr(world: World, door: str) -> None:
    world.hosts.seen.clear()
    headers = {"Authorization": f"Bearer {'x' * 60_000}", "Content-Type": "application/fhir+json"}
    answer = await world.browser.post(door, content=b"{}", headers=headers)
    assert (answer.status_code, "8192" in answer.text) == (401, True)
    assert [each for each in world.hosts.seen if each.url.host == "ehr.invalid"] == []


async def test_of_many_wrong_tokens_from_one_address_the_ehr_is_asked_about_some(world: World) -> None:
    good = await app_token(world)
    headers = {"Authorization": f"Bearer {good}"}
    door = "/sites/sandbox/fhir/Observation"
    assert (await world.browser.get(door, headers=headers)).status_code == 200
    world.hosts.seen.clear()
    statuses = [
        (await world.browser.get(door, headers={"Authorization": f"Bearer wrong-{number}"})).status_code
        for number in range(70)
    ]
    assert statuses == [401] * 60 + [429] * 10
    assert len([each for each in world.hosts.seen if each.url.path.endswith("introspect")]) == 60
    assert (await world.browser.get(door, headers=headers)).status_code == 200, "a token known to be good"
    world.clock.pass_time(minutes=11)
    assert (await world.browser.get(door, headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_no_token_is_refused(world: World) -> None:
    answer = await world.browser.post(DOOR, content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    problems(answer)


async def test_a_draft_is_refused_and_leaves_its_identifier_to_the_finished_form(world: World) -> None:
    people = await world.people()
    token = await app_token(world)
    identifier = {"system": "https://other.invalid/ids", "value": "17"}
    form = response_of(people["amara"], identifier=identifier)
    draft = await post(world, {**form, "status": "in-progress"}, token=token)
    assert draft.status_code == 422
    assert "QuestionnaireResponse.status" in problems(draft)
    assert "when it is completed" in problems(draft)
    assert (await post(world, form, token=token)).status_code == 201


async def test_the_same_identifier_with_other_content_is_a_conflict(world: World) -> None:
    people = await world.people()
    token = await app_token(world)
    identifier = {"system": "https://other.invalid/ids", "value": "17"}
    first = await post(world, response_of(people["amara"], identifier=identifier), token=token)
    other = response_of(people["amara"], identifier=identifier, authored="2026-03-02T10:00:00+00:00")
    second = await post(world, other, token=token)
    assert (first.status_code, second.status_code) == (201, 409)
    assert "17" in problems(second)


@pytest.mark.parametrize("name", ["iss", "launch", "cookies"])
async def test_a_launch_with_a_doubled_parameter_is_refused(world: World, name: str) -> None:
    address = f"{await world.new_launch()}&cookies=asked"
    answer = await world.browser.get(f"{address}&{name}=x")
    assert (answer.status_code, "more than once" in answer.text) == (403, True)
    answer = await world.browser.get(f"/launch?{name}=x&{address.partition('?')[2]}")
    assert (answer.status_code, "more than once" in answer.text) == (403, True)


@pytest.mark.parametrize("name", ["code", "state", "iss"])
async def test_a_callback_with_a_doubled_parameter_is_refused_and_spends_nothing(
    world: World, name: str
) -> None:
    to_ehr = await world.depart()
    back = await world.browser.get(to_ehr.headers["location"])
    address = back.headers["location"]
    answer = await world.browser.get(f"{address}&{name}=x&{name}=y")
    assert (answer.status_code, "more than once" in answer.text) == (403, True)
    assert (await world.browser.get(address)).status_code == 303


async def test_an_issuer_that_is_not_configured_is_never_contacted(world: World) -> None:
    answer = await world.browser.get("/launch", params={"iss": "https://evil.invalid/r4", "launch": "x"})
    assert answer.status_code == 403
    assert "not set up" in answer.text
    assert not [each for each in world.hosts.seen if each.url.host == "evil.invalid"]


async def test_a_launch_that_names_no_ehr_says_so(world: World) -> None:
    answer = await world.browser.get("/launch")
    assert answer.status_code == 403
    assert "no EHR is named" in answer.text


async def test_an_expired_launch_says_what_to_do(world: World) -> None:
    out = await world.depart()
    world.clock.pass_time(minutes=11)
    back = await world.follow(out)
    assert back.status_code == 400
    assert "Open Rapport again" in back.text


async def test_a_callback_in_another_browser_is_refused(world: World) -> None:
    out = await world.depart()
    async with world.new_browser() as other:
        back = await world.follow(await other.get(out.headers["location"]), other)
    assert back.status_code == 400
    assert "another browser" in back.text


async def test_a_callback_works_once(world: World) -> None:
    out = await world.depart()
    callback = (await world.browser.get(out.headers["location"])).headers["location"]
    assert (await world.browser.get(callback)).status_code == 303
    asked = len(world.hosts.seen)
    assert (await world.browser.get(callback)).status_code == 400
    assert not [each for each in world.hosts.seen[asked:] if each.url.host == "ehr.invalid"]  # no code twice


async def test_a_launch_is_over_after_its_hours(world: World) -> None:
    page = await world.launch()
    world.clock.pass_time(minutes=61)
    answer = await world.browser.get(str(page.url))
    assert answer.status_code == 401
    assert "Open Rapport again" in answer.text


async def test_another_browser_cannot_open_a_launch(world: World) -> None:
    page = await world.launch()
    async with world.new_browser() as other:
        answer = await other.get(str(page.url))
    assert answer.status_code == 401
    assert "Amara" not in answer.text


async def test_a_form_from_another_site_is_refused(world: World) -> None:
    page = await world.launch()
    answer = await world.browser.post(
        f"{page.url}/invitations", data={}, headers={"Origin": "https://evil.invalid"}
    )
    assert answer.status_code == 403
    assert f"Open Rapport at its own address: {RAPPORT}" in answer.text


async def test_a_refusal_is_logged_with_its_reason(world: World) -> None:
    page = await world.launch()
    with capture_logs() as events:
        await world.browser.post(
            f"{page.url}/invitations", data={}, headers={"Origin": "https://evil.invalid"}
        )
    (refused,) = [each for each in events if each["event"] == "refused"]
    assert (refused["status"], refused["reason"]) == (403, "forbidden")
    assert refused["path"] == "/launches/{launch}/invitations"


async def test_an_invitation_that_was_never_made_opens_nothing(world: World) -> None:
    answer = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": "guess"})
    assert answer.status_code == 410
    problems(answer)


async def test_an_expired_invitation_opens_nothing(world: World) -> None:
    people = await world.people()
    page = await world.launch()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    world.clock.pass_time(hours=25)
    answer = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert answer.status_code == 410
    assert "Ask for a new one" in problems(answer)


async def test_a_wrong_answer_is_named_and_the_draft_stays(world: World) -> None:
    people = await world.people()
    page = await world.launch()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    await world.browser.get("/fill/form", headers=headers)
    await world.browser.put("/fill/answers", headers=headers, json={"answers": {"goal-1": "mostly"}})
    answer = await world.browser.post("/fill/submit", headers=headers, json={"answers": {"goal-1": "super"}})
    assert answer.status_code == 422
    assert "goal-1" in problems(answer)
    form = await world.browser.get("/fill/form", headers=headers)
    assert "checked" in form.text


@pytest.mark.parametrize(
    ("respondent", "instrument", "language", "named"),
    [
        ("Patient/nobody", "rapport-checkin-child", "en", "record"),
        (None, "rapport-checkin-caregiver", "en", "caregiver"),
        (None, "rapport-checkin-child", "xx", "en"),
        (None, "tasc-r-child", "en", "wording"),
        (None, "no-such-form", "en", "No form is chosen"),
    ],
)
async def test_a_form_that_does_not_fit_is_not_started(
    world: World, respondent: str | None, instrument: str, language: str, named: str
) -> None:
    people = await world.people()
    page = await world.launch()
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    data = {
        "csrf": csrf,
        "respondent": respondent or f"Patient/{people['amara']}",
        "instrument": instrument,
        "language": language,
        "pin": "4711",
    }
    answer = await world.browser.post(f"{page.url}/invitations", data=data)
    assert answer.status_code == 422, answer.text
    assert named in answer.text


async def test_no_page_error_or_log_holds_a_token(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    people = await world.people()
    token = await app_token(world)
    answer = await post(world, response_of(people["amara"], status=7), token=token)
    printed = capsys.readouterr()
    assert token not in answer.text + printed.out + printed.err


def test_hosts_of_the_tests_are_not_real() -> None:
    assert EHR.endswith(".invalid")
    assert RAPPORT.endswith(".invalid")


@pytest.mark.parametrize("authored", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_year_outside_the_calendar_is_refused(world: World, authored: str) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], authored=authored))
    assert answer.status_code == 400
    assert "year" in problems(answer)


async def test_half_a_character_is_named(world: World) -> None:
    people = await world.people()
    body = json.dumps(response_of(people["amara"], identifier={"value": "\ud83d"})).encode()
    answer = await post(world, body)
    assert answer.status_code == 400
    assert "Unicode" in problems(answer)


@pytest.mark.parametrize("door", [DOOR, "/fhir/QuestionnaireResponse/$score"])
async def test_a_token_that_is_no_text_is_refused(world: World, door: str) -> None:
    headers = [(b"Authorization", b"Bearer \xe9"), (b"Accept", b"application/fhir+json")]
    answer = await world.browser.post(
        door, content=b"{}", headers=[*headers, (b"Content-Type", b"application/json")]
    )
    assert answer.status_code == 401


async def test_a_launch_while_the_device_is_handed_over_asks_for_the_pin(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{people['amara']}")
    answer = await world.browser.get(
        f"{page.url}/return", headers={"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
    )
    assert answer.status_code == 200
    assert 'name="pin"' in answer.text


@pytest.mark.parametrize(
    "questionnaire", [f"{CHILD}|9.9.9", CHILD, "https://example.invalid/Questionnaire/other|1.0.0"]
)
async def test_a_questionnaire_that_is_not_here_is_named_with_its_element(
    world: World, questionnaire: str
) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], questionnaire=questionnaire))
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == ["QuestionnaireResponse.questionnaire"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"identifier": {"system": "https://a.invalid", "value": "a\x00b"}}, "identifier.value"),
        ({"identifier": {"system": "https://a.invalid", "value": "a\fb"}}, "identifier.value"),
        ({"extension": [{"url": "https://a.invalid/x", "valueString": "\x1b[31m"}]}, "extension[0].value"),
    ],
)
async def test_a_control_character_is_named_with_its_place(
    world: World, changes: dict[str, Any], place: str
) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], **changes))
    assert answer.status_code == 400
    assert place in problems(answer)
    assert "control character" in problems(answer)


async def test_line_ends_tabs_and_backslashes_are_text(world: World) -> None:
    people = await world.people()
    identifier = {"system": "https://a.invalid", "value": "a\tb\r\nc \\u0000 \\\\b"}
    answer = await post(world, response_of(people["amara"], identifier=identifier))
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", DOOR, "POST"),
        ("GET", "/fill/submit", "POST"),
        ("PUT", "/fhir/QuestionnaireResponse/$score", "POST"),
    ],
)
async def test_a_method_that_an_address_does_not_take_is_told_with_those_it_does(
    world: World, method: str, path: str, allowed: str
) -> None:
    answer = await world.browser.request(method, path)
    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]
    assert allowed in problems(answer)


async def test_a_page_that_takes_no_such_method_says_so_in_words(world: World) -> None:
    answer = await world.browser.post("/launch", headers={"Accept": "text/html"})
    assert answer.status_code == 405
    assert "This address does not do that." in answer.text


async def test_a_leap_second_is_delivered_as_the_second_before_it(world: World) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], authored="2016-12-31T23:59:60Z"))
    assert answer.status_code == 201, answer.text
    response = answer.headers["location"].rsplit("/", 1)[1]
    (total,) = await world.delivered(
        identifier=f"https://w3id.org/rapport-fhir/identifier|{response}/score-total"
    )
    assert total["effectiveDateTime"] == "2016-12-31T23:59:59+00:00"


@pytest.mark.parametrize("authored", ["9999-12-31T12:00:00Z", "0001-06-01T12:00:00Z", "2201-01-01T00:00:00Z"])
async def test_a_year_in_which_nobody_answers_is_refused(world: World, authored: str) -> None:
    people = await world.people()
    answer = await post(world, response_of(people["amara"], authored=authored))
    assert answer.status_code == 400
    assert "QuestionnaireResponse.authored" in problems(answer)
    assert "between 1800 and 2200" in problems(answer)


@pytest.mark.parametrize("body", [b'{"answers": {"goal-1": "\xff"}}', b'{"answers": ' + b"[" * 100_000])
async def test_answers_that_are_no_text_are_refused(world: World, body: bytes) -> None:
    page = await world.launch()
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    headers = {"X-Rapport-Invitation": secret}
    answer = await world.browser.put("/fill/answers", headers=headers, content=body)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    "path", ["/", "/fill", "/none", "/static/none.css", "/fhir/metadata", "/launch", "/health"]
)
async def test_every_answer_keeps_to_itself(world: World, path: str) -> None:
    headers = (await world.browser.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert headers["referrer-policy"] in {"same-origin", "no-referrer"}
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "object-src 'none'", "base-uri 'none'"} <= set(policy)


@pytest.mark.parametrize(
    ("below", "said"), [(True, "max-age=31536000; includeSubDomains"), (False, "max-age=31536000")]
)
async def test_browsers_are_told_to_speak_https_only_below_the_host_too(
    tmp_path: Path, below: bool, said: str
) -> None:
    async with run_world(tmp_path, stored={"hsts_subdomains": below}) as world:
        assert (await world.browser.get("/")).headers["strict-transport-security"] == said


async def test_tracing_is_not_answered(world: World) -> None:
    assert (await world.browser.request("TRACE", "/")).status_code == 405


@asynccontextmanager
async def two_sites(folder: Path) -> AsyncIterator[World]:
    """A world in which another FHIR server has the sandbox's authorization server, and is a site here, too."""
    settings = rapport_settings(folder)
    other = replace(
        settings.sites["sandbox"],
        id="other",
        name="Other",
        fhir_base="https://other.invalid/r4",
        extra_hosts=("ehr.invalid",),
    )
    stored = {
        "sites": Sites([*settings.sites.values(), other]),
        "policies": {**settings.policies, "other": settings.policies["sandbox"]},
    }
    async with run_world(folder, stored=stored) as world:
        document = (await world.browser.get(f"{EHR}/r4/.well-known/smart-configuration")).json()
        server = FastAPI()
        server.get("/r4/.well-known/smart-configuration")(lambda: document)
        world.hosts.add("https://other.invalid", server)
        yield world


async def test_a_token_for_another_sites_fhir_server_is_refused(tmp_path: Path) -> None:
    async with two_sites(tmp_path) as world:
        people = await world.people()
        headers = {
            "Authorization": f"Bearer {await app_token(world)}",
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json",
        }
        body = json.dumps(response_of(people["amara"]))
        assert (await world.browser.post(DOOR, content=body, headers=headers)).status_code == 201
        there = DOOR.replace("sandbox", "other")
        answers = [
            await world.browser.post(there, content=body, headers=headers),
            await world.browser.get(there, headers=headers),
            await world.browser.post(
                "/fhir/QuestionnaireResponse/$score?site=other", content=body, headers=headers
            ),
        ]
        for answer in answers:
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, INVALID_TOKEN)
            assert "another FHIR server" in problems(answer)
        told = await entries(world, Kind.ACCESS_REFUSED)
        assert [each["outcomeDesc"] for each in told] == [
            "The access token is for another FHIR server than this site's."
        ] * len(answers)


async def test_a_token_whose_user_is_named_in_no_known_way_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await world.people()
    token = await app_token(world)
    describe = SmartAuthorizationServer.describe
    monkeypatch.setattr(
        SmartAuthorizationServer,
        "describe",
        lambda *given: {**describe(*given), "fhirUser": f"{EHR}/r4/Patient/ab_c"},
    )
    assert (await post(world, response_of(people["amara"]), token=token)).status_code == 403
