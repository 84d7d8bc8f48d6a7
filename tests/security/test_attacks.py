"""Attacks of the threat model that have no test elsewhere, tried through the front door."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from plugin.routes.guard import LARGEST_BODY
from tests.product.forms import ANSWERS
from tests.product.test_bad_input import DOOR, app_token
from tests.product.world import EHR, RAPPORT, World

SCRIPT = "<script>alert(1)</script>"
MARKUP = f'"><img src=x onerror=alert(1)>{SCRIPT}'


def rewrite(world: World, kind: str, resource_id: str, **elements: Any) -> None:
    """Let the EHR's record say something else of somebody."""
    stored = world.ehr.state.store.read(kind, resource_id)
    world.ehr.state.store.update({**stored.read(), **elements}, stored)


def name(text: str) -> list[dict[str, object]]:
    return [{"use": "official", "text": text, "family": text, "given": ["Amara"]}]


async def test_names_of_the_record_stay_text_on_every_page(world: World) -> None:
    people = await world.people()
    rewrite(world, "Patient", people["amara"], name=name(MARKUP))
    rewrite(world, "RelatedPerson", f"{people['amara']}-1", name=name(MARKUP))
    rewrite(world, "Practitioner", people["practitioner"], name=name(MARKUP))
    page = await world.launch("amara")
    assert "onerror=alert(1)&gt;" in page.text  # it is shown
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    lock = await world.browser.get(str(page.url))
    for each in (page, form, lock):
        assert SCRIPT not in each.text
        assert "<img src=x" not in each.text


@pytest.mark.parametrize(
    "query",
    [
        {"iss": "https://evil.invalid/r4", "launch": "x"},
        {"iss": f"{EHR}/r4@evil.invalid", "launch": "x"},
        {"iss": f"{EHR}.evil.invalid/r4", "launch": "x"},
        {"iss": f"{EHR}/r4/../../evil", "launch": "x"},
        {"iss": f"{EHR}/r4#evil", "launch": "x"},
        {"iss": "file:///etc/passwd", "launch": "x"},
        {"iss": "http://169.254.169.254/latest", "launch": "x"},
    ],
    ids=lambda query: query["iss"],
)
async def test_a_launch_from_anywhere_else_contacts_nobody(world: World, query: dict[str, str]) -> None:
    before = len(world.hosts.seen)
    answer = await world.browser.get("/launch", params=query)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    asked = {request.url.host for request in world.hosts.seen[before:]}
    assert asked <= {httpx.URL(RAPPORT).host}


@pytest.mark.parametrize("parameter", ["next", "redirect", "redirect_uri", "return", "url", "RelayState"])
@pytest.mark.parametrize(
    "path", ["/launch", "/callback", "/standalone/sandbox", "/staff/sandbox", "/code", "/"]
)
async def test_no_parameter_leads_a_browser_elsewhere(world: World, path: str, parameter: str) -> None:
    answer = await world.browser.get(path, params={parameter: "https://evil.invalid/"})
    for _ in range(3):  # Rapport asks whether the browser keeps cookies, at its own address
        location = httpx.URL(answer.headers.get("location", ""))
        assert location.host in {"", httpx.URL(EHR).host, httpx.URL(RAPPORT).host}
        if answer.status_code != 303 or location.host:
            break
        answer = await world.browser.get(str(location))
    if location.host:
        assert location.params["redirect_uri"] == f"{RAPPORT}/callback"


async def test_a_foreign_host_header_changes_no_address(world: World) -> None:
    asked = await world.browser.get("/standalone/sandbox", headers={"Host": "evil.invalid"})
    answer = await world.browser.get(asked.headers["location"], headers={"Host": "evil.invalid"})
    assert answer.status_code == 303
    assert "evil.invalid" not in asked.headers["location"] + answer.headers["location"]
    home = await world.browser.get("/", headers={"Host": "evil.invalid", "X-Forwarded-Host": "evil.invalid"})
    assert "evil.invalid" not in home.text


