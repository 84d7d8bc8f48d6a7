"""Writing into the record: what is certain, what is not, and what nobody must learn from an error."""

import json
import re

import httpx
import pytest
import respx

import plugin.ehr
from plugin.ehr import (
    BadAnswer,
    Created,
    Ehr,
    EhrError,
    EhrRefused,
    EhrUnavailable,
    EntryResult,
    Heard,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    RefusalIssue,
    TokenRefused,
)
from tests.ehr.conftest import BASE

BODY = b'{ "resourceType":"Observation", "valueQuantity":{"value":1.50} }'
BUNDLE = b'{"resourceType":"Bundle","type":"transaction","entry":[]}'
TRANSACTED = {"resourceType": "Bundle", "type": "transaction-response"}


def sent(*kinds: str) -> bytes:
    """A transaction that creates one of each kind."""
    entries = [{"resource": {}, "request": {"method": "POST", "url": each}} for each in kinds]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


async def create(ehr: Ehr) -> Created:
    return await ehr.create(BODY, "Observation", if_none_exist=None)


async def test_the_bytes_go_out_as_they_are(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.post(f"{BASE}/Observation").respond(201, headers={"Location": "Observation/17"})
    await ehr.create(BODY, "Observation", if_none_exist="identifier=urn:x|1")
    request = route.calls.last.request
    assert request.content == BODY
    assert request.headers["content-type"] == "application/fhir+json"
    assert request.headers["if-none-exist"] == "identifier=urn:x|1"
    assert request.headers["prefer"] == "return=minimal"


async def test_without_a_condition_none_is_sent(wire: respx.MockRouter, ehr: Ehr) -> None:
    route = wire.post(f"{BASE}/Observation").respond(201, headers={"Location": "Observation/17"})
    await create(ehr)
    assert "if-none-exist" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    "location",
    [
        "Observation/17",
        "/fhir/r4/Observation/17",
        f"{BASE}/Observation/17",
        f"{BASE}/Observation/17/_history/1",
        "http://inner.invalid:8080/Observation/17/_history/1",
        "Observation/17/",
    ],
)
async def test_the_location_is_read_in_every_spelling(
    wire: respx.MockRouter, ehr: Ehr, location: str
) -> None:
    wire.post(f"{BASE}/Observation").respond(201, headers={"Location": location})
    assert await create(ehr) == Created("Observation/17", 201)


async def test_a_resource_that_was_there_already_is_told(wire: respx.MockRouter, ehr: Ehr) -> None:
    wire.post(f"{BASE}/Observation").respond(200, headers={"Content-Location": "Observation/17"})
    assert await create(ehr) == Created("Observation/17", 200)


async def test_a_location_may_be_read_from_the_resource(wire: respx.MockRouter, ehr: Ehr) -> None:
    wire.post(f"{BASE}/Observation").respond(201, json={"resourceType": "Observation", "id": "17"})
    assert await create(ehr) == Created("Observation/17", 201)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(201),
        httpx.Response(201, headers={"Location": "somewhere"}),
        httpx.Response(200, html="Sign in", headers={"Location": "https://ehr.invalid/Account/login"}),
        httpx.Response(201, json={"resourceType": "Patient", "id": "17"}),
        httpx.Response(201, json={"resourceType": "Observation"}),
        httpx.Response(201, json={"resourceType": "Observation", "id": "a b"}),
    ],
)
async def test_a_creation_without_a_place_is_a_bad_answer(
    wire: respx.MockRouter, ehr: Ehr, answer: httpx.Response
) -> None:
    wire.post(f"{BASE}/Observation").mock(return_value=answer)
    with pytest.raises(BadAnswer):
        await create(ehr)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, EhrRefused),
        (302, OutcomeUnknown),
        (303, OutcomeUnknown),
        (307, OutcomeUnknown),
        (308, EhrRefused),
        (400, EhrRefused),
        (401, TokenRefused),
        (403, NotPermitted),
        (404, NotFound),
        (409, EhrRefused),
        (412, EhrRefused),
        (413, EhrRefused),
        (422, EhrRefused),
        (429, EhrUnavailable),
        (500, OutcomeUnknown),
        (501, EhrRefused),
        (502, OutcomeUnknown),
        (503, EhrUnavailable),
        (504, OutcomeUnknown),
        (522, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("way", ["create", "transact"])
async def test_each_status_has_its_error_when_writing(
    wire: respx.MockRouter, ehr: Ehr, status: int, error: type[EhrError], way: str
) -> None:
    wire.post(url__startswith=BASE).respond(status)
    with pytest.raises(EhrError) as caught:
        await (create(ehr) if way == "create" else ehr.transact(BUNDLE))
    assert type(caught.value) is error


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_a_write_that_was_never_sent_is_certain(
    wire: respx.MockRouter, ehr: Ehr, fault: type[Exception]
) -> None:
    wire.post(f"{BASE}/Observation").mock(side_effect=fault)
    with pytest.raises(EhrUnavailable):
        await create(ehr)


@pytest.mark.parametrize(
    "fault",
    [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError],
)
async def test_a_write_that_was_sent_and_lost_is_uncertain(
    wire: respx.MockRouter, ehr: Ehr, fault: type[Exception]
) -> None:
    wire.post(f"{BASE}/Observation").mock(side_effect=fault)
    with pytest.raises(OutcomeUnknown):
        await create(ehr)


async def test_a_transaction_tells_what_became_of_each_entry(wire: respx.MockRouter, ehr: Ehr) -> None:
    entries = [
        {"response": {"status": "201 Created", "location": "QuestionnaireResponse/1/_history/1"}},
        {"response": {"status": "200", "location": f"{BASE}/Observation/2"}},
        {"response": {"status": "201"}, "resource": {"resourceType": "Provenance", "id": "3"}},
    ]
    bundle = sent("QuestionnaireResponse", "Observation", "Provenance")
    route = wire.post(BASE).respond(json={**TRANSACTED, "entry": entries})
    assert await ehr.transact(bundle) == (
        EntryResult(201, "QuestionnaireResponse/1"),
        EntryResult(200, "Observation/2"),
        EntryResult(201, "Provenance/3"),
    )
    assert route.calls.last.request.content == bundle


WHOLE = [{"response": {"status": "201", "location": f"Observation/{own}"}} for own in (1, 2)]


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "transaction-response"},
        {"type": "transaction-response", "entry": WHOLE[:1]},
        {"type": "transaction-response", "entry": [*WHOLE, WHOLE[0]]},
        {"type": "transaction-response", "entry": [WHOLE[0], {"response": {"location": "Observation/2"}}]},
        {
            "type": "transaction-response",
            "entry": [WHOLE[0], {"response": {"status": "201", "location": "Patient/2"}}],
        },
        {
            "type": "transaction-response",
            "entry": [WHOLE[0], {"response": {"status": "304", "location": "Observation/2"}}],
        },
        {"type": "batch-response", "entry": WHOLE},
        {"type": "searchset", "total": 0},
        {"entry": WHOLE},
    ],
)
async def test_a_transaction_is_believed_when_each_entry_is_said_to_stand(
    wire: respx.MockRouter, ehr: Ehr, answer: dict[str, object]
) -> None:
    wire.post(BASE).respond(json={"resourceType": "Bundle", **answer})
    with pytest.raises(BadAnswer):
        await ehr.transact(sent("Observation", "Observation"))


