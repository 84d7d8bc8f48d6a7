"""The pages: who, which patient, the chart, the app in its frame; and that nothing in the record can break them."""

import html
import re
from typing import Any

import pytest

from tests.sandbox_ehr.conftest import BASE, PATIENT, Ehr, observation

NOTICE = "Sandbox EHR: synthetic people, not a medical record"
HOSTILE = "<script>alert(1)</script>\"'"


async def signed_in(ehr: Ehr) -> Ehr:
    answer = await ehr.http.post("/sign-in", data={"practitioner": "201"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/patients")
    assert "HttpOnly" in answer.headers["set-cookie"]
    return ehr


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/", 200, "Choose a clinician"),
        ("/patients", 200, "Patients"),
        (f"/chart/{PATIENT}", 200, "Amara Okafor"),
        (f"/chart/{PATIENT}/app/public", 200, "Public app: Amara Okafor"),
        ("/chart/none", 404, "Not found"),
        (f"/chart/{PATIENT}/app/none", 404, "Not found"),
        ("/auth/authorize", 400, "The app cannot be opened"),
    ],
)
async def test_every_page_says_what_it_is_and_loads_nothing_from_elsewhere(
    ehr: Ehr, path: str, status: int, title: str
) -> None:
    await signed_in(ehr)
    answer = await ehr.http.get(path)
    assert answer.status_code == status
    assert f"<title>{title} · Sandbox EHR</title>" in answer.text
    assert NOTICE in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    loaded = re.findall(r'(?:href|src)="([^"]+\.(?:js|css|svg))"', answer.text)
    assert loaded
    for each in loaded:
        assert (await ehr.http.get(each)).status_code == 200


