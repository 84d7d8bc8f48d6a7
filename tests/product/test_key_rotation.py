"""The signing keys change while processes of before and after serve side by side, and the EHR keeps keys for five minutes."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.errors import SettingsInvalid
from plugin.initial import write_keys
from plugin.signing_folder import read_folder
from sandbox_ehr import RegisteredClient, SandboxSettings, create_app
from smart_launch import PrivateKeyJwt, Site, SmartDirectory, TokenRefused, public_jwks, system_token
from tests.product.world import EHR, RAPPORT, Clock, Hosts


@dataclass
class Installation:
    """A folder of keys, the set that is published, and an EHR that fetches it."""

    folder: Path
    hosts: Hosts
    clock: Clock

    def start(self) -> Site:
        """Start a process: it reads the keys, publishes them, and signs with what it read."""
        keys = tuple(each.key for each in read_folder(self.folder))
        published = FastAPIAnswer(public_jwks(keys))
        self.hosts.apps[RAPPORT.removeprefix("https://")] = httpx.ASGITransport(published)
        return Site(
            id="sandbox",
            name="Sandbox EHR",
            fhir_base=f"{EHR}/r4",
            client_id="rapport",
            authentication=PrivateKeyJwt(keys),
            redirect_uri=f"{RAPPORT}/callback",
            scopes=(),
            backend_scopes=("system/Observation.rs",),
            allow_private_addresses=True,
        )

    async def gets_a_token(self, site: Site) -> bool:
        async with httpx.AsyncClient(transport=self.hosts) as http:
            configuration = await SmartDirectory(clock=self.clock).discover(site, http)
            try:
                await system_token(site, configuration, http=http, now=self.clock())
            except TokenRefused:
                return False
        return True

    def command(self, *words: str) -> str:
        result = CliRunner().invoke(app, ["signing-keys", *words, "--keys", str(self.folder)])
        assert result.exit_code == 0, result.output
        return result.output


class FastAPIAnswer:
    """Serves one JSON document."""

    def __init__(self, document: object) -> None:
        self.document = document

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        from starlette.responses import JSONResponse

        await JSONResponse(self.document)(scope, receive, send)  # type: ignore[arg-type] # an ASGI application


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    write_keys(tmp_path / "keys")
    hosts, clock = Hosts(), Clock()
    client = RegisteredClient(
        client_id="rapport",
        name="Rapport",
        kind="asymmetric",
        jwks_uri=f"{RAPPORT}/.well-known/jwks.json",
        scopes=("system/*.rs",),
    )
    settings = SandboxSettings(base_url=EHR, clients=(client,), seed=False)
    ehr = create_app(settings, clock=clock, http=lambda: httpx.AsyncClient(transport=hosts))
    hosts.add(EHR, ehr)
    with closing(ehr.state.store.database):
        yield Installation(tmp_path / "keys", hosts, clock)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
async def test_processes_of_before_and_after_get_tokens_at_every_step(
    installation: Installation, algorithm: str
) -> None:
    def only(site: Site) -> Site:
        keys = tuple(each for each in site.authentication.keys if each.alg == algorithm)  # type: ignore[union-attr] # set above
        return replace(site, authentication=PrivateKeyJwt(keys))

    before = only(installation.start())
    assert await installation.gets_a_token(before)
    old = before.authentication.signing_key(frozenset()).kid  # type: ignore[union-attr] # set above

    new = installation.command("add", "--algorithm", algorithm).split()[0]
    added = only(installation.start())
    assert [await installation.gets_a_token(each) for each in (before, added)] == [True, True]
    assert added.authentication.signing_key(frozenset()).kid == old  # type: ignore[union-attr] # set above
    installation.clock.pass_time(minutes=6)
    assert await installation.gets_a_token(added)

    installation.command("use", new)
    after = only(installation.start())
    assert after.authentication.signing_key(frozenset()).kid == new  # type: ignore[union-attr] # set above
    assert [await installation.gets_a_token(each) for each in (added, after)] == [True, True]

    installation.clock.pass_time(minutes=10)
    installation.command("retire", old)
    last = only(installation.start())
    installation.clock.pass_time(minutes=6)
    assert await installation.gets_a_token(last)
    assert not await installation.gets_a_token(before)


def test_a_key_that_signs_is_never_deleted(installation: Installation) -> None:
    (signing, *_) = read_folder(installation.folder)
    result = CliRunner().invoke(
        app, ["signing-keys", "retire", signing.key.kid, "--keys", str(installation.folder)]
    )
    assert result.exit_code != 0
    assert len(read_folder(installation.folder)) == 2


def test_a_folder_in_which_nothing_signs_stops_the_start(installation: Installation) -> None:
    for each in read_folder(installation.folder):
        each.path.rename(each.path.with_name(each.path.name.replace(".jwk", ".old.jwk")))
    with pytest.raises(SettingsInvalid, match="signs"):
        read_folder(installation.folder)


def test_a_new_key_is_for_its_owner_only(installation: Installation) -> None:
    installation.command("add")
    assert {each.path.stat().st_mode & 0o777 for each in read_folder(installation.folder)} == {0o600}


def test_a_key_whose_name_begins_with_a_hyphen_can_be_named(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["signing-keys", "retire", "-9x", "--keys", str(tmp_path)])
    assert "No such option" not in told.output
