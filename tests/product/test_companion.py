"""A companion FHIR server beside the EHR: it takes everything, the EHR what it can."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.delivery.outbox import DeliveryState
from plugin.site_sections import COMPANION_SCOPES
from plugin.writing import WriterKind, Writing
from sandbox_ehr import RegisteredClient, SandboxSettings
from sandbox_ehr import create_app as create_ehr
from smart_launch import PrivateKeyJwt, Site, public_jwks
from tests.product.test_personalities import Watch, send_form, settled
from tests.product.world import EHR, SIGNING_KEY, World, run_world

COMPANION = "https://companion.invalid"
SITE = Site(
    id="sandbox-companion",
    name="Companion",
    fhir_base=f"{COMPANION}/r4",
    client_id="rapport",
    authentication=PrivateKeyJwt((SIGNING_KEY,)),
    redirect_uri="",
    scopes=(),
    backend_scopes=COMPANION_SCOPES,
    allow_private_addresses=True,
)
BESIDE = Writing(companion=SITE)
ALONE = Writing(writers=(WriterKind.COMPANION,), companion=SITE)


@asynccontextmanager
async def two_servers(folder: Path, personality: str, writing: Writing) -> AsyncIterator[tuple[World, Watch]]:
    """A world with a companion: an empty FHIR server without people."""
    client = RegisteredClient(
        client_id="rapport",
        name="Rapport",
        kind="asymmetric",
        jwks=public_jwks((SIGNING_KEY,)),
        scopes=COMPANION_SCOPES,
    )
    async with run_world(folder, personality=personality, writing=writing) as world:
        settings = SandboxSettings(base_url=COMPANION, clients=(client,), seed=False)
        companion = create_ehr(settings, clock=world.clock)
        world.hosts.add(COMPANION, companion)
        with closing(companion.state.store.database):
            yield world, Watch(replace(world, ehr=companion))


def patient_of(resource: dict[str, Any]) -> Any:
    return resource["subject"]["reference"]


async def test_the_companion_takes_what_a_read_only_ehr_does_not(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "read-only", BESIDE) as (world, companion):
        ehr = Watch(world)
        account = await settled(world, await send_form(world))
        assert account.state is DeliveryState.DELIVERED, account.detail
        assert ehr.counts() == {}
        expected = {"Patient": 1, "QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}
        assert companion.counts() == expected
        assert all(each.startswith(f"{COMPANION}/r4/") for each in account.locations)


async def test_both_take_it_where_both_can(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "full", BESIDE) as (world, companion):
        ehr = Watch(world)
        await settled(world, await send_form(world))
        assert ehr.counts()["Observation"] == companion.counts()["Observation"] == 5


async def test_the_companion_alone_needs_no_token_of_the_ehr(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "full", ALONE) as (world, companion):
        ehr = Watch(world)
        account = await settled(world, await send_form(world))
        assert (account.state, ehr.counts()) == (DeliveryState.DELIVERED, {})
        assert companion.counts()["QuestionnaireResponse"] == 1


async def test_its_patient_is_only_an_address_and_everybody_else_an_identifier(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "full", ALONE) as (world, companion):
        people = await world.people()
        await settled(world, await send_form(world))
        (patient,) = companion.of("Patient")
        assert set(patient) == {"resourceType", "id", "meta", "identifier"}
        home = f"{EHR}/r4"
        assert patient["identifier"] == [{"system": home, "value": f"Patient/{people['amara']}"}]
        (response,) = companion.of("QuestionnaireResponse")
        assert patient_of(response) == f"Patient/{patient['id']}"
        practitioner = {"system": home, "value": f"Practitioner/{people['practitioner']}"}
        assert response["author"] == {"type": "Practitioner", "identifier": practitioner}
        assert {patient_of(each) for each in companion.of("Observation")} == {f"Patient/{patient['id']}"}


async def test_a_second_response_finds_the_patient_again(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "full", ALONE) as (world, companion):
        for _ in range(2):
            world.browser = world.new_browser()
            await settled(world, await send_form(world))
            world.clock.pass_time(minutes=1)
        assert (len(companion.of("Patient")), len(companion.of("QuestionnaireResponse"))) == (1, 2)


@pytest.mark.parametrize("kind", ["failed-after-commit", "unavailable"])
async def test_a_disturbed_companion_gets_it_once_and_so_does_the_ehr(tmp_path: Path, kind: str) -> None:
    async with two_servers(tmp_path, "full", BESIDE) as (world, companion):
        ehr = Watch(world)
        asked = {"kind": kind, "method": "POST", "path": "/r4", "count": 1}
        assert (await world.browser.post(f"{COMPANION}/sandbox/faults", json=asked)).status_code == 201
        account = await settled(world, await send_form(world))
        assert account.state is DeliveryState.DELIVERED, account.detail
        assert ehr.counts()["Observation"] == companion.counts()["Observation"] == 5


async def test_while_the_companion_is_away_the_ehr_has_it_and_the_page_says_what_is_missing(
    tmp_path: Path,
) -> None:
    async with two_servers(tmp_path, "full", BESIDE) as (world, _):
        ehr = Watch(world)
        world.hosts.cut.add("companion.invalid")
        response = await send_form(world)
        with pytest.raises(AssertionError, match="Companion server: "):
            await settled(world, response, tries=50)
        assert ehr.counts()["QuestionnaireResponse"] == 1
        world.hosts.cut.clear()
        assert (await settled(world, response)).state is DeliveryState.DELIVERED
        assert ehr.counts()["QuestionnaireResponse"] == 1