async def test_a_transaction_may_say_of_its_entries_only_that_they_were_taken(
    wire: respx.MockRouter, ehr: Ehr
) -> None:
    wire.post(BASE).respond(json={**TRANSACTED, "entry": [WHOLE[0], {"response": {"status": "201"}}]})
    results = await ehr.transact(sent("Observation", "Observation"))
    assert results == (EntryResult(201, "Observation/1"), EntryResult(201, None))


async def test_a_transaction_with_a_failed_entry_is_refused(wire: respx.MockRouter, ehr: Ehr) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}
    entries = [
        {"response": {"status": "201 Created", "location": "Observation/1"}},
        {"response": {"status": "422 Unprocessable", "outcome": outcome}},
    ]
    wire.post(BASE).respond(json={**TRANSACTED, "entry": entries})
    with pytest.raises(EhrRefused) as caught:
        await ehr.transact(sent("Observation", "Observation"))
    assert (caught.value.status, caught.value.issues) == (422, (RefusalIssue("not-supported"),))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"resourceType":"OperationOutcome"}',
        b'{"resourceType":"Bundle","entry":[{}]}',
        b'{"resourceType":"Bundle","entry":[{"response":{"status":"ok"}}]}',
    ],
)
async def test_a_transaction_that_does_not_say_what_happened_is_a_bad_answer(
    wire: respx.MockRouter, ehr: Ehr, content: bytes
) -> None:
    wire.post(BASE).respond(content=content)
    with pytest.raises(BadAnswer):
        await ehr.transact(BUNDLE)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
async def test_no_error_repeats_token_or_body(wire: respx.MockRouter, ehr: Ehr, status: int) -> None:
    echo = {"issue": [{"code": "invalid", "diagnostics": "Bearer at-s3cret valueQuantity 1.50"}]}
    wire.post(f"{BASE}/Observation").respond(status, json=echo)
    with pytest.raises(EhrError) as caught:
        await create(ehr)
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {ehr!r}"
    assert "s3cret" not in shown
    assert "valueQuantity" not in shown


def test_every_error_stands_in_the_drawing() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", plugin.ehr.__doc__ or ""))
    assert drawn == {each.__name__ for each in EhrError.__subclasses__()}


async def test_what_was_answered_to_each_write_is_heard_and_nothing_of_the_content(
    wire: respx.MockRouter,
) -> None:
    told = {"Location": f"{BASE}/Observation/1/_history/3"}
    wire.post(f"{BASE}/Observation").mock(
        side_effect=[
            httpx.Response(201, headers=told),
            httpx.Response(201, json={"resourceType": "Observation", "id": "2", "note": "private"}),
            httpx.Response(422, json={"resourceType": "OperationOutcome"}),
        ]
    )
    wire.put(f"{BASE}/Observation/1").respond(200, headers={"ETag": 'W/"4"'})
    entry = {"response": {"status": "201 Created", "location": "Observation/9", "etag": 'W/"1"'}}
    wire.post(BASE).respond(json={**TRANSACTED, "entry": [entry]})
    heard = Heard()
    async with httpx.AsyncClient() as http:
        ehr = Ehr(BASE, "token", http, heard=heard)
        await ehr.create(b"{}", "Observation", if_none_exist=None)
        await ehr.create(b"{}", "Observation", if_none_exist=None)
        with pytest.raises(EhrRefused):
            await ehr.create(b"{}", "Observation", if_none_exist=None)
        await Ehr(BASE, "token", http, heard=heard.beside("companion")).update(b"{}", "Observation/1")
        await ehr.transact(sent("Observation"))
    assert str(heard).splitlines() == [
        "POST Observation: 201 Observation/1/_history/3",
        "POST Observation: 201 Observation/2",
        "POST Observation: 422",
        "companion PUT Observation/1: 200 Observation/1/_history/4",
        "POST Bundle: 200",
        "entry 1: 201 Observation/9/_history/1",
    ]
    assert (heard.status(good=True), heard.status(good=False)) == (200, 200)
