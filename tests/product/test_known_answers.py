"""Answers that real servers are known to give, and that say something else than they seem to: nothing lost, nothing twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from plugin.ledger import tables as t
from plugin.pace import Pace
from plugin.writing import DEFAULT_WRITING
from tests.product.collecting import rows
from tests.product.test_corrections import answered, forbid, settled
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_odd_answers import others_change
from tests.product.test_personalities import FLOWSHEET, Watch, send_form
from tests.product.world import EHR, World, run_world

Answer = Callable[[httpx.Request, httpx.Response | None], httpx.Response | None]
SEARCH = "/r4/QuestionnaireResponse"
ALL = {"QuestionnaireResponse": 1, "Observation": 5}


class Answering(httpx.AsyncBaseTransport):
    """Stands before the EHR and answers in its place, before it has the request (with None) or after it has answered."""

    def __init__(self, world: World, answer: Answer, method: str, path: str, many: int = 1) -> None:
        host = urlsplit(EHR).netloc
        self._ehr, world.hosts.apps[host] = world.hosts.apps[host], self  # type: ignore[assignment]
        self._answer, self._asked, self._left = answer, (method, path), many

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        concerned = self._left > 0 and (request.method, request.url.path) == self._asked
        if concerned and (instead := self._answer(request, None)) is not None:
            self._left -= 1
            return instead
        response = await self._ehr.handle_async_request(request)
        if not concerned:
            return response
        await response.aread()
        instead = self._answer(request, response)
        self._left -= instead is not None
        return instead or response


def refusal(status: int, code: str | None = None) -> httpx.Response:
    issue = {"severity": "error", "code": code}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return httpx.Response(status, json=outcome) if code else httpx.Response(status)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "processing"),  # HAPI, of two writes at the same time
        (409, "conflict"),  # Azure and LinuxForHealth, of the same
        (409, None),
        (423, "lock-error"),  # a record that is being merged, or loaded
        (425, None),
        (400, "transient"),
        (409, "throttled"),
        (422, "timeout"),
    ],
)
async def test_a_refusal_that_passes_by_itself_costs_no_score(
    tmp_path: Path, status: int, code: str | None
) -> None:
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        Answering(world, lambda _, answer: answer or refusal(status, code), "POST", "/r4/Observation")
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL


async def test_a_conflict_over_what_the_ehr_has_taken_already_is_looked_into(tmp_path: Path) -> None:
    """A gateway that repeats a creation by itself hears of the second that it is a duplicate."""
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        Answering(world, lambda _, answer: answer and refusal(409, "duplicate"), "POST", "/r4/Observation")
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL


async def test_a_conflict_that_does_not_pass_is_told_with_what_stands_there(tmp_path: Path) -> None:
    quick = replace(DEFAULT_WRITING, pace=Pace(longest_pause=timedelta(seconds=1)))
    async with run_world(tmp_path, personality="veradigm", writing=quick) as world:
        watch = Watch(world)
        Answering(world, lambda _, __: refusal(409, "conflict"), "POST", "/r4/Observation", many=100)
        await send_form(world)
        row = await settled(world, "refused")
        (response,) = watch.new()
        assert row.detail == "The EHR refused it (HTTP 409: conflict)."
        assert row.locations == f"QuestionnaireResponse/{response['id']}"
        assert len(await rows(world, t.attempt)) == 10


async def test_a_version_that_is_no_more_is_read_again_where_the_ehr_says_409_of_it(tmp_path: Path) -> None:
    """HAPI does, and Azure and LinuxForHealth did, as STU3 had it: R4 says 412."""
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        place = f"/r4/DocumentReference/{watch.of('DocumentReference')[0]['id']}"
        Answering(
            world,
            lambda _, answer: refusal(409, "processing") if answer and answer.status_code == 412 else None,
            "PUT",
            place,
        )
        await forbid(world, "PUT", "/r4/DocumentReference/*", kind="latency", seconds=1.5, count=1)
        await mark(world, response)
        await others_change(world, watch, "DocumentReference", description="Read by the team")
        await settled(world)
        (document,) = watch.of("DocumentReference")
        assert (document["status"], document["description"]) == ("entered-in-error", "Read by the team")


async def test_a_search_is_not_answered_with_what_it_found_a_minute_ago(tmp_path: Path) -> None:
    """HAPI, and what is built of it, keeps the results of a search for 60 seconds, those that are empty as well."""
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        kept: dict[httpx.URL, httpx.Response] = {}

        def from_before(request: httpx.Request, answer: httpx.Response | None) -> httpx.Response | None:
            if answer is not None:
                kept.setdefault(request.url, answer)
            elif request.headers.get("cache-control") != "no-cache" and request.url in kept:
                return httpx.Response(200, content=kept[request.url].content)
            return None

        Answering(world, from_before, "GET", SEARCH)
        await forbid(world, "POST", SEARCH, kind="failed", count=1)
        await forbid(world, "POST", SEARCH, kind="failed-after-commit", count=1)
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL


async def test_what_a_search_shows_some_seconds_late_is_not_written_twice(tmp_path: Path) -> None:
    """HealthLake, Azure on Cosmos DB and LinuxForHealth write their index after they have answered."""
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        shown = world.clock() + timedelta(
            seconds=8
        )  # the clock stands still until the first attempt has ended

        def late(_: httpx.Request, answer: httpx.Response | None) -> httpx.Response | None:
            empty = {"resourceType": "Bundle", "type": "searchset"}
            return httpx.Response(200, json=empty) if not answer and world.clock() < shown else None

        Answering(world, late, "GET", SEARCH, many=100)
        await forbid(world, "POST", SEARCH, kind="failed-after-commit", count=1)
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL


@pytest.mark.parametrize("instead", [httpx.Response(404, text="default backend - 404"), httpx.Response(403)])
async def test_a_gateway_that_knows_no_capability_statement_for_a_while_refuses_no_result(
    tmp_path: Path, instead: httpx.Response
) -> None:
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        Answering(world, lambda _, __: instead, "GET", "/r4/metadata", many=2)
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL


async def test_a_byte_order_mark_before_the_json_of_an_answer_keeps_nothing_back(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)

        def mark_order(_: httpx.Request, answer: httpx.Response | None) -> httpx.Response | None:
            return answer and httpx.Response(200, content=b"\xef\xbb\xbf" + answer.content)

        Answering(world, mark_order, "GET", "/r4/metadata", many=100)
        Answering(world, mark_order, "GET", SEARCH, many=100)
        await forbid(world, "POST", SEARCH, kind="failed-after-commit", count=1)
        await send_form(world)
        await settled(world)
        assert watch.counts() == ALL
