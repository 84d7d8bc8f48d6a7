"""What the tests of a launch share."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from smart_launch import PrivateKeyJwt, SigningKey, Site, generate_key
from tests.smart_launch.authorization_server import Server, make_site


@pytest.fixture
def server() -> Iterator[Server]:
    with respx.mock(assert_all_called=False) as router:
        yield Server(router)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(scope="session")
def signing_keys() -> dict[str, SigningKey]:
    return {"RS384": generate_key("RS384"), "ES384": generate_key("ES384")}


@pytest.fixture(params=["RS384", "ES384"])
def signing_key(request: pytest.FixtureRequest, signing_keys: dict[str, SigningKey]) -> SigningKey:
    return signing_keys[request.param]


@pytest.fixture
def asymmetric_site(signing_key: SigningKey) -> Site:
    return make_site(authentication=PrivateKeyJwt((signing_key,)), backend_scopes=("system/Observation.crs",))
