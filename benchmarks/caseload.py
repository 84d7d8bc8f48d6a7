"""How long the supervisor's caseload takes by the number of patients: from the ledger, names from the sandbox EHR where it has them.

Run: python -m benchmarks.caseload [responses a patient] [patients...]. One process, SQLite, interpretation on.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from plugin.access.launches import new_id, open_launch
from plugin.audit import Actor
from plugin.flow import Arrival, submit
from plugin.ledger import tables as t
from plugin.roles import EVERYBODY, Role, RoleBook, Team
from tests.product.forms import ANSWERS, question, response_of
from tests.product.test_administering import sign_in
from tests.product.test_tips import NAMED
from tests.product.world import World, run_world

_SUPERVISOR = "Practitioner/201"
_BOOK = RoleBook({_SUPERVISOR: frozenset({Role.SUPERVISOR})}, teams=(Team((_SUPERVISOR,), (EVERYBODY,)),))
_VIEWS = 7


async def _fill(world: World, first: int, last: int, responses: int) -> None:
    """Give patients their sessions: a launch and a response each, as the routes keep them."""
    rapport = world.rapport.state.rapport
    vault = rapport.ledger.vault
    row = await rapport.ledger.read(lambda c: c.execute(sa.select(t.launch)).first())
    held = open_launch(vault, row)
    codes = ("not-at-all", "a-little", "somewhat", "mostly", "completely")
    for number in range(first, last):
        patient = f"Patient/bench-{number}"
        for place in range(responses):
            when = rapport.clock() - timedelta(days=7 * (responses - place))
            own = replace(
                held, id=new_id(), patient=patient, encounter=f"Encounter/{number}-{place}", created=when
            )
            values = {
                name: getattr(own, name)
                for name in ("id", "site", "patient", "encounter", "user", "created", "expires")
            }
            sealed = row.sealed_context
            await rapport.ledger.bookkeep(
                lambda c, values=values, sealed=sealed: c.execute(
                    t.launch.insert().values(**values, handle="bench", sealed_context=sealed)
                )
            )
            answers = dict.fromkeys(ANSWERS, codes[(number + place) % 5])
            items = [question(link_id, code) for link_id, code in answers.items()]
            identifier = {"system": "urn:bench", "value": f"{number}-{place}"}
            response = response_of(
                patient.removeprefix("Patient/"), item=items, authored=when.isoformat(), identifier=identifier
            )
            body = json.dumps(response).encode()
            await submit(
                rapport.intake,
                Arrival(body, "sandbox", "The benchmark", patient, Actor("Practitioner/202"), launch=own.id),
            )


async def _main(responses: int, sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with run_world(Path(folder), roles=_BOOK, interpretation=NAMED) as world:
            await world.launch("amara", practitioner="202")
            world.rapport.state.rapport.worker.stop()  # nothing is sent: what is timed is looking
            done = 0
            for size in sizes:
                await _fill(world, done, size, responses)
                done = size
                browser, desk = await sign_in(world, "201")
                taken = []
                for _ in range(_VIEWS):
                    begun = time.perf_counter()
                    page = await browser.get(f"{desk.url}/caseload")
                    taken.append((time.perf_counter() - begun) * 1000)
                    assert page.status_code == 200, page.text
                    assert page.text.count("data-patient=") == min(size + 1, 50), page.text
                print(
                    f"{size} patients, {size * responses} responses: median {statistics.median(taken):.0f} ms, "
                    f"slowest {max(taken):.0f} ms, {len(page.content) / 1024:.0f} KB",
                    flush=True,
                )


if __name__ == "__main__":
    asked = [int(each) for each in sys.argv[1:]] or [12, 50, 300]
    asyncio.run(_main(asked[0], asked[1:]))