@pytest.mark.parametrize("path", ["/patients", f"/chart/{PATIENT}", f"/chart/{PATIENT}/app/public"])
async def test_without_a_clinician_one_is_asked_for_first(ehr: Ehr, path: str) -> None:
    answer = await ehr.http.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/sign-in", 405), ("POST", "/sign-in", 422)],
)
async def test_a_wrong_address_is_told_to_people_on_a_page_and_to_programs_as_json(
    ehr: Ehr, method: str, path: str, status: int
) -> None:
    page = await ehr.http.request(method, path, headers={"Accept": "text/html"})
    assert page.status_code == status
    assert NOTICE in page.text
    assert "To the list of patients" in page.text
    answer = await ehr.http.request(method, path, headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_the_list_shows_everybody_by_time_of_today_with_age_and_service(ehr: Ehr) -> None:
    page = (await (await signed_in(ehr)).http.get("/patients")).text
    assert page.count('href="/chart/') == 14
    assert page.index("Amara Okafor") < page.index("Mateo") < page.index("O&#39;Sullivan")
    assert "no visit" not in page
    assert {"School service", "Clinic"} <= set(re.findall(r">([^<>]+)</span></td>", page))


@pytest.mark.parametrize(
    ("wanted", "found"), [("okafor", 1), ("NOUR", 1), ("نور", 1), ("RV-42001", 1), ("zzz", 0)]
)
async def test_the_list_can_be_searched(ehr: Ehr, wanted: str, found: int) -> None:
    page = await (await signed_in(ehr)).http.get("/patients", params={"q": wanted})
    assert page.text.count('href="/chart/') == found


async def test_a_name_is_text_whatever_it_contains(ehr: Ehr) -> None:
    async with await ehr.fhir("launch user/*.cruds") as fhir:
        hostile = {"resourceType": "Patient", "name": [{"text": HOSTILE}], "birthDate": "2015-05-05"}
        patient = (await fhir.post("/Patient", json=hostile)).json()["id"]
        about = observation(patient, code={"text": HOSTILE}, valueString=HOSTILE)
        assert (await fhir.post("/Observation", json=about)).status_code == 201
    await signed_in(ehr)
    for path in ("/patients", f"/chart/{patient}", f"/chart/{patient}/app/public", f"/patients?q={HOSTILE}"):
        page = (await ehr.http.get(path)).text
        assert "<script>alert" not in page
        assert html.escape("<script>alert(1)") in page


@pytest.mark.parametrize("written", ["2014", "2014-05", "2014-05-05", None])
async def test_a_date_of_birth_may_be_partial_or_missing(ehr: Ehr, written: str | None) -> None:
    async with await ehr.fhir("launch user/*.cruds") as fhir:
        told = {"birthDate": written} if written else {}
        made = await fhir.post(
            "/Patient", json={"resourceType": "Patient", "name": [{"text": "Zoe"}], **told}
        )
        patient = made.json()["id"]
    await signed_in(ehr)
    assert "Zoe" in (await ehr.http.get("/patients")).text
    chart = await ehr.http.get(f"/chart/{patient}")
    assert chart.status_code == 200
    assert f"born {written or '2015'}<" in chart.text


async def test_the_chart_shows_values_and_says_what_was_not_computed(ehr: Ehr) -> None:
    page = (await (await signed_in(ehr)).http.get("/chart/1007")).text
    assert "not computed: Not computed: no answer to bond-2" not in page
    assert "not computed: no answer to bond-2" in page
    assert "Sertraline" in page
    assert "Agnieszka Kowalczyk" in page
    assert "in-progress" in page
    assert "Referral letter" in page


async def test_observations_come_newest_first_and_the_panel_before_its_members(ehr: Ehr) -> None:
    page = (await (await signed_in(ehr)).http.get(f"/chart/{PATIENT}/observations")).text
    times = re.findall(r'<td class="when">([^<]+)</td>', page)
    names = re.findall(r"<bdi>(Rapport[^<]+)</bdi>", page)
    assert times == sorted(times, reverse=True)
    parts = ("", ": total", ": goals", ": tasks", ": bond")
    assert names[:5] == [f"Rapport Check-in (therapist){part}" for part in parts]


async def test_a_new_observation_is_in_the_next_fragment(ehr: Ehr) -> None:
    await signed_in(ehr)
    async with await ehr.fhir("launch patient/Observation.c") as fhir:
        quantity = {"value": 1.5, "unit": "km"}
        made = await fhir.post("/Observation", json=observation(valueQuantity=quantity))
    page = (await ehr.http.get(f"/chart/{PATIENT}/observations")).text
    assert f'data-id="{made.json()["id"]}"' in page
    assert "<strong>1.5</strong> km" in page


async def test_the_app_tab_opens_a_fresh_launch_of_this_chart(ehr: Ehr) -> None:
    await signed_in(ehr)
    pages = [await ehr.http.get(f"/chart/{PATIENT}/app/public") for _ in range(2)]
    sources = [html.unescape(re.findall(r'src="(https://app[^"]+)"', page.text)[0]) for page in pages]
    assert sources[0] != sources[1]
    assert sources[0].startswith("https://app.invalid/launch?iss=https%3A%2F%2Fehr.invalid%2Fr4&launch=")
    assert "frame-src 'self' https://app.invalid" in pages[0].headers["content-security-policy"]
    granted: dict[str, Any] = await ehr.grant(
        "launch patient/*.rs", launch=sources[0].rpartition("launch=")[2]
    )
    assert (granted["patient"], granted["encounter"]) == (PATIENT, f"{PATIENT}-20261123")
    assert granted["need_patient_banner"] is False


async def test_the_request_log_has_no_tokens_or_bodies(ehr: Ehr) -> None:
    granted = await ehr.grant("launch patient/Patient.r")
    async with ehr.with_token(granted["access_token"]) as fhir:
        await fhir.get(f"/Patient/{PATIENT}")
    log = await ehr.http.get("/sandbox/requests")
    assert log.json()[-1]["path"] == f"/r4/Patient/{PATIENT}"
    assert log.json()[-1]["client_id"] == "public"
    assert granted["access_token"] not in log.text
    assert BASE not in log.json()[-1]["path"]


async def test_a_body_that_is_no_text_is_refused_in_words(ehr: Ehr) -> None:
    answer = await ehr.http.post("/sandbox/launch", content=b"\xff\xfe", headers={"Content-Type": ""})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"
