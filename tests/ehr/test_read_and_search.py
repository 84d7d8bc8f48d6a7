"""Reading the record."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from plugin.ehr import (
    BadAnswer,
    Ehr,
    EhrError,
    EhrRefused,
    EhrUnavailable,
    Elsewhere,
    NotFound,
    NotPermitted,
    RefusalIssue,
    TokenRefused,
)
from tests.ehr.conftest import BASE

MIA = {"resourceType": "Patient", "id": "mia"}


def page(*ids: str, following: str | None = None, **more: Any) -> httpx.Response:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", **more}
    bundle["entry"] = [{"resource": {"resourceType": "Observation", "id": each}} for each in ids]
    bundle["link"] = [{"relation": "self", "url": "https://elsewhere.invalid/not-followed"}]
    if following is not None:
        bundle["link"].append({"relation": "next", "url": following})
    return httpx.Response(200, json=bundle)


@pytest.mark.parametrize("reference", ["Patient/mia", f"{BASE}/Patient/mia"])
async def test_a_reference_on_this_server_is_read_with_the_token(
    wire: respx.MockRouter, ehr: Ehr, reference: str
) -> None:
    route = wire.get(f"{BASE}/Patient/mia").respond(json=MIA)
    assert await ehr.read(reference) == MIA
    sent = route.calls.last.request.headers
    assert (sent["authorization"], sent["accept"]) == ("Bearer at-s3cret", "application/fhir+json")


async def test_a_version_can_be_read(wire: respx.MockRouter, ehr: Ehr) -> None:
    wire.get(f"{BASE}/Patient/mia/_history/2").respond(json=MIA)
    assert await ehr.read("Patient/mia/_history/2") == MIA


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.invalid/Patient/mia",
        f"{BASE}.evil.invalid/Patient/mia",
        "//evil.invalid/Patient/mia",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "#contained",
        "Patient/mia/../leo",
        "Patient/../../admin",
        "Patient/mia?x=y",
        "patient/mia",
        "Patient/",
        "Patient/mia\n",
        "",
    ],
)
async def test_any_other_reference_is_not_followed(wire: respx.MockRouter, ehr: Ehr, reference: str) -> None:
    with pytest.raises(Elsewhere):
        await ehr.read(reference)
    assert not wire.calls


async def test_without_a_token_none_is_sent(wire: respx.MockRouter) -> None:
    route = wire.get(f"{BASE}/metadata").respond(json={"resourceType": "CapabilityStatement"})
    async with httpx.AsyncClient() as http:
        assert await Ehr(BASE, None, http).capability() == {"resourceType": "CapabilityStatement"}
    assert "authorization" not in route.calls.last.request.headers


async def test_cookies_of_one_user_do_not_reach_the_next(wire: respx.MockRouter) -> None:
    route = wire.get(f"{BASE}/Patient/mia").respond(json=MIA, headers={"Set-Cookie": "session=of-somebody"})
    async with httpx.AsyncClient() as http:
        await Ehr(BASE, "one", http).read("Patient/mia")
        await Ehr(BASE, "two", http).read("Patient/mia")
    assert all("cookie" not in call.request.headers for call in route.calls)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"resourceType":"Observation"}',
        b"{}",
        b'{"a":',
        b"\xff",
        b'{"a":NaN}',
    ],
)
async def test_an_answer_that_is_not_the_resource_is_bad(
    wire: respx.MockRouter, ehr: Ehr, body: bytes
) -> None:
    wire.get(f"{BASE}/Patient/mia").respond(content=body)
    with pytest.raises(BadAnswer):
        await ehr.read("Patient/mia")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, EhrRefused),
        (302, EhrUnavailable),
        (307, EhrUnavailable),
        (400, EhrRefused),
        (401, TokenRefused),
        (403, NotPermitted),
        (404, NotFound),
        (408, EhrUnavailable),
        (409, EhrRefused),
        (410, NotFound),
        (412, EhrRefused),
        (422, EhrRefused),
        (429, EhrUnavailable),
        (500, EhrUnavailable),
        (501, EhrRefused),
        (502, EhrUnavailable),
        (503, EhrUnavailable),
        (504, EhrUnavailable),
        (520, EhrUnavailable),
    ],
)
async def test_each_status_has_its_error_when_reading(
    wire: respx.MockRouter, ehr: Ehr, status: int, error: type[EhrError]
) -> None:
    wire.get(f"{BASE}/Patient/mia").respond(status, headers={"Location": "https://evil.invalid"})
    with pytest.raises(EhrError) as caught:
        await ehr.read("Patient/mia")
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ReadTimeout, httpx.ReadError]
)
async def test_an_ehr_that_does_not_answer_a_question_is_unavailable(
    wire: respx.MockRouter, ehr: Ehr, fault: type[Exception]
) -> None:
    wire.get(f"{BASE}/Patient/mia").mock(side_effect=fault)
    with pytest.raises(EhrUnavailable):
        await ehr.read("Patient/mia")


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "99999999999999999999"}, 86_400),
        (
            {"Retry-After": "Mon, 23 Nov 2026 09:01:30 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            90,
        ),
        (
            {"Retry-After": "Mon, 23 Nov 2026 08:00:00 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            0,
        ),
        ({"Retry-After": "Mon, 23 Nov 2026 09:01:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
async def test_how_long_to_wait_is_passed_on(
    wire: respx.MockRouter, ehr: Ehr, headers: dict[str, str], pause: float | None
) -> None:
    wire.get(f"{BASE}/Patient/mia").respond(429, headers=headers)
    with pytest.raises(EhrUnavailable) as caught:
        await ehr.read("Patient/mia")
    assert caught.value.retry_after == pause


async def test_a_refusal_keeps_codes_and_places_and_no_values(wire: respx.MockRouter, ehr: Ehr) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "value",
                "diagnostics": "Mia Hoffmann answered 'not at all'",
                "details": {"text": "Mia", "coding": [{"system": "urn:oid:1.2", "code": "59189"}]},
                "expression": ["Observation.value[x]"],
            },
            {"code": "in valid", "expression": ["name = 'Mia'"]},
            {"code": "invariant", "details": {"coding": [{"code": "Mia Hoffmann"}]}, "expression": ["'Mia'"]},
        ],
    }
    wire.get(f"{BASE}/Patient/mia").respond(422, json=outcome)
    with pytest.raises(EhrRefused) as caught:
        await ehr.read("Patient/mia")
    assert caught.value.status == 422
    assert caught.value.issues == (
        RefusalIssue("value", "59189", "Observation.value[x]"),
        RefusalIssue("invariant"),
    )
    assert str(caught.value) == (
        "The EHR refused it (HTTP 422: value 59189 at Observation.value[x]; invariant)."
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"issue":7}'])
async def test_a_refusal_without_reasons_is_still_one(wire: respx.MockRouter, ehr: Ehr, body: bytes) -> None:
    wire.get(f"{BASE}/Patient/mia").respond(403, content=body)
    with pytest.raises(NotPermitted, match=r"\(HTTP 403\)\.$"):
        await ehr.read("Patient/mia")


async def test_a_search_gives_what_matches(wire: respx.MockRouter, ehr: Ehr) -> None:
    answer = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Observation", "id": "1"}, "search": {"mode": "match"}},
            {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
            {"fullUrl": "urn:x"},
        ],
    }
    route = wire.get(f"{BASE}/Observation").respond(json=answer)
    found = await ehr.search("Observation", {"patient": "mia", "code": ["a|b", "c&d"]})
    assert [each["id"] for each in found] == ["1"]
    assert route.calls.last.request.url.params.multi_items() == [
        ("_count", "100"),
        ("patient", "mia"),
        ("code", "a|b"),
        ("code", "c&d"),
    ]


async def test_an_empty_search_is_empty(wire: respx.MockRouter, ehr: Ehr) -> None:
    wire.get(f"{BASE}/Observation").respond(json={"resourceType": "Bundle", "total": 0})
    assert await ehr.search("Observation", {}) == ()


async def test_a_posted_search_keeps_the_patient_out_of_the_address(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.post(f"{BASE}/Observation/_search").mock(return_value=page("1"))
    await ehr.search("Observation", {"patient": "mia"}, method="POST")
    request = route.calls.last.request
    assert "mia" not in str(request.url)
    assert request.content == b"_count=100&patient=mia"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_posted_search_that_breaks_off_has_changed_nothing(wire: respx.MockRouter, ehr: Ehr) -> None:
    wire.post(f"{BASE}/Observation/_search").mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(EhrUnavailable):
        await ehr.search("Observation", {"patient": "mia"}, method="POST")


@pytest.mark.parametrize(
    "following",
    [f"{BASE}?_getpages=2", f"{BASE}/Observation?page=2", "/fhir/r4?_getpages=2", "Observation?page=2"],
)
async def test_pages_are_followed_on_this_server(wire: respx.MockRouter, ehr: Ehr, following: str) -> None:
    route = wire.get(url__startswith=BASE)
    route.mock(side_effect=[page("1", "2", following=following), page("3")])
    assert [each["id"] for each in await ehr.search("Observation", {})] == ["1", "2", "3"]
    assert route.calls.last.request.headers["authorization"] == "Bearer at-s3cret"


@pytest.mark.parametrize("port", ["", ":80", ":443"])
async def test_the_next_page_of_a_server_behind_a_proxy_that_ends_tls_is_asked_for_by_tls(
    wire: respx.MockRouter, ehr: Ehr, port: str
) -> None:
    route = wire.get(url__startswith=BASE)
    route.mock(side_effect=[page("1", following=f"http://ehr.invalid{port}/fhir/r4?page=2"), page("2")])
    assert [each["id"] for each in await ehr.search("Observation", {})] == ["1", "2"]
    assert str(route.calls.last.request.url) == f"{BASE}?page=2"


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.invalid/fhir/r4?page=2",
        "//evil.invalid/fhir/r4?page=2",
        "http://ehr.invalid:8080/fhir/r4?page=2",
        "http://evil.invalid/fhir/r4?page=2",
        "http://u:p@ehr.invalid/fhir/r4?page=2",
        "https://ehr.invalid:8443/fhir/r4?page=2",
        "https://ehr.invalid@evil.invalid/fhir/r4?page=2",
        "https://u:p@ehr.invalid/fhir/r4?page=2",
        "https://ehr.invalid/fhir/r4x?page=2",
        "https://ehr.invalid/fhir/r4/../../admin?page=2",
        "https://ehr.invalid/fhir/r4/%2e%2e/admin?page=2",
        "https://ehr.invalid/other",
        "https://ehr.invalid:x/fhir/r4",
        "file:///etc/passwd",
    ],
)
async def test_a_page_elsewhere_is_not_followed_and_no_part_is_passed_off_as_the_whole(
    wire: respx.MockRouter, ehr: Ehr, following: str
) -> None:
    wire.get(f"{BASE}/Observation").mock(return_value=page("1", following=following))
    with pytest.raises(BadAnswer):
        await ehr.search("Observation", {})
    assert len(wire.calls) == 1


async def test_pages_end_at_the_limit(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.get(f"{BASE}/Observation")
    route.mock(side_effect=[page("1", "2", following=f"{BASE}/Observation?page=2"), page("3", "4")])
    assert len(await ehr.search("Observation", {}, limit=3)) == 3
    assert route.calls[0].request.url.params["_count"] == "3"


async def test_pages_in_a_circle_are_noticed(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.get(f"{BASE}/Observation").mock(
        side_effect=lambda _: page("1", following=f"{BASE}/Observation?page=2")
    )
    with pytest.raises(BadAnswer):
        await ehr.search("Observation", {})
    assert route.call_count == 2


async def test_pages_without_end_are_noticed(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.get(f"{BASE}/Observation")
    route.mock(side_effect=lambda _: page(following=f"{BASE}/Observation?page={route.call_count}"))
    with pytest.raises(BadAnswer):
        await ehr.search("Observation", {})
    assert route.call_count <= 101


@pytest.mark.parametrize(
    "content", [b"{}", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle","entry":7}']
)
async def test_a_search_that_answers_no_bundle_is_bad(
    wire: respx.MockRouter, ehr: Ehr, content: bytes
) -> None:
    wire.get(f"{BASE}/Observation").respond(content=content)
    with pytest.raises(BadAnswer):
        await ehr.search("Observation", {})


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_flood_is_cut_off(wire: respx.MockRouter, ehr: Ehr, compressed: bool) -> None:
    flood = b" " * (21 * 1024 * 1024)
    headers = {"Content-Encoding": "gzip"} if compressed else {}
    content = gzip.compress(flood, 1) if compressed else flood
    wire.get(f"{BASE}/Patient/mia").respond(content=content, headers=headers)
    with pytest.raises(BadAnswer, match="20 MB"):
        await ehr.read("Patient/mia")


async def test_a_broken_encoding_is_bad(wire: respx.MockRouter, ehr: Ehr) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"not gzip at all"

    headers = {"Content-Encoding": "gzip"}
    wire.get(f"{BASE}/Patient/mia").mock(
        side_effect=lambda _: httpx.Response(200, headers=headers, content=broken())
    )
    with pytest.raises(BadAnswer):
        await ehr.read("Patient/mia")
