"""`rapport audit rescore`: a newer version of a form scores stored answers beside their first results, never over them."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.stock import open_stock
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Progress, Verifier
from tests.audit.conftest import Kept, advance, configure
from tests.audit.test_exports import Done, trail_of
from tests.product.test_own_forms import drop, send
from tests.product.world import rapport_settings, run_world
from tests.questionnaires import forms

SUM = "%resource.item.answer.value.weight().sum()"
FIRST = forms.form(forms.question("a"), forms.question("b"), forms.score("sum", SUM), version="1.0.0")
HEAVIER = forms.form(
    forms.question("a", (0, 2, 4, 6)), forms.question("b"), forms.score("sum", SUM), version="2.0.0"
)
SHORTER = forms.form(forms.question("a"), forms.score("sum", SUM), version="2.0.0")
WHY = ("--site", "sandbox", "--instrument", "made-up", "--why", "New weights")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with an answer to the first version of a form, and that form in `own`."""
    folder = tmp_path_factory.mktemp("answered")
    drop(folder / "own", "made-up.json", FIRST)

    async def make() -> None:
        async with run_world(folder, instrument_folders=(folder / "own",)) as world:
            patient = await send(world, "made-up", {"a": "s1", "b": "s3"})
            system = "https://site.invalid/CodeSystem/score"
            await world.delivered(code=f"{system}|sum", patient=patient)

    asyncio.run(make())
    return folder


@dataclass
class Service:
    """An installation whose form may get a newer version."""

    kept: Kept
    environment: dict[str, str]

    def install(self, form: forms.Json) -> None:
        drop(self.kept.folder / "own", "made-up.json", form)

    def run(self, *words: str) -> Done:
        config = ("--config", str(self.kept.folder / "rapport.toml"))
        done = CliRunner().invoke(app, ["audit", *words, *config], env=self.environment)
        return Done(done.exit_code, done.stdout, str(done.exception or ""))

    def trace(self) -> forms.Json:
        done = self.run("trace", self.response, "--json")
        assert done.returncode == 0, done.error
        found: forms.Json = json.loads(done.stdout)
        return found

    def rows(self, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
        engine = open_database(rapport_settings(self.kept.folder).database)
        with engine.connect() as connection:
            found = list(connection.execute(sa.select(table)))
        engine.dispose()
        return found

    @property
    def response(self) -> str:
        (row,) = self.rows(t.response)
        return str(row.id)

    def verify(self) -> list[Finding]:
        asyncio.run(advance(self.kept.folder))
        settings = rapport_settings(self.kept.folder)
        stock = open_stock(wording=None, places=(self.kept.folder / "own",), manner=settings.own_forms.manner)
        key = LogSigner(settings.log_name, settings.log_key).verifier
        verifier = Verifier(
            stock.catalogue, stock.keys, Vault(settings.vault_keys), Tiles(settings.log_folder), key
        )
        engine = open_database(settings.database)
        with engine.connect() as connection:
            found = list(verifier.verify(connection, Progress()))
        engine.dispose()
        return found


@pytest.fixture
def service(answered: Path, tmp_path: Path) -> Service:
    import shutil

    shutil.copytree(answered, tmp_path, dirs_exist_ok=True)
    environment = configure(tmp_path)
    config = tmp_path / "rapport.toml"
    own = f'[server]\ninstruments = ["{tmp_path / "own"}"]\n'
    config.write_text(config.read_text(encoding="utf-8").replace("[server]\n", own), encoding="utf-8")
    return Service(Kept(tmp_path), environment)


def test_the_new_result_stands_beside_the_first(service: Service) -> None:
    before = service.rows(t.response)
    service.install(HEAVIER)
    done = service.run("rescore", *WHY)
    assert (done.returncode, done.stdout.startswith("1 scored by")) == (0, True), done.stdout + done.error
    assert service.rows(t.response) == before
    (again,) = service.trace()["scored again"]
    assert again["form"] == "https://site.invalid/Questionnaire/made-up|2.0.0"
    assert again["scores"] == [{"score": "sum", "first": "4", "again": "5"}]
    assert again["why"] == "New weights"


def test_nothing_of_it_is_to_be_delivered(service: Service) -> None:
    before = service.rows(t.delivery), service.rows(t.attempt)
    service.install(HEAVIER)
    service.run("rescore", *WHY)
    assert (service.rows(t.delivery), service.rows(t.attempt)) == before


def test_the_same_version_scores_once(service: Service) -> None:
    service.install(HEAVIER)
    service.run("rescore", *WHY)
    again = service.run("rescore", *WHY)
    assert "1 were scored by it before" in again.stdout
    assert len(service.rows(t.rescoring)) == 1
    assert len(trail_of(service.kept, "response-rescored")) == 1


def test_what_the_installed_version_scored_itself_is_left(service: Service) -> None:
    assert service.run("rescore", *WHY).stdout.startswith("0 scored by")
    assert service.rows(t.rescoring) == []


def test_answers_that_do_not_fit_are_set_aside_with_the_reason(service: Service) -> None:
    service.install(SHORTER)
    done = service.run("rescore", *WHY)
    assert "1 set aside" in done.stdout
    assert f"response {service.response}: " in done.stdout
    assert service.rows(t.rescoring) == []


def test_it_is_in_the_trail_with_the_reason_and_verifies(service: Service) -> None:
    service.install(HEAVIER)
    service.run("rescore", *WHY)
    (entry,) = trail_of(service.kept, "response-rescored")
    assert entry["purposeOfEvent"][0]["text"] == "New weights"
    found = service.verify()
    # The version that was answered is not installed any more, and that is told; the new one is.
    assert {(str(each.flaw), each.where.split(" ")[0]) for each in found} == {("not-verifiable", "response")}


def test_a_result_that_the_answers_do_not_give_is_named(service: Service) -> None:
    service.install(HEAVIER)
    service.run("rescore", *WHY)
    service.install(forms.form(*HEAVIER["item"][:2], forms.score("sum", f"{SUM} + 1"), version="2.0.0"))
    flaws = {str(each.flaw) for each in service.verify() if each.where.startswith("rescoring")}
    assert flaws == {"mismatch", "wrong-key"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--site", "none", "--instrument", "made-up", "--why", "because"), "There is no site none."),
        (("--site", "sandbox", "--instrument", "none", "--why", "because"), "There is no form none."),
        (("--site", "sandbox", "--instrument", "made-up", "--why", " "), "There is no reason."),
    ],
)
def test_what_cannot_be_done_is_told(service: Service, words: tuple[str, ...], told: str) -> None:
    done = service.run("rescore", *words)
    assert (done.returncode != 0, told in done.error) == (True, True)
