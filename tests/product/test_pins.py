"""PINs rest stretched, as OWASP's Password Storage Cheat Sheet asks of scrypt; five are looked at, however fast they come."""

import asyncio
import hashlib
import threading

import pytest

from plugin.access import sessions
from plugin.access.sessions import PIN_ATTEMPTS, hash_pin, is_pin
from tests.product.world import PIN, World
from tests.sharing import COST, PASSES

IN_PAGE = {"Accept": "*/*"}  # as the script of the filled screen asks: the answer says what became of the PIN


@pytest.fixture(autouse=True)
def _stretched_as_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_PASSES", PASSES)
    monkeypatch.setattr(sessions, "_COST", COST)


def test_a_pin_is_stretched_by_sixteen_megabytes_five_times() -> None:
    passes, salt, digest = hash_pin("4711").split("$")
    assert passes == "5"
    made = hashlib.scrypt(b"4711", salt=bytes.fromhex(salt), n=2**14, r=8, p=5, dklen=32)
    assert made.hex() == digest


def test_the_pin_and_no_other_opens() -> None:
    stored = hash_pin("4711")
    assert is_pin("4711", stored)
    assert not is_pin("4712", stored)


def test_a_pin_of_before_its_passes_were_written_down_still_opens() -> None:
    salt = bytes(16)
    digest = hashlib.scrypt(b"4711", salt=salt, n=2**14, r=8, p=1, dklen=32)
    assert is_pin("4711", f"{salt.hex()}${digest.hex()}")


async def lock_of(world: World) -> tuple[str, str]:
    """Hand the device over; gives the address that takes the PIN, and the page's token."""
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    address = f"{page.url}/return"
    lock = await world.browser.get(address)
    return address, lock.text.split('name="csrf" value="')[1].split('"')[0]


async def test_the_right_pin_comes_too_late_while_five_wrong_ones_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, csrf = await lock_of(world)
    looked_at: list[str] = []
    decided = threading.Event()

    def look(pin: str, stored: str) -> bool:  # patched: the five must still be under way when the sixth comes
        looked_at.append(pin)
        return is_pin(pin, stored) if pin == PIN else not decided.wait(30)

    monkeypatch.setattr(sessions, "is_pin", look)
    wrong = [
        asyncio.create_task(world.browser.post(address, data={"csrf": csrf, "pin": "0000"}, headers=IN_PAGE))
        for _ in range(PIN_ATTEMPTS)
    ]
    for _ in range(1000):
        if len(looked_at) == PIN_ATTEMPTS:
            break
        await asyncio.sleep(0.01)
    late = await world.browser.post(address, data={"csrf": csrf, "pin": PIN}, headers=IN_PAGE)
    decided.set()
    assert {each.status_code for each in await asyncio.gather(*wrong)} == {403}
    assert (late.status_code, PIN in looked_at) == (429, False)


async def test_of_many_wrong_pins_at_once_five_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, csrf = await lock_of(world)
    looked_at: list[str] = []

    def look(pin: str, stored: str) -> bool:  # patched: how many were looked at shows nowhere else
        looked_at.append(pin)
        return is_pin(pin, stored)

    monkeypatch.setattr(sessions, "is_pin", look)
    pins = [f"{number:04}" for number in range(24)]
    answers = await asyncio.gather(
        *(world.browser.post(address, data={"csrf": csrf, "pin": each}, headers=IN_PAGE) for each in pins)
    )
    assert len(looked_at) == PIN_ATTEMPTS
    assert {each.status_code for each in answers} == {403, 429}
    assert "too many PINs were wrong" in (await world.browser.get(address)).text
