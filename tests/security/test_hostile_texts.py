"""Every text that comes from elsewhere is markup: record, forms, wording, plan, refusals, notes, names of the site."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from smart_launch import Sites
from tests.product.test_licensed import write_pack
from tests.product.test_personalities import newest, settled
from tests.product.world import World, rapport_settings, run_world
from tests.questionnaires import forms
from tests.security.test_attacks import rewrite
from tests.security.walking import BOOK, PATIENT, SCOPES, STAFF, Scene, ask, newest_review, open_scene, routes

Json = dict[str, Any]
FORM, LICENSED = "hostile", "wai-s-client"
HELP = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl",
    "valueCodeableConcept": {
        "coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "help"}]
    },
}


def hostile(place: str) -> str:
    """Write a text that leaves an attribute, an element and a template if it is let; `place` says where it came from."""
    return (
        f"\"'><img src=x onerror=alert(1)><script>alert(1)</script><svg onload=alert(1)>{{{{7*7}}}}{place}!"
    )


class Elements(HTMLParser):
    """What a browser would make of the hostile text, were it markup; and the places of what is shown as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.made: list[str] = []
        self.shown: set[str] = set()
        self.text = page
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        made = (
            tag == "script"
            and not named.get("src")
            and named.get("type") not in {"application/json", "text/plain"}
        )
        if made or named.get("src") == "x" or any(name.startswith("on") for name in named):
            self.made.append(self.get_starttag_text() or tag)
        for value in named.values():
            self._look(value or "")

    def handle_data(self, data: str) -> None:
        self._look(data)

    def _look(self, text: str) -> None:
        self.shown |= set(re.findall(r"\{\{7\*7\}\}([\w-]+)!", text))


def write_form(folder: Path) -> Path:
    """Write a form of one's own, hostile in each of its texts."""

    def option(number: int) -> Json:
        made = forms.option(f"s{number}", number)
        made["valueCoding"]["display"] = hostile("option")
        return made

    tip = {"linkId": "a-help", "text": hostile("help"), "type": "display", "extension": [HELP]}
    asked = forms.question("a", text=hostile("question"), prefix=hostile("prefix"), item=[tip])
    asked["answerOption"] = [option(number) for number in range(4)]
    total = forms.score("total", "%resource.item.where(linkId = 'a').answer.value.weight().sum()")
    total |= {"text": hostile("score-text")}
    total["code"][0]["display"] = hostile("score")
    words: Json = {
        each: hostile(each) for each in ("title", "description", "publisher", "copyright", "purpose")
    }
    folder.mkdir()
    (folder / f"{FORM}.json").write_text(json.dumps(forms.form(asked, total, **words)), encoding="utf-8")
    return folder


def write_wording(folder: Path) -> Path:
    place = write_pack(folder)
    file = place / LICENSED / "en.json"
    pack = json.loads(file.read_text(encoding="utf-8"))
    for name in ("licence", "holder", "title"):
        pack[name] = hostile(f"pack-{name}")
    for name in ("items", "options"):
        pack[name] = {each: hostile(f"pack-{name}") + each for each in pack[name]}
    file.write_text(json.dumps(pack), encoding="utf-8")
    return place


def named(place: str, given: str = "x") -> list[Json]:
    return [{"use": "official", "text": hostile(place), "family": hostile(place), "given": [given]}]


async def write_record(world: World) -> None:
    """Let the EHR's record be hostile: names, medicines, the plan."""
    people = await world.people()
    patient = people[PATIENT]
    rewrite(world, "Patient", patient, name=named("patient", "Jayden"))
    for relative in await world.search("RelatedPerson", patient=patient):
        rewrite(world, "RelatedPerson", relative["id"], name=named("relative"))
    for practitioner in await world.search("Practitioner"):
        rewrite(world, "Practitioner", practitioner["id"], name=named("practitioner"))
    store = world.ehr.state.store
    store.create(
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"Patient/{patient}"},
            "authoredOn": "2025-09-01",
            "medicationCodeableConcept": {"text": hostile("medicine")},
        }
    )
    actions = [{"title": hostile("action"), "definitionCanonical": hostile("plan-form")}]
    rewrite(world, "PlanDefinition", "alliance", title=hostile("plan"), action=actions)


