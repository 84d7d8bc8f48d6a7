"""Every route, from its OpenAPI description, with values that it should and should not take: none answers 5xx.

Schemathesis makes the requests; they are given to the application directly, signed in as everybody who may be. Places in an
address that name something are given what exists as well as anything else.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core import NotSet
from schemathesis.core.result import Ok

from plugin.roles import STAFF, RoleBook
from tests.asgi import Asked, ask
from tests.product.forms import ANSWERS, response_of
from tests.product.test_administering import sign_in
from tests.product.test_bad_input import app_token
from tests.product.test_cds_hooks import CLIENT
from tests.product.test_personalities import send_form, settled
from tests.product.test_remote import make_link, secret_of
from tests.product.world import RAPPORT, World, run_world

EXAMPLES = 6
BOOK = RoleBook({"Practitioner/206": frozenset(STAFF)})
Json = dict[str, Any]


@dataclass
class Place:
    """A running world, what can be named in it, and how its people are known."""

    loop: asyncio.AbstractEventLoop
    world: World
    known: dict[str, str]
    of_clinician: str
    of_staff: str
    token: str


def cookies_of(browser: httpx.AsyncClient) -> str:
    return "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar if "rapport" in each.domain)


async def furnish(loop: asyncio.AbstractEventLoop, world: World) -> Place:
    """Fill a form, sign in at a desk, send a link."""
    response = await send_form(world)
    await settled(world, response)
    staff, desk = await sign_in(world, "206")
    world.browser = world.new_browser()
    token = await app_token(world)
    page = await world.launch("wei-ling")
    people = await world.people()
    link = await make_link(world, page, f"Patient/{people['wei-ling']}")
    launch = str(page.url).rstrip("/").rpartition("/")[2]
    known = {
        "launch": launch,
        "desk": str(desk.url).rpartition("/")[2],
        "response": response,
        "invitation": str(link.url).rpartition("/")[2],
        "site_id": "sandbox",
        "instrument": "rapport-checkin-child",
        "service": "alliance-patient-view",
        "x-rapport-invitation": secret_of(link),
    }
    return Place(loop, world, known, cookies_of(world.browser), cookies_of(staff), token)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with asyncio.Runner() as runner:
        running = run_world(tmp_path_factory.mktemp("routes"), cds=CLIENT, roles=BOOK)
        world = runner.run(running.__aenter__())
        yield runner.run(furnish(runner.get_loop(), world))
        runner.run(running.__aexit__(None, None, None))


def described(place: Place) -> Json:
    """Give the OpenAPI of all routes; every body is said to be allowed."""
    found: Json = json.loads(json.dumps(place.world.rapport.openapi()))
    anything: Json = {"schema": {}}
    bodies = {"application/json": anything, "application/fhir+json": anything}
    bodies["application/x-www-form-urlencoded"] = {"schema": {"type": "object"}}
    for operations in found["paths"].values():
        for method, operation in operations.items():
            if method in {"post", "put"}:
                operation.setdefault("requestBody", {"content": bodies})
    return found


def body_of(case: schemathesis.Case, sound: bytes | None) -> bytes:
    if sound is not None:
        return sound
    if case.body is None or isinstance(case.body, NotSet):
        return b""
    if isinstance(case.body, bytes):
        return case.body
    if case.media_type == "application/x-www-form-urlencoded" and isinstance(case.body, dict):
        return urlencode(
            {
                str(key).encode("utf-8", "replace"): str(value).encode("utf-8", "replace")
                for key, value in case.body.items()
            }
        ).encode()
    return json.dumps(case.body).encode("utf-8", "replace")


def text(values: Any) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in dict(values or {}).items()]


@dataclass(frozen=True)
class Drawn:
    """What is put in place of generated values: names of what exists, and a whole body."""

    existing: bool
    body: bytes | None


def asked_for(place: Place, case: schemathesis.Case, drawn: Drawn) -> Asked:
    """Turn a case into a request of somebody who is signed in, with a token."""
    known = place.known if drawn.existing else {}
    cookie = place.of_staff if "/desks" in case.path else place.of_clinician
    given_headers = {
        "cookie": cookie,
        "origin": RAPPORT,
        "content-type": case.media_type or "application/json",
        "authorization": f"Bearer {place.token}",
        **{name.lower(): known.get(name.lower(), value) for name, value in text(case.headers)},
    }
    if drawn.existing:
        given_headers["authorization"] = f"Bearer {place.token}"
    path = case.path
    for name, value in text(case.path_parameters):
        path = path.replace(f"{{{name}}}", known.get(name, unquote(value)))
    own = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in given_headers.items())
    return Asked(case.method.upper(), path, tuple(text(case.query)), own, body_of(case, drawn.body))


BODIES = st.none() | st.sampled_from(
    (
        json.dumps({"answers": ANSWERS}).encode(),
        json.dumps(response_of("1001")).encode(),
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 5000,
    )
)


def test_no_route_answers_5xx_whatever_it_is_sent(place: Place) -> None:
    schema = schemathesis.openapi.from_dict(described(place))
    tried, statuses = [], Counter[int]()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=operation.as_strategy(), drawn=st.builds(Drawn, st.sampled_from((True, True, False)), BODIES)
        )
        def answers(case: schemathesis.Case, drawn: Drawn) -> None:
            asked = asked_for(place, case, drawn)
            status = place.loop.run_until_complete(ask(place.world.rapport, asked))
            statuses[status] += 1
            assert 200 <= status < 500, asked

        answers()
        tried.append(f"{operation.method.upper()} {operation.path}")
    assert len(tried) == sum(len(each) for each in place.world.rapport.openapi()["paths"].values())
    assert len(tried) > 60
    # It is let in, and does not only knock.
    assert statuses[200] + statuses[303] > 100, statuses
