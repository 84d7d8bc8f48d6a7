"""What a response names beside its patient is that patient's, or the response is refused: nobody else's stands in the record."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.collecting.book import Found
from plugin.delivery.revising import read_current
from plugin.delivery.writers import RESPONSE
from plugin.ledger import tables as t
from plugin.responses import at_home
from tests.product.collecting import collecting_world, found, look, rows, someones_answers, standing, started
from tests.product.forms import response_of
from tests.product.test_bad_input import app_token, post, problems
from tests.product.test_withdrawn import flaws
from tests.product.world import COLLECTING_SCOPES, EHR, World

CAREGIVERS = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-caregiver|1.1.0"
MATEOS_VISIT = "Encounter/1002-20260302"


class Answering(httpx.AsyncBaseTransport):
    """An EHR that answers reads of one type with this status, and counts them; it adds to what it says of a token."""

    def __init__(
        self, ehr: httpx.AsyncBaseTransport, kind: str, status: int, token: Mapping[str, str] | None = None
    ) -> None:
        self.ehr, self.kind, self.status, self.token = ehr, kind, status, token or {}
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if f"/r4/{self.kind}/" in request.url.path:
            self.asked += 1
            if self.status == 200:
                return httpx.Response(200, html="<html>Sign in</html>")
            outcome = {"resourceType": "OperationOutcome", "issue": []}
            return httpx.Response(self.status, json=outcome, headers={"Retry-After": "7"})
        answer = await self.ehr.handle_async_request(request)
        if not request.url.path.endswith("/introspect"):
            return answer
        return httpx.Response(200, json=json.loads(await answer.aread()) | self.token)


def answering(world: World, kind: str, status: int, token: Mapping[str, str] | None = None) -> Answering:
    there = Answering(world.hosts.apps["ehr.invalid"], kind, status, token)
    world.hosts.apps["ehr.invalid"] = there  # type: ignore[assignment]  # any transport will do
    return there


async def a_visit_of(world: World, name: str) -> str:
    people = await world.people()
    return f"Encounter/{(await world.search('Encounter', patient=people[name]))[0]['id']}"


def named(reference: str) -> dict[str, str]:
    return {"reference": reference}


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("encounter", named(MATEOS_VISIT)),
        ("encounter", named(f"{EHR}/r4/{MATEOS_VISIT}")),
        ("encounter", named("Encounter/there-is-none")),
        ("encounter", named("https://evil.invalid/Encounter/1")),
        ("encounter", named("Encounter?identifier=x|1")),
        ("encounter", named("Patient/1001")),
        ("source", named("Patient/1002")),
        ("source", named("https://evil.invalid/Patient/1001")),
        ("source", named("RelatedPerson/1002-1")),
        ("author", named("Patient/1002")),
        ("author", named("RelatedPerson/1002-1")),
        ("author", named("https://evil.invalid/Practitioner/202")),
        ("subject", named("https://evil.invalid/r4/Patient/1001")),
        ("basedOn", [named("https://evil.invalid/ServiceRequest/1")]),
        ("partOf", [named("https://evil.invalid/Procedure/1")]),
    ],
)
async def test_a_response_that_names_what_is_not_its_patients_is_refused(
    world: World, element: str, value: Any
) -> None:
    answer = await post(world, response_of("1001", **{element: value}))
    assert answer.status_code == 422, answer.text
    (issue,) = answer.json()["issue"]
    assert issue["expression"][0].startswith(f"QuestionnaireResponse.{element}")
    assert "Mateo" not in answer.text
    assert not await world.search(RESPONSE, patient="1001", authored="2026-03-02T09:00:00Z")


async def test_what_is_the_patients_own_goes_into_the_record(world: World) -> None:
    visit = await a_visit_of(world, "amara")
    changes = {
        "questionnaire": CAREGIVERS,
        "item": None,
        "encounter": named(f"{EHR}/r4/{visit}"),
        "source": named("RelatedPerson/1001-1"),
        "author": named("Practitioner/202"),
    }
    whole = {name: value for name, value in response_of("1001", **changes).items() if value is not None}
    answer = await post(world, whole)
    assert answer.status_code == 201, answer.text
    own = answer.headers["location"].rpartition("/")[2]
    (panel,) = await world.delivered(identifier=f"https://w3id.org/rapport-fhir/identifier|{own}/panel")
    assert panel["encounter"]["reference"].endswith(visit)
    assert panel["performer"][0]["reference"] == "RelatedPerson/1001-1"


@pytest.mark.parametrize(
    "written", [f"{EHR}/r4/{{}}", "{}/_history/1", f"{EHR}/r4/{{}}/_history/1", f"{EHR.upper()}:443/r4/{{}}"]
)
async def test_one_caregiver_is_one_rater_however_the_ehrs_own_are_written(
    world: World, written: str
) -> None:
    visit = await a_visit_of(world, "amara")
    both = []
    for number, form in enumerate(("{}", written)):
        changes = {
            "subject": named(form.format("Patient/1001")),
            "encounter": named(form.format(visit)),
            "source": named(form.format("RelatedPerson/1001-1")),
            "author": named(form.format("RelatedPerson/1001-1")),
        }
        whole = response_of(
            "1001", questionnaire=CAREGIVERS, authored=f"2026-03-02T08:0{number}:00Z", **changes
        )
        del whole["item"]
        both.append(await post(world, whole))
    assert [each.status_code for each in both] == [201, 201], both[1].text
    kept = await rows(world, t.response)
    assert {(each.patient, each.encounter, each.source) for each in kept} == {
        ("Patient/1001", visit, "RelatedPerson/1001-1")
    }
    records = await world.rapport.state.rapport.ledger.read(
        lambda connection: [
            read_current(connection, world.rapport.state.rapport.ledger.vault, each.id) for each in kept
        ]
    )
    results = [each.results.panel + each.results.provenance for each in records]
    assert not any(b"_history" in each or f"{EHR}/r4".encode() in each for each in results)
    sent = {json.loads(each.body)["source"]["reference"] for each in records}
    assert sent == {"RelatedPerson/1001-1", written.format("RelatedPerson/1001-1")}
    assert not await flaws(world)


@pytest.mark.parametrize("written", [f"{EHR}/r4/{{}}", "{}/_history/1"])
async def test_what_was_kept_before_references_were_read_in_one_form_is_verified_as_it_stands(
    world: World, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    changes = {
        "encounter": named(written.format(await a_visit_of(world, "amara"))),
        "source": named(written.format("RelatedPerson/1001-1")),
    }
    whole = response_of(
        "1001", questionnaire=CAREGIVERS, identifier={"system": "urn:x", "value": "1"}, **changes
    )
    del whole["item"]
    with monkeypatch.context() as before:
        before.setattr(at_home, "_rewritten", lambda head, _: head)
        assert (await post(world, whole)).status_code == 201
        amended = await post(world, {**whole, "status": "amended", "language": "en"})
        assert amended.status_code == 201, amended.text
    assert len(await rows(world, t.revision)) == 1
    assert not await flaws(world)


HOST = EHR.removeprefix("https://")
DISGUISED = [
    "https://evil.invalid/r4/",
    f"https://{HOST}:8443/r4/",
    f"https://{HOST}:0/r4/",
    f"https://{HOST}:/r4/",
    f"https://{HOST}:x/r4/",
    f"http://{HOST}/r4/",
    f"https://user@{HOST}/r4/",
    f"https://user:pw@{HOST.upper()}:443/r4/",
    f"https://evil.invalid\\@{HOST}/r4/",
    f"https://{HOST}/R4/",
    f"https://{HOST}/r4//",
    f"https://{HOST}/x/../r4/",
    f"//{HOST}/r4/",
    "https://[::1/r4/",
    "https://a\N{ACCOUNT OF}b/r4/",
]


@pytest.mark.parametrize("element", ["subject", "encounter", "source", "author"])
async def test_what_only_looks_like_a_reference_into_the_own_ehr_is_refused(
    world: World, element: str
) -> None:
    own = {"subject": "Patient/1001", "encounter": "Encounter/1001-20260302"}.get(element, "Practitioner/202")
    for base in DISGUISED:
        answer = await post(world, response_of("1001", **{element: named(f"{base}{own}")}))
        assert answer.status_code in {400, 403, 422}, (base, answer.status_code, answer.text)
    assert not await rows(world, t.response)


@pytest.mark.parametrize(
    ("subject", "state"),
    [
        (f"{EHR}/r4/Patient/1001", Found.KEPT),
        ("Patient/1001/_history/1", Found.KEPT),
        ("https://evil.invalid/r4/Patient/1001", Found.SET_ASIDE),
        (f"{EHR}:8443/r4/Patient/1001", Found.SET_ASIDE),
        ("https://[::1/r4/Patient/1001", Found.SET_ASIDE),
        (f"{EHR.replace('://', '://user@')}/r4/Patient/1001", Found.SET_ASIDE),
        ("//evil.invalid/r4/Patient/1001", Found.SET_ASIDE),
        ("../Patient/1001", Found.SET_ASIDE),
    ],
)
async def test_a_collected_response_may_write_its_subject_in_full(
    tmp_path: Path, subject: str, state: Found
) -> None:
    async with collecting_world(tmp_path, backend_scopes=COLLECTING_SCOPES) as world:
        await started(world)
        answers = await someones_answers(world, subject=named(subject), source={"display": "Amara"})
        await world.collect(answers)
        await look(world)
        (one,) = await found(world)
        assert (one.state, "another server's record" in one.reason) == (state, state is Found.SET_ASIDE)
        kept = await rows(world, t.response)
        assert [each.patient for each in kept] == ["Patient/1001"] * (state is Found.KEPT)


async def test_the_contact_of_the_tokens_own_launch_needs_no_asking(world: World) -> None:
    token = await app_token(world)
    there = answering(world, "Encounter", 403, {"encounter": "1001-now"})
    answer = await post(world, response_of("1001", encounter=named("Encounter/1001-now")), token=token)
    assert (answer.status_code, there.asked) == (201, 0), answer.text


@pytest.mark.parametrize(("launched", "told"), [(True, 201), (False, 422)])
async def test_what_the_apps_token_may_not_read_rapports_own_launch_may(
    world: World, *, launched: bool, told: int
) -> None:
    visit = await a_visit_of(world, "amara")
    if launched:
        await world.launch("amara")
    token = await app_token(world)
    answering(world, "none", 404, {"scope": "patient/QuestionnaireResponse.c"})
    answer = await post(world, response_of("1001", encounter=named(visit)), token=token)
    assert answer.status_code == told, answer.text


@pytest.mark.parametrize(("status", "told"), [(403, 422), (503, 503), (401, 503), (200, 503)])
async def test_where_the_ehr_does_not_tell_nothing_is_kept_and_the_sender_is_told(
    world: World, status: int, told: int
) -> None:
    token = await app_token(world)
    body = response_of("1001", encounter=named(await a_visit_of(world, "amara")))
    plain = world.hosts.apps["ehr.invalid"]
    answering(world, "Encounter", status)
    answer = await post(world, body, token=token)
    assert answer.status_code == told, answer.text
    assert answer.headers.get("Retry-After") == ("7" if status == 503 else None)
    if told == 422:
        assert "patient/Encounter.r" in problems(answer)
    world.hosts.apps["ehr.invalid"] = plain
    assert (await post(world, body, token=token)).status_code == 201
    answering(world, "Encounter", status)
    assert (await post(world, body, token=token)).status_code == 200, "kept already: it is not asked again"


@pytest.mark.parametrize(
    ("element", "others", "nobodys"),
    [
        ("encounter", MATEOS_VISIT, "Encounter/there-is-none"),
        ("source", "RelatedPerson/1002-1", "RelatedPerson/none"),
    ],
)
async def test_what_is_another_patients_and_what_there_is_not_are_refused_in_the_same_words(
    world: World, element: str, others: str, nobodys: str
) -> None:
    token = await app_token(world)
    told = {
        problems(await post(world, response_of("1001", **{element: named(each)}), token=token))
        for each in (others, nobodys)
    }
    assert len(told) == 1, told


async def test_what_the_ehr_collected_with_another_patients_contact_is_set_aside(tmp_path: Path) -> None:
    scopes = (*COLLECTING_SCOPES, "system/Encounter.r")
    async with collecting_world(tmp_path, backend_scopes=scopes) as world:
        await started(world)
        visit = await a_visit_of(world, "amara")
        own = await world.collect(await someones_answers(world, encounter=named(visit)))
        others = await world.collect(await someones_answers(world, encounter=named(MATEOS_VISIT)))
        await look(world)
        assert [each.reference for each in await found(world, Found.SET_ASIDE)] == [others]
        observations = await standing(world, own, 5)
        assert {each["encounter"]["reference"].endswith(visit) for each in observations} == {True}


@pytest.mark.parametrize("status", [200, 401])
async def test_what_the_ehr_collected_waits_while_the_ehr_says_nothing_of_its_contact(
    tmp_path: Path, status: int
) -> None:
    scopes = (*COLLECTING_SCOPES, "system/Encounter.r")
    async with collecting_world(tmp_path, backend_scopes=scopes) as world:
        await started(world)
        plain = world.hosts.apps["ehr.invalid"]
        others = await world.collect(await someones_answers(world, encounter=named(MATEOS_VISIT)))
        answering(world, "Encounter", status)
        await look(world)
        assert await found(world) == ()
        world.hosts.apps["ehr.invalid"] = plain
        await look(world)
        assert [each.reference for each in await found(world, Found.SET_ASIDE)] == [others]


async def test_where_whose_contact_it_is_cannot_be_read_what_the_ehr_collected_is_scored(
    tmp_path: Path,
) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        visit = await a_visit_of(world, "amara")
        await standing_after(
            world, await world.collect(await someones_answers(world, encounter=named(visit)))
        )


async def standing_after(world: World, reference: str) -> None:
    await look(world)
    await standing(world, reference, 5)


async def test_an_identifier_without_a_system_is_the_patients_own(world: World) -> None:
    own = {"value": "1"}
    first = await post(world, response_of("1001", identifier=own))
    other = await post(world, response_of("1002", identifier=own), token=await app_token(world, "mateo"))
    again = await post(world, response_of("1001", identifier=own))
    changed = await post(world, response_of("1001", identifier=own, authored="2026-03-02T10:00:00Z"))
    assert [each.status_code for each in (first, other, again, changed)] == [201, 201, 200, 409], other.text
    for patient, answer in (("1001", first), ("1002", other)):
        kept = answer.headers["location"].rpartition("/")[2]
        score = f"https://w3id.org/rapport-fhir/identifier|{kept}/score-total"
        (total,) = await world.delivered(identifier=score)
        (written,) = await world.search(RESPONSE, _id=total["derivedFrom"][0]["reference"].partition("/")[2])
        assert written["subject"] == total["subject"] == named(f"Patient/{patient}")
        assert written["identifier"]["value"] == "1"


@pytest.mark.parametrize("status", ["completed", "amended"])
async def test_no_response_of_another_site_is_changed_by_its_identifier(world: World, status: str) -> None:
    identifier = {"system": "https://w3id.org/rapport-fhir/identifier", "value": str(uuid.uuid4())}
    await post(world, response_of("1001", identifier=identifier))
    await world.delivered(RESPONSE, identifier="|".join(identifier.values()))
    ledger = world.rapport.state.rapport.ledger
    await ledger.bookkeep(lambda connection: connection.execute(t.response.update().values(site="other")))
    answer = await post(world, response_of("1001", identifier=identifier, status=status, language="en"))
    assert (answer.status_code, "cannot be taken" in problems(answer)) == (409, True)


@pytest.mark.parametrize("status", ["completed", "amended"])
async def test_nobody_learns_of_another_patients_response_by_its_identifier(
    world: World, status: str
) -> None:
    identifier = {"system": "https://other.invalid/ids", "value": "17"}
    await post(world, response_of("1002", identifier=identifier), token=await app_token(world, "mateo"))
    answer = await post(world, response_of("1001", identifier=identifier, status=status))
    assert answer.status_code == 409
    told = problems(answer)
    assert not [word for word in ("recorded", "kept", "somebody") if word in told], told