class Refusing(httpx.AsyncBaseTransport):
    """An EHR that refuses each write, with markup for a reason."""

    def __init__(self, ehr: httpx.AsyncBaseTransport) -> None:
        self.ehr = ehr

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or not request.url.path.startswith("/r4"):
            return await self.ehr.handle_async_request(request)
        details = {
            "text": hostile("details"),
            "coding": [{"code": hostile("code"), "display": hostile("display")}],
        }
        issue = {"severity": "error", "code": "processing", "diagnostics": hostile("diagnostics")}
        outcome = {"resourceType": "OperationOutcome", "issue": [issue | {"details": details}]}
        return httpx.Response(422, json=outcome, request=request)


async def gather(world: World, scene: Scene) -> dict[str, Elements]:
    """Get every page that somebody is let see about Jayden, and the forms."""
    found: dict[str, Elements] = {}
    ledger = world.rapport.state.rapport.ledger

    def keep(name: str, text: str) -> None:
        found[name] = Elements(text)

    for form, answers in ((FORM, {"a": "s1"}), (LICENSED, {f"item-{n}": "5" for n in range(1, 13)})):
        world.clock.pass_time(minutes=1)  # the newest response is this one
        world.browser = world.new_browser()
        page = await world.launch(PATIENT)
        secret = await world.hand_over(page, scene.patient, form)
        shown = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        keep(f"form {form}", shown.text)
        keep(f"lock {form}", (await world.follow(await world.browser.get(str(page.url)))).text)
        sent = await world.fill(secret, answers)
        assert sent.status_code == 200, sent.text
        response = str(await ledger.read(lambda connection: connection.execute(newest()).scalar_one()))
        await settled(world, response)
        if form == FORM:
            scene.response = response
    for method, template in routes():
        if "{review}" in template:
            scene.review = await newest_review(world)
        if method == "GET" or template in {
            "/desks/{desk}/audit",
            "/desks/{desk}/reviews",
            "/launches/{launch}/notes",
        }:
            for who in _askers(template):
                status, text = await ask(scene, who, method, template)
                assert status < 500, f"{method} {template} as {who}: {text[:300]}"
                if "<html" in text:
                    keep(f"{method} {template} as {who}", text)
    return found


def _askers(template: str) -> tuple[str, ...]:
    if template.startswith("/launches/"):
        return ("clinician",)
    return tuple(str(role) for role in STAFF) if template.startswith("/desks/") else ("nobody",)


@pytest.fixture
async def pages(tmp_path: Path) -> Mapping[str, Elements]:
    settings = rapport_settings(tmp_path)
    site = replace(
        settings.sites["sandbox"], name=hostile("site"), backend_scopes=(*SCOPES, "system/PlanDefinition.rs")
    )
    stored = {"sites": Sites([site])}
    async with run_world(
        tmp_path,
        instrument_folders=(write_form(tmp_path / "own"),),
        wording=write_wording(tmp_path),
        stored=stored,
        roles=BOOK,
        show_item_answers=True,
        show_medication=True,
        auditors_see_answers=True,
        organization=hostile("organization"),
    ) as world:
        await write_record(world)
        world.hosts.apps["ehr.invalid"] = Refusing(world.hosts.apps["ehr.invalid"])  # type: ignore[assignment] # any transport will do
        return await gather(world, await open_scene(world))


SHOWN = {
    *("patient", "relative", "practitioner", "medicine", "site", "organization"),
    *("title", "question", "option", "help", "copyright", "score"),
    *("pack-title", "pack-items", "pack-options", "pack-holder"),
}


async def test_whatever_text_is_markup_stays_text_on_every_page(pages: Mapping[str, Elements]) -> None:
    assert {name: page.made for name, page in pages.items() if page.made} == {}
    shown = {each for page in pages.values() for each in page.shown}
    assert shown >= SHOWN, SHOWN - shown
    # Of what an EHR says of a refusal only codes that are codes are shown: no word of it reaches a page.
    assert not shown & {"diagnostics", "details", "display", "code"}
    assert any("422" in page.text for name, page in pages.items() if "deliveries/{response}" in name)
