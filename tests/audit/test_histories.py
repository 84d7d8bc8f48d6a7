"""What Rapport itself does to a delivery, attempt by attempt and by a person's hand, is no flaw."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.audit import Actor, Kind, Trail
from plugin.audit.log import TransparencyLog
from plugin.delivery import changes, outbox
from plugin.delivery.outbox import Outcome, Room
from plugin.delivery.states import DeliveryState
from plugin.ledger import AuditRow, Ledger, Vault
from plugin.transparency import LogSigner
from plugin.verify import Flaw
from tests.audit.conftest import Kept
from tests.product.test_personalities import send_form
from tests.product.world import Clock, rapport_settings, run_world

WORKER = Actor(display="Delivery worker")


class History:
    """One response that no worker delivers: the tests act in its place, through the outbox."""

    def __init__(self, ledger: Ledger, response: str) -> None:
        self.ledger, self.response, self.clock = ledger, response, Clock()

    def told(self, kind: Kind, *more: str, failure: str | None = None) -> AuditRow:
        about = (f"QuestionnaireResponse/{self.response}", *more)
        return Trail("https://rapport.invalid", self.clock).entry(kind, WORKER, about=about, failure=failure)

    async def begin(self, owner: str = "one") -> outbox.Claimed:
        self.clock.pass_time(hours=1)
        now, room = self.clock(), Room(1, self.clock())
        (claimed,) = await self.ledger.bookkeep(lambda c: outbox.claim(c, owner, now, "sandbox", room))
        return claimed

    async def end(self, claimed: outbox.Claimed, state: DeliveryState, owner: str = "one") -> None:
        now, delivered = self.clock(), state is DeliveryState.DELIVERED
        places = ("Observation/1", "Observation/2") if delivered else ()
        outcome = Outcome(state, "" if delivered else "because", now + timedelta(minutes=1), places)
        await self.ledger.write(
            lambda c: outbox.finish(c, claimed, owner, now, now, outcome),
            self.told(Kind.DELIVERY, *places, failure=None if delivered else str(state)),
        )

    async def retry(self) -> None:
        await self.ledger.write(
            lambda c: changes.retry(c, self.response, self.clock()), self.told(Kind.DELIVERY_RETRIED)
        )

    async def discard(self) -> None:
        await self.ledger.write(
            lambda c: changes.discard(c, self.response, "a test"), self.told(Kind.DELIVERY_DISCARDED)
        )


async def waiting(_: History) -> None:
    """Nothing was tried yet."""


async def under_way(history: History) -> None:
    await history.begin()


async def tried_again(history: History) -> None:
    await history.end(await history.begin(), DeliveryState.SCORED)
    await history.end(await history.begin(), DeliveryState.UNKNOWN)
    await history.end(await history.begin(), DeliveryState.DELIVERED)


async def worker_died(history: History) -> None:
    await history.begin()
    await history.end(await history.begin("two"), DeliveryState.DELIVERED, "two")


async def handed_back(history: History) -> None:
    await history.begin()
    await history.ledger.bookkeep(lambda c: outbox.hand_back(c, "one", history.clock()))


async def lease_lost(history: History) -> None:
    first = await history.begin()
    await history.end(await history.begin("two"), DeliveryState.DELIVERED, "two")
    await history.end(first, DeliveryState.UNKNOWN)  # noted late, and changes nothing


async def held(history: History) -> None:
    await history.end(await history.begin(), DeliveryState.HELD)


async def refused_and_retried(history: History) -> None:
    await history.end(await history.begin(), DeliveryState.REFUSED)
    await history.retry()


async def refused_and_discarded(history: History) -> None:
    await history.end(await history.begin(), DeliveryState.REFUSED)
    await history.discard()


async def discarded_untried(history: History) -> None:
    await history.discard()


async def set_aside(history: History) -> None:
    await history.end(await history.begin(), DeliveryState.SET_ASIDE)


HISTORIES = [
    waiting,
    under_way,
    tried_again,
    worker_died,
    handed_back,
    lease_lost,
    held,
    refused_and_retried,
    refused_and_discarded,
    discarded_untried,
    set_aside,
]


@pytest.fixture(scope="module")
def undelivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A ledger with one response, whose worker was stopped before; gives its folder and the response's id."""
    folder = tmp_path_factory.mktemp("undelivered")

    async def make() -> str:
        async with run_world(folder) as world:
            world.rapport.state.rapport.worker.stop()
            return await send_form(world)

    return folder, asyncio.run(make())


@pytest.mark.parametrize("history", HISTORIES, ids=[each.__name__ for each in HISTORIES])
async def test_a_history_that_rapport_made_is_no_flaw(
    undelivered: tuple[Path, str], tmp_path: Path, history: Callable[[History], Awaitable[None]]
) -> None:
    folder, response = undelivered
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    settings = rapport_settings(tmp_path)
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    await history(History(ledger, response))
    signer = LogSigner(settings.log_name, settings.log_key)
    await TransparencyLog(settings.log_folder, signer, ledger).advance()
    ledger.close()
    assert Kept(tmp_path).verify() == []


async def test_a_clock_that_was_set_back_is_named_at_the_first_entry_after(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await world.launch("amara")
        world.clock.pass_time(hours=-5)
        await world.launch("wei-ling")
        await world.rapport.state.log.advance()
        found = Kept(tmp_path).verify()
    assert [each.flaw for each in found] == [Flaw.WRONG_DATE]
    assert "before that of the entry written before it" in found[0].what