@pytest.mark.parametrize("path", ["/code/", "/fill/", "/staff/sandbox/", "/sites/sandbox/fhir/Observation/"])
async def test_a_path_with_a_slash_too_many_leads_to_no_foreign_host(world: World, path: str) -> None:
    answer = await world.browser.get(path, headers={"Host": "evil.invalid"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


async def test_line_breaks_in_a_request_make_no_header_and_no_log_line(world: World) -> None:
    with capture_logs() as events:
        for path in (
            "/%0d%0aSet-Cookie:%20x=1",
            "/static/%0d%0aX-Evil:%201",
            "/launch?iss=%0d%0aX-Evil:1&launch=x",
        ):
            answer = await world.browser.get(path, headers={"X-Request-Id": "x%0aforged=1"})
            assert "x-evil" not in answer.headers
            assert "x=1" not in answer.headers.get("set-cookie", "")
    assert events
    assert not any("\n" in str(value) for event in events for value in event.values())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 400_000,
        b'{"resourceType":"QuestionnaireResponse","x":1e999999999}',
        b'{"resourceType":"QuestionnaireResponse","status":' + b"9" * 100_000 + b"}",
        b'{"resourceType":"QuestionnaireResponse",' + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}",
        b'{"resourceType":"QuestionnaireResponse","item":[' + b",".join([b'{"linkId":"a"}'] * 50_000) + b"]}",
        b"\xff\xfe\x00\x00" * 1000,
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "a">]><l>&a;</l>',
        b"\x1f\x8b" + b"\x00" * 1000,
    ],
    ids=["nested objects", "nested arrays", "huge number", "long integer", "many keys", "many items", "no text", "XML", "gzip"],
)  # fmt: skip
async def test_a_body_made_to_exhaust_is_refused_in_words(world: World, body: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {await app_token(world)}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    answer = await world.browser.post(DOOR, content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_compressed_body_is_not_unpacked(world: World) -> None:
    headers = {
        "Authorization": f"Bearer {await app_token(world)}",
        "Content-Type": "application/fhir+json",
        "Content-Encoding": "gzip",
    }
    import gzip

    packed = gzip.compress(b" " * 50_000_000)
    assert len(packed) < LARGEST_BODY
    answer = await world.browser.post(DOOR, content=packed, headers=headers)
    assert 400 <= answer.status_code < 500


async def test_a_body_that_grows_while_it_is_read_is_cut_off(world: World) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b" " * 65_536

    headers = {"Authorization": f"Bearer {await app_token(world)}", "Content-Type": "application/fhir+json"}
    answer = await world.browser.post(DOOR, content=endless(), headers=headers)
    assert answer.status_code == 413


async def test_every_page_says_who_may_frame_it_and_loads_only_its_own(world: World) -> None:
    page = await world.launch("amara")
    policy = page.headers["content-security-policy"]
    assert f"frame-ancestors 'self' {EHR}" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>[^<]", page.text)
    assert not re.search(r'\son\w+="|style="', page.text)


async def test_the_page_where_a_code_is_typed_is_framed_by_nobody(world: World) -> None:
    for answer in (await world.browser.get("/code"), await world.browser.post("/code", data={"code": "1"})):
        assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")


async def test_a_session_handle_planted_before_sign_in_is_worth_nothing(world: World) -> None:
    planted = "p" * 43
    world.browser.cookies.set("__Host-rapport", planted, domain="rapport.invalid")
    page = await world.launch("amara")
    assert page.status_code == 200
    attacker = world.new_browser()
    attacker.cookies.set("__Host-rapport", planted, domain="rapport.invalid")
    assert (await attacker.get(str(page.url))).status_code == 401


async def test_answers_cannot_carry_markup_into_the_clinicians_page(world: World) -> None:
    page = await world.launch("amara")
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    answer = await world.fill(secret, {**ANSWERS, "goal-1": MARKUP, SCRIPT: MARKUP})
    assert answer.status_code in {400, 422}
    assert SCRIPT not in answer.text.replace(json.dumps(SCRIPT)[1:-1], "")


def test_the_proxy_of_the_containers_bounds_slow_clients() -> None:
    caddy = (Path(__file__).parents[2] / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    for bound in ("read_header", "read_body", "idle"):
        assert bound in caddy, f"deploy/Caddyfile sets no time for {bound}"
