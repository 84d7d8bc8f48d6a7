"""A form named by its canonical address on a FHIR server: fetched at start, pinned, and refused when it changes in silence."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from plugin.commands.fetching import fetch_all
from plugin.fetching import read_kept
from plugin.instrument_sections import OwnForms, Pinned
from questionnaires import Manner, Rater, load_stock
from tests.product import public_forms
from tests.product.test_own_forms import TEENAGER, send
from tests.product.world import RAPPORT, Hosts, World, run_world

SERVER = "https://forms.invalid/r4"
FORM = public_forms.by_a_contained_value_set()
PINNED = Pinned("phq-9", f"{FORM['url']}|{FORM['version']}", SERVER)


class Library:
    """A FHIR server with Questionnaires; counts what it is asked."""

    def __init__(self, *forms: dict[str, Any]) -> None:
        self.forms = [*forms]
        self.terms: list[dict[str, Any]] = []
        self.asked = 0
        self.hosts = Hosts()
        app = FastAPI()
        app.add_api_route("/r4/Questionnaire", self.search)
        app.add_api_route("/r4/{kind}", self.search_terms)
        self.hosts.add(SERVER, app)

    def search(self, url: str, version: str) -> dict[str, Any]:
        self.asked += 1
        found = [each for each in self.forms if (each["url"], each["version"]) == (url, version)]
        entries = [{"resource": each, "search": {"mode": "match"}} for each in found]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    def search_terms(self, kind: str, url: str) -> dict[str, Any]:
        found = [each for each in self.terms if (each["resourceType"], each["url"]) == (kind, url)]
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": each} for each in found],
        }

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.hosts)


def own_forms(folder: Path, *pinned: Pinned) -> OwnForms:
    manner = Manner(raters={"phq-9": Rater.CHILD})
    return OwnForms(manner=manner, pinned=pinned or (PINNED,), store=folder / "store")


async def menu(world: World) -> str:
    return (await world.launch(TEENAGER)).text


async def test_a_fetched_form_is_on_the_menu_and_stays_there_without_its_server(tmp_path: Path) -> None:
    library = Library(FORM)
    assert await fetch_all(own_forms(tmp_path), library.http())
    async with run_world(tmp_path, own_forms=own_forms(tmp_path)) as world:
        assert 'value="phq-9"' in await menu(world)
    assert library.asked == 1


async def test_a_form_that_cannot_be_had_is_left_out_and_named(tmp_path: Path) -> None:
    async with run_world(tmp_path, own_forms=own_forms(tmp_path)) as world:
        assert 'value="phq-9"' not in await menu(world)
        health = (await world.browser.get(f"{RAPPORT}/health")).json()
        (left_out,) = health["instruments"]["left_out"]
        assert "forms.invalid could not be reached" in left_out["problems"][0]["found"]


async def test_what_its_server_adds_is_no_change(tmp_path: Path) -> None:
    library = Library(FORM)
    assert await fetch_all(own_forms(tmp_path), library.http())
    library.forms = [FORM | {"id": "7", "meta": {"versionId": "2", "lastUpdated": "2026-01-01T00:00:00Z"}}]
    assert await fetch_all(own_forms(tmp_path), library.http())


async def test_other_content_under_the_same_version_is_refused_and_the_pinned_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = Library(FORM)
    assert await fetch_all(own_forms(tmp_path), library.http())
    stored = (tmp_path / "store" / "phq-9.json").read_bytes()
    library.forms = [FORM | {"title": "PHQ-9, another"}]
    assert not await fetch_all(own_forms(tmp_path), library.http())
    said = capsys.readouterr().out
    assert "now has other content under https://forms.invalid/Questionnaire/phq|4.0.0" in said
    assert (tmp_path / "store" / "phq-9.json").read_bytes() == stored
    assert read_kept(own_forms(tmp_path)).left_out == ()


async def test_a_stored_form_that_somebody_altered_is_left_out(tmp_path: Path) -> None:
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    file = tmp_path / "store" / "phq-9.json"
    file.write_text(json.dumps(FORM | {"title": "altered"}), encoding="utf-8")
    async with run_world(tmp_path, own_forms=own_forms(tmp_path)) as world:
        assert 'value="phq-9"' not in await menu(world)
        health = (await world.browser.get(f"{RAPPORT}/health")).json()
        assert "was changed after it was fetched" in json.dumps(health)


@pytest.mark.parametrize(
    ("forms", "says"),
    [
        ((), "has no Questionnaire"),
        ((FORM, FORM | {"title": "another"}), "has 2 different Questionnaires"),
        ((FORM | {"version": "3.0.0"},), "has no Questionnaire"),
    ],
)
async def test_what_the_server_does_not_have_once_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], forms: tuple[dict[str, Any], ...], says: str
) -> None:
    assert not await fetch_all(own_forms(tmp_path), Library(*forms).http())
    assert says in capsys.readouterr().out


async def test_a_new_version_takes_the_place_of_the_old_which_is_kept_as_an_earlier_one(
    tmp_path: Path,
) -> None:
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    newer = FORM | {"version": "5.0.0"}
    wanted = own_forms(tmp_path, Pinned("phq-9", f"{FORM['url']}|5.0.0", SERVER))
    assert "was not fetched yet" in str(read_kept(wanted).left_out[0])
    assert await fetch_all(wanted, Library(newer).http())
    assert read_kept(wanted).left_out == ()
    assert versions(wanted) == ["5.0.0", FORM["version"]]
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())  # and back again
    assert versions(own_forms(tmp_path)) == [FORM["version"], "5.0.0"]


def versions(forms: OwnForms) -> list[str]:
    """The versions of the fetched form that can be used, that of today first; nothing is left out."""
    kept = read_kept(forms)
    stock = load_stock(places=kept.files, retired=kept.earlier, manner=forms.manner)
    assert (kept.left_out, stock.left_out) == ((), ())
    return [each.version for each in (*stock.instruments, *stock.earlier) if each.url == FORM["url"]]


async def test_a_version_that_changed_while_another_was_in_use_is_refused(tmp_path: Path) -> None:
    wanted = own_forms(tmp_path, Pinned("phq-9", f"{FORM['url']}|5.0.0", SERVER))
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    assert await fetch_all(wanted, Library(FORM | {"version": "5.0.0"}).http())
    changed = json.loads(json.dumps(FORM).replace("LA6569-3", "LA6570-1"))
    assert changed != FORM
    assert not await fetch_all(own_forms(tmp_path), Library(changed).http())
    assert versions(wanted) == ["5.0.0", FORM["version"]]


async def test_a_broken_file_of_an_earlier_version_keeps_nothing_from_starting(tmp_path: Path) -> None:
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    wanted = own_forms(tmp_path, Pinned("phq-9", f"{FORM['url']}|5.0.0", SERVER))
    (tmp_path / "store" / "phq-9.json").write_text("{", encoding="utf-8")
    kept = read_kept(wanted)
    assert kept.earlier == ()
    assert any("phq-9.json was changed after it was fetched" in str(each) for each in kept.left_out)


async def test_while_a_new_version_cannot_be_fetched_what_was_begun_goes_on(tmp_path: Path) -> None:
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    wanted = own_forms(tmp_path, Pinned("phq-9", f"{FORM['url']}|5.0.0", SERVER))
    kept = read_kept(wanted)
    (found,) = load_stock(retired=kept.earlier, manner=wanted.manner).earlier[-1:]
    assert (found.id, found.version) == ("phq-9", FORM["version"])
    assert "was not fetched yet" in str(kept.left_out[0])


async def test_an_earlier_version_that_was_altered_is_not_taken(tmp_path: Path) -> None:
    assert await fetch_all(own_forms(tmp_path), Library(FORM).http())
    wanted = own_forms(tmp_path, Pinned("phq-9", f"{FORM['url']}|5.0.0", SERVER))
    stored = tmp_path / "store" / "phq-9.json"
    whole = stored.read_bytes()
    stored.write_bytes(whole.replace(b"LA6569-3", b"LA6570-1", 1))
    assert not await fetch_all(wanted, Library(FORM | {"version": "5.0.0"}).http())
    stored.write_bytes(whole)
    assert await fetch_all(wanted, Library(FORM | {"version": "5.0.0"}).http())
    (aside,) = (tmp_path / "store" / "before" / "phq-9").glob("*.json")
    aside.write_bytes(whole.replace(b"LA6569-3", b"LA6570-1", 1))
    kept = read_kept(wanted)
    assert kept.earlier == ()
    assert "was changed after it was fetched" in str(kept.left_out[0])


FREQUENCIES = "https://forms.invalid/ValueSet/frequency"
BY_ADDRESS = public_forms.by_a_value_set_elsewhere(FREQUENCIES)
TERMS = public_forms.frequency_terms(FREQUENCIES)


async def test_a_form_whose_options_and_weights_are_elsewhere_on_the_server_is_scored(tmp_path: Path) -> None:
    library = Library(BY_ADDRESS)
    library.terms = TERMS
    assert await fetch_all(own_forms(tmp_path), library.http())
    async with run_world(tmp_path, own_forms=own_forms(tmp_path)) as world:
        answers = {f"/{code}": "LA6571-9" for code in public_forms.PHQ_9}
        patient = await send(world, "phq-9", answers)
        (found,) = await world.delivered(
            code=f"{public_forms.LOINC}|{public_forms.PHQ_9_TOTAL}", patient=patient
        )
        assert found["valueQuantity"]["value"] == 27


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ([], f"Its value set {FREQUENCIES} is not contained in the form"),
        (TERMS[:1], "takes all codes of http://loinc.org, which the form does not contain"),
    ],
)
async def test_a_form_whose_options_are_nowhere_is_left_out_and_says_so(
    tmp_path: Path, terms: list[dict[str, Any]], says: str
) -> None:
    library = Library(BY_ADDRESS)
    library.terms = terms
    await fetch_all(own_forms(tmp_path), library.http())
    async with run_world(tmp_path, own_forms=own_forms(tmp_path)) as world:
        assert 'value="phq-9"' not in await menu(world)
        health = (await world.browser.get(f"{RAPPORT}/health")).json()
        assert says in json.dumps(health["instruments"]["left_out"])


async def test_weights_that_change_under_the_same_version_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = Library(BY_ADDRESS)
    library.terms = TERMS
    assert await fetch_all(own_forms(tmp_path), library.http())
    changed = json.loads(json.dumps(TERMS))
    changed[1]["concept"][0]["property"][0]["valueDecimal"] = 1
    library.terms = changed
    assert not await fetch_all(own_forms(tmp_path), library.http())
    assert "now has other content" in capsys.readouterr().out
