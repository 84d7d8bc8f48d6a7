"""Bad requests: each is refused in FHIR's words with the place named, and never by a failure of the server."""

from typing import Any

import httpx
import pytest

from tests.sandbox_ehr.conftest import BASE, FHIR, PATIENT, Ehr, observation

LEAP = "2026-06-30T23:59:60Z"
LAST = "9999-12-31"
BROKEN_BASIC = "Basic /////w=="
HALF = r"\ud800"


def issue(answer: httpx.Response) -> dict[str, Any]:
    """Give the first issue of a refusal."""
    assert answer.headers["content-type"] == "application/fhir+json", answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    found: dict[str, Any] = outcome["issue"][0]
    return found


def dated(place: str, value: str) -> dict[str, Any]:
    """Make an Observation or QuestionnaireResponse with a date at this place."""
    kind, _, element = place.partition(".")
    if kind == "QuestionnaireResponse":
        start = {"resourceType": kind, "status": "completed", "subject": {"reference": f"Patient/{PATIENT}"}}
        return {**start, element: value}
    made = observation()
    if element != "issued":
        made.pop("effectiveDateTime")
    return {**made, element: {"start": value, "end": value} if element == "effectivePeriod" else value}


@pytest.mark.parametrize("date", [LEAP, LAST, "9999-12", "9999", "9999-12-31T23:59:60Z"])
@pytest.mark.parametrize(
    "place",
    ["Observation.effectiveDateTime", "Observation.effectivePeriod", "QuestionnaireResponse.authored"],
)
async def test_a_date_at_the_edge_of_the_calendar_is_stored_and_found(
    fhir: httpx.AsyncClient, place: str, date: str
) -> None:
    kind = place.partition(".")[0]
    made = await fhir.post(f"/{kind}", json=dated(place, date))
    assert made.status_code == 201, made.text
    query = {"authored" if kind == "QuestionnaireResponse" else "date": date}
    found = (await fhir.get(f"/{kind}", params=query)).json()
    assert [each["resource"]["id"] for each in found["entry"]] == [made.json()["id"]]


