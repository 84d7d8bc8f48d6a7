"""Answers of an EHR that cannot be believed: what they are about is looked for in the record before it counts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.delivery.reacting import MOST_UNSHOWN
from plugin.ledger import tables as t
from plugin.writing import DEFAULT_WRITING, Writing
from tests.product.collecting import rows
from tests.product.test_corrections import amend, answered, retry, settled
from tests.product.test_later_versions import ALL, CORRECTING, mark
from tests.product.test_personalities import Watch
from tests.product.world import World, run_world

Answer = Callable[[], httpx.Response]
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
SIGN_IN: Answer = lambda: httpx.Response(200, html="<html>Sign in</html>")  # noqa: E731 -- one of a table
NOTHING_DONE: dict[str, Answer] = {
    "a page to sign in": SIGN_IN,
    "an error": lambda: httpx.Response(200, json=OUTCOME),
    "a Bundle": lambda: httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset"}),
    "accepted": lambda: httpx.Response(202),
    "empty": lambda: httpx.Response(200),
    "no content": lambda: httpx.Response(204),
}


class Odd(httpx.AsyncBaseTransport):
    """The sandbox EHR, which answers oddly to the first `times` requests with a method to a path."""

    def __init__(
        self, world: World, method: str, path: str, answer: Answer, *, times: int, does: bool
    ) -> None:
        self._ehr = world.hosts.apps["ehr.invalid"]
        self._of = method, path
        self._answer, self._left, self._does = answer, times, does
        world.hosts.apps["ehr.invalid"] = self  # type: ignore[assignment]  # any transport will do

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, path = self._of
        odd = self._left and request.method == method and request.url.path.startswith(path)
        if not odd:
            return await self._ehr.handle_async_request(request)
        self._left -= 1
        if self._does:
            await self._ehr.handle_async_request(request)
        return self._answer()


def statuses(watch: Watch) -> set[str]:
    return {each["status"] for each in watch.new() if each["resourceType"] != "Provenance"}


def totals(watch: Watch) -> list[Any]:
    values = (each.get("valueQuantity", {}).get("value") for each in watch.of("Observation"))
    return sorted(each for each in values if each is not None)


@pytest.mark.parametrize("what", NOTHING_DONE)
async def test_a_correction_that_was_answered_and_not_done_is_done_again(tmp_path: Path, what: str) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        # One of the set is changed, and two are only said to be.
        Odd(world, "PUT", "/r4/", NOTHING_DONE[what], times=2, does=False)
        await amend(world)
        await settled(world)
        assert statuses(watch) == {"amended"}
        assert totals(watch) == [8, 8, 8, 24]
        assert [each.state for each in await rows(world, t.attempt)] == ["delivered", "unknown", "delivered"]


async def test_what_was_said_to_be_entered_in_error_and_is_not_is_marked_again(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        own = await answered(world)
        await settled(world)
        Odd(world, "PUT", "/r4/", SIGN_IN, times=3, does=False)
        await mark(world, own)
        await settled(world)
        assert statuses(watch) == {"entered-in-error"}


@pytest.mark.parametrize("status", [200, 204])
async def test_a_correction_that_is_done_and_answered_with_nothing_is_believed_when_it_is_seen(
    tmp_path: Path, status: int
) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        Odd(world, "PUT", "/r4/", lambda: httpx.Response(status), times=99, does=True)
        await amend(world)
        await settled(world)
        assert (statuses(watch), totals(watch)) == ({"amended"}, [8, 8, 8, 24])
        assert [each.state for each in await rows(world, t.attempt)] == ["delivered", "delivered"]


def as_kept_by_some(resource: dict[str, Any]) -> None:
    """Show a resource as an EHR keeps it that has no versions, one word for what is right, and days."""
    resource.pop("meta", None)
    resource["status"] = {"amended": "final", "completed": "final"}.get(
        resource["status"], resource["status"]
    )
    if "effectiveDateTime" in resource:
        resource["effectiveDateTime"] = resource["effectiveDateTime"][:10]
    if "valueQuantity" in resource:
        resource["valueQuantity"] = {"value": resource["valueQuantity"]["value"]}
    for item in resource.get("item", ()):
        for answer in item.get("answer", ()):
            answer.get("valueCoding", {})["version"] = "1"


def as_before(resource: dict[str, Any]) -> None:
    """Show a resource as if no change of it had ever come."""
    resource.pop("meta", None)
    resource["status"] = "preliminary"


class Shown(httpx.AsyncBaseTransport):
    """The sandbox EHR, which shows each resource that is changed or read by `show`."""

    def __init__(self, world: World, show: Callable[[dict[str, Any]], None]) -> None:
        self._ehr, self._show, self.puts = world.hosts.apps["ehr.invalid"], show, 0
        world.hosts.apps["ehr.invalid"] = self  # type: ignore[assignment]  # any transport will do

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._ehr.handle_async_request(request)
        self.puts += request.method == "PUT"
        await answer.aread()
        if not request.url.path.startswith("/r4/") or not answer.content:
            return answer
        resource = answer.json()
        if resource.get("resourceType") in ("Observation", "QuestionnaireResponse"):
            self._show(resource)
        return httpx.Response(answer.status_code, json=resource)


async def test_a_correction_that_the_ehr_keeps_in_its_own_way_is_believed_at_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        own = await answered(world)
        await settled(world)
        shown = Shown(world, as_kept_by_some)
        await amend(world)
        assert (await settled(world)).state == "delivered"
        assert shown.puts == 6
        await mark(world, own)
        assert (await settled(world)).state == "delivered"
        assert shown.puts == 12


async def test_a_correction_that_the_record_never_shows_ends_with_its_addresses(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        await answered(world)
        await settled(world)
        shown = Shown(world, as_before)
        await amend(world)
        for _ in range(500):
            (row,) = await rows(world, t.delivery)
            if row.state == "refused":
                break
            if row.owner is None:  # else its lease would end
                world.clock.pass_time(minutes=10)
            world.rapport.state.rapport.worker.wake()
            await asyncio.sleep(0.02)
        assert (row.state, shown.puts) == ("refused", 6 * MOST_UNSHOWN), row.detail
        assert "correct it there by hand" in row.detail
        assert sum(each.startswith("Observation/") for each in row.locations.split()) == 5


def transacted(*entries: dict[str, Any], kind: str = "transaction-response") -> Answer:
    return lambda: httpx.Response(200, json={"resourceType": "Bundle", "type": kind, "entry": entries})


ONE = {"response": {"status": "201 Created", "location": "QuestionnaireResponse/1/_history/1"}}


async def test_where_it_stands_is_looked_up_if_a_transaction_does_not_say_so(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        taken = transacted(*[{"response": {"status": "201 Created"}}] * 7)
        Odd(world, "POST", "/r4", taken, times=1, does=True)
        await answered(world)
        row = await settled(world)
        assert sum(each.startswith("Observation/") for each in row.locations.split()) == 5
        assert [each.state for each in await rows(world, t.attempt)] == ["delivered"]


@pytest.mark.parametrize("does", [False, True])
@pytest.mark.parametrize(
    "answer", [transacted(), transacted(kind="searchset"), transacted(ONE)], ids=["none", "search", "one"]
)
async def test_a_transaction_that_is_not_answered_entry_by_entry_is_looked_up(
    tmp_path: Path, answer: Answer, does: bool
) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        Odd(world, "POST", "/r4", answer, times=1, does=does)
        await answered(world)
        await settled(world)
        assert watch.counts() == {"QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}
        assert [each.state for each in await rows(world, t.attempt)] == ["unknown", "delivered"]


class Lost(httpx.AsyncBaseTransport):
    """The sandbox EHR, which shows none of its Observations until one is sent."""

    def __init__(self, world: World) -> None:
        self._ehr = world.hosts.apps["ehr.invalid"]
        self._shows = False
        world.hosts.apps["ehr.invalid"] = self  # type: ignore[assignment]  # any transport will do

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        of_observations = request.url.path.startswith("/r4/Observation")
        self._shows |= request.method == "POST" and of_observations
        if self._shows or request.method != "GET" or not of_observations:
            return await self._ehr.handle_async_request(request)
        if request.url.path == "/r4/Observation":
            return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "total": 0})
        return httpx.Response(410)


async def test_what_a_conditional_creation_finds_of_an_earlier_version_is_changed(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        Lost(world)
        await amend(world)
        await settled(world)
        assert (statuses(watch), totals(watch)) == ({"amended"}, [8, 8, 8, 24])
        assert len(watch.of("Observation")) == 5


@pytest.mark.parametrize("writing", [DEFAULT_WRITING, ALL], ids=["alone", "several"])
async def test_scores_of_answers_that_the_ehr_refused_are_held_back(tmp_path: Path, writing: Writing) -> None:
    async with run_world(tmp_path, writing=writing, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        own = await answered(world, source={"reference": "Practitioner/999999"})
        row = await settled(world, "refused")
        assert {each["resourceType"] for each in watch.new()} <= {"DocumentReference", "Observation"}
        assert not any("derivedFrom" in each or "hasMember" in each for each in watch.of("Observation"))
        assert len(watch.of("Observation")) == (1 if writing is ALL else 0)  # the row of the flowsheet
        assert "QuestionnaireResponse: The EHR refused it (HTTP 422: not-found" in row.detail
        assert "Its scores wait for it" in row.detail
        page = await world.launch("amara")
        single = await world.browser.get(f"{page.url}/responses/{own}")
        assert "Refused by the EHR" in page.text
        assert "In the record" not in page.text
        assert "Its scores wait for it" in single.text


class Panel(httpx.AsyncBaseTransport):
    """The sandbox EHR, which refuses Observations that have members."""

    def __init__(self, world: World) -> None:
        self._ehr = world.hosts.apps["ehr.invalid"]
        world.hosts.apps["ehr.invalid"] = self  # type: ignore[assignment]  # any transport will do

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and b'"hasMember"' in await request.aread():
            return httpx.Response(422, json=OUTCOME)
        return await self._ehr.handle_async_request(request)


async def test_a_panel_that_the_ehr_refused_is_not_called_delivered(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        Panel(world)
        own = await answered(world)
        row = await settled(world, "refused")
        assert "The record holds only a part of the scores" in row.detail
        assert len(row.locations.split()) == len(watch.new()) == 5
        world.hosts.apps["ehr.invalid"] = httpx.ASGITransport(world.ehr)
        await retry(world, own)
        await settled(world)
        assert len(watch.of("Observation")) == 5