async def test_an_instant_may_be_a_leap_second(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Observation", json=dated("Observation.issued", LEAP))
    assert (answer.status_code, answer.json()["issued"]) == (201, LEAP)


async def test_a_leap_second_comes_after_the_second_before_it(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/Observation", json=dated("Observation.effectiveDateTime", LEAP))
    found = (
        await fhir.get("/Observation", params={"date": "gt2026-06-30T23:59:59Z", "_sort": "date"})
    ).json()
    assert found["entry"][0]["resource"]["id"] == made.json()["id"]


async def test_the_chart_shows_such_dates(ehr: Ehr, fhir: httpx.AsyncClient) -> None:
    for date in (LEAP, LAST):
        await fhir.post("/Observation", json=dated("Observation.effectiveDateTime", date))
    await ehr.http.post("/sign-in", data={"practitioner": "202"})
    assert (await ehr.http.get(f"/chart/{PATIENT}")).status_code == 200
    assert (await ehr.http.get(f"/chart/{PATIENT}/observations")).status_code == 200


@pytest.mark.parametrize(
    "date", ["2026-02-30", "0000", "2026-06-30T24:00:00Z", 20260630, "2026-06-30T23:59:61Z"]
)
async def test_what_is_no_date_is_refused_with_its_element(fhir: httpx.AsyncClient, date: Any) -> None:
    answer = await fhir.post("/Observation", json=observation(effectiveDateTime=date))
    assert answer.status_code == 422
    assert issue(answer)["expression"] == ["Observation.effectiveDateTime"]


@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
@pytest.mark.parametrize("header", [BROKEN_BASIC, "Basic", "Basic !"])
async def test_basic_credentials_that_are_no_text_are_an_invalid_client(
    ehr: Ehr, endpoint: str, header: str
) -> None:
    form = {"grant_type": "client_credentials", "token": "x", "client_id": "public"}
    answer = await ehr.http.post(f"/auth/{endpoint}", data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("path", ["/sandbox/launch", "/sandbox/faults"])
async def test_half_a_character_is_refused_by_the_sandbox_pages(ehr: Ehr, path: str) -> None:
    body = f'{{"client_id": "public", "practitioner": "202", "intent": "{HALF}", "kind": "failed", "path": "{HALF}"}}'
    answer = await ehr.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, "whole characters" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f'{{"resourceType": "{HALF}"}}'.encode(), "half a character"),
        (b'{"resourceType": "\xff"}', "not UTF-8"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, "nested"),
        (b'{"a": 1e99999999999999999999}', "exponent"),
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
    ],
)
@pytest.mark.parametrize("address", [FHIR, f"{FHIR}/Observation"])
async def test_a_body_that_is_no_json_object_is_refused_in_words(
    fhir: httpx.AsyncClient, address: str, body: bytes, said: str
) -> None:
    answer = await fhir.post(address, content=body)
    assert answer.status_code == 400
    assert said in issue(answer)["diagnostics"]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PURGE", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("", "GET, POST"),
        ("/metadata", "GET, HEAD"),
        ("/.well-known/smart-configuration", "GET, HEAD"),
        ("/Observation", "GET, POST"),
        (f"/Patient/{PATIENT}", "GET, PUT"),
        (f"/Patient/{PATIENT}/_history/1", "GET"),
    ],
)
async def test_a_method_that_an_address_has_not_is_refused_with_those_it_has(
    fhir: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await fhir.request(method, FHIR + path)
    assert (answer.status_code, issue(answer)["code"]) == (405, "not-supported")
    assert answer.headers["allow"] == allow


async def test_a_browser_may_still_ask_before_it_sends(ehr: Ehr) -> None:
    asked = {"Origin": "https://app.invalid", "Access-Control-Request-Method": "PUT"}
    answer = await ehr.http.options("/r4/Observation/1", headers=asked)
    assert (answer.status_code, "PUT" in answer.headers["access-control-allow-methods"]) == (200, True)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (5, ""),
        (None, ""),
        ({}, ".request"),
        ({"request": []}, ".request"),
        ({"request": {"method": "GET"}}, ".request"),
        ({"request": {"method": {}, "url": "Patient"}}, ".request.method"),
        ({"request": {"method": "PATCH", "url": "Patient"}}, ".request.method"),
        ({"request": {"method": "GET", "url": []}}, ".request.url"),
        ({"request": {"method": "GET", "url": "Patient", "ifMatch": 5}}, ".request.ifMatch"),
        ({"request": {"method": "GET", "url": "Patient"}, "fullUrl": 5}, ".fullUrl"),
        ({"request": {"method": "POST", "url": "Patient"}, "resource": 5}, ".resource"),
    ],
)
async def test_a_malformed_entry_fails_alone_in_a_batch_and_with_all_in_a_transaction(
    fhir: httpx.AsyncClient, entry: Any, place: str
) -> None:
    good = {"request": {"method": "GET", "url": f"Patient/{PATIENT}"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [good, entry]}
    one, other = (await fhir.post(FHIR, json=bundle)).json()["entry"]
    assert (one["response"]["status"], other["response"]["status"]) == ("200 OK", "400 Bad Request")
    assert other["response"]["outcome"]["issue"][0]["expression"] == [f"Bundle.entry[1]{place}"]
    whole = await fhir.post(FHIR, json={**bundle, "type": "transaction"})
    assert (whole.status_code, issue(whole)["expression"]) == (400, [f"Bundle.entry[1]{place}"])


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("entries", [5, "x", {}, None])
async def test_entries_that_are_no_list_are_refused(fhir: httpx.AsyncClient, kind: str, entries: Any) -> None:
    answer = await fhir.post(FHIR, json={"resourceType": "Bundle", "type": kind, "entry": entries})
    assert (answer.status_code, issue(answer)["expression"]) == (400, ["Bundle.entry"])


@pytest.mark.parametrize("kind", [5, [], {}, None, "message"])
async def test_a_bundle_of_no_type_is_refused(fhir: httpx.AsyncClient, kind: Any) -> None:
    answer = await fhir.post(FHIR, json={"resourceType": "Bundle", "type": kind})
    assert (answer.status_code, issue(answer)["expression"]) == (400, ["Bundle.type"])


async def test_a_transaction_writes_a_resource_once(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    entry = {"resource": made, "request": {"method": "PUT", "url": f"Observation/{made['id']}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    answer = await fhir.post(FHIR, json=bundle)
    assert (answer.status_code, issue(answer)["code"]) == (400, "duplicate")
    assert issue(answer)["expression"] == ["Bundle.entry[1]"]
    assert (await fhir.get(f"/Observation/{made['id']}")).headers["etag"] == 'W/"1"'


async def test_a_transaction_creates_only_at_the_address_of_a_type(fhir: httpx.AsyncClient) -> None:
    entry = {"resource": observation(), "request": {"method": "POST", "url": "Observation/mine"}}
    answer = await fhir.post(FHIR, json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert (answer.status_code, issue(answer)["expression"]) == (400, ["Bundle.entry[0]"])


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ('W/"1"', 200),
        ('"1"', 200),
        ('W/"7", W/"1"', 200),
        ('W/"7"', 412),
        ("1", 400),
        ("W/1", 400),
        ("", 400),
        ('W/"1', 400),
        ('*, W/"1"', 400),
    ],
)
async def test_if_match_is_understood_or_refused_in_words(
    fhir: httpx.AsyncClient, header: str, status: int
) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    answer = await fhir.put(f"/Observation/{made['id']}", json=made, headers={"If-Match": header})
    assert answer.status_code == status
    if status == 400:
        assert "expected a version" in issue(answer)["diagnostics"]


@pytest.mark.parametrize(
    "element", ["code", "subject", "performer", "component", "text", "meta", "id", "status"]
)
@pytest.mark.parametrize("value", [5, True, "x", [5], [[5]], {"odd": 5}])
async def test_a_refusal_says_nothing_of_python(fhir: httpx.AsyncClient, element: str, value: Any) -> None:
    answer = await fhir.post("/Observation", json=observation(**{element: value}))
    if answer.status_code != 201:
        assert issue(answer)
        assert not any(
            word in answer.text for word in ("<class", "Traceback", ".py", "None", "dict", "pydantic")
        )


@pytest.mark.parametrize(
    "query", [{"_count": "9" * 5000}, {"code": ",".join("a" * 3000)}, {"_sort": ",".join(["code"] * 3000)}]
)
async def test_a_search_of_any_size_is_answered_or_refused(
    fhir: httpx.AsyncClient, query: dict[str, str]
) -> None:
    answer = await fhir.get("/Observation", params=query)
    assert answer.status_code == 200 or issue(answer)["code"] == "too-costly"


async def test_the_capability_statement_cannot_be_posted(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post(f"{BASE}/r4/metadata", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
