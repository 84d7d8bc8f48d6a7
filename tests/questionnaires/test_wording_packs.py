"""Wording packs: a licensed site's own texts, here made up, on an instrument that ships without any."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.pages.kinds import asked_of
from questionnaires import BadWordingPack, load_catalogue, load_stock
from tests.questionnaires import forms

ITEMS = {f"item-{number}": f"Placeholder sentence {number}" for number in range(1, 13)}
PACK: dict[str, Any] = {
    "instrument": "tasc-r-child",
    "version": "0.1.0",
    "language": "en",
    "licence": "Used by permission of nobody: placeholder texts of a test.",
    "holder": "A made-up holder",
    "date": "2026-11-01",
    "title": "Placeholder title",
    "intro": "Placeholder introduction",
    "items": ITEMS,
    "options": {"1": "first", "2": "second", "3": "third", "4": "fourth"},
}
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(pack: dict[str, Any], name: str = "en.json") -> Path:
        folder = tmp_path / "tasc-r-child"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(pack), encoding="utf-8")
        return tmp_path

    return write


def test_a_pack_makes_a_licensed_instrument_fillable(save: Save) -> None:
    found = load_catalogue(wording=save(PACK)).by_id("tasc-r-child")
    assert found.fillable
    assert found.languages == ("en",)
    wording = found.wording("en")
    assert (wording.title, wording.intro) == ("Placeholder title", "Placeholder introduction")
    assert wording.items["item-5"] == "Placeholder sentence 5"
    assert wording.options["item-12", "4"] == "fourth"


def test_the_published_form_then_shows_the_texts_and_names_their_licence(save: Save) -> None:
    found = load_catalogue(wording=save(PACK)).by_id("tasc-r-child")
    published = json.loads(found.resource)
    assert published["item"][1]["text"] == "Placeholder sentence 1"
    assert "A made-up holder" in published["copyright"]
    assert "permission of nobody" in published["copyright"]


def test_a_pack_changes_neither_weights_nor_the_hash_of_the_key(save: Save) -> None:
    plain, worded = (
        load_catalogue().by_id("tasc-r-child"),
        load_catalogue(wording=save(PACK)).by_id("tasc-r-child"),
    )
    assert plain.content_hash == worded.content_hash
    assert [item for item in plain.items if item.is_question][4].options[0].weight == 4
    assert [option.weight for item in worded.items for option in item.options] == [
        option.weight for item in plain.items for option in item.options
    ]


def test_a_second_language_stands_beside_the_first(save: Save) -> None:
    save(PACK)
    place = save(
        PACK | {"language": "nb", "title": "Tittel", "items": {k: f"nb {v}" for k, v in ITEMS.items()}},
        "nb.json",
    )
    found = load_catalogue(wording=place).by_id("tasc-r-child")
    assert found.languages == ("en", "nb")
    assert found.wording("nb").items["item-1"] == "nb Placeholder sentence 1"
    assert found.wording("en").items["item-1"] == "Placeholder sentence 1"


def test_an_open_instrument_takes_a_further_language(tmp_path: Path) -> None:
    child = load_catalogue().by_id("rapport-checkin-child")
    pack = PACK | {
        "instrument": "rapport-checkin-child",
        "version": "1.1.0",
        "language": "xx",
        "title": "T",
        "intro": "I",
        "notes": "N",
        "items": {link_id: f"xx {link_id}" for link_id in child.question_ids},
        "options": {option.code: f"xx {option.code}" for item in child.items for option in item.options},
    }
    (tmp_path / "rapport-checkin-child").mkdir()
    (tmp_path / "rapport-checkin-child" / "xx.json").write_text(json.dumps(pack))
    found = load_catalogue(wording=tmp_path).by_id("rapport-checkin-child")
    assert found.languages == ("en", "es", "fr", "de", "pt", "xx")
    assert found.wording("xx").intro == "I"
    assert found.wording("de").intro == child.wording("de").intro


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
    ("pack", "says"),
    [
        (PACK | {"items": without(ITEMS, "item-3")}, "linkId item-3: Its text is missing"),
        (PACK | {"items": ITEMS | {"item-13": "more"}}, "linkId item-13: The instrument has no such item"),
        (PACK | {"options": without(PACK["options"], "2")}, "The text of the option “2” is missing"),
        (PACK | {"options": PACK["options"] | {"5": "fifth"}}, "No item has the option “5”"),
        (
            PACK | {"options": PACK["options"] | {"3": "second"}},
            "linkId item-1: Its options 2, 3 have the same text “second”",
        ),
        (PACK | {"version": "0.2.0"}, "The pack is for version 0.2.0, the instrument is 0.1.0"),
        (PACK | {"instrument": "wai-sr"}, "The pack is for “wai-sr”"),
        (without(PACK, "licence"), "pack.licence: “licence” is missing"),
        (without(PACK, "holder"), "pack.holder: “holder” is missing"),
        (PACK | {"language": "English"}, "pack.language"),
        (PACK | {"items": ITEMS | {"item-1": 1}}, "pack.items.item-1"),
        (PACK | {"items": ITEMS | {"item-1": " "}}, "pack.items.item-1"),
        (PACK | {"colour": "red"}, "There is no property “colour” here"),
    ],
)
def test_a_pack_that_does_not_fit_is_refused(save: Save, pack: dict[str, Any], says: str) -> None:
    with pytest.raises(BadWordingPack) as caught:
        load_catalogue(wording=save(pack))
    assert says in str(caught.value)
    assert "tasc-r-child/en.json" in str(caught.value)


def test_two_packs_of_one_language_are_refused(save: Save) -> None:
    save(PACK)
    with pytest.raises(BadWordingPack, match="its wording in “en” already"):
        load_catalogue(wording=save(PACK, "second.json"))


def test_a_pack_for_no_instrument_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tasc-child").mkdir()
    with pytest.raises(BadWordingPack, match="There is no instrument “tasc-child”"):
        load_catalogue(wording=tmp_path)


def test_a_pack_beside_the_instruments_folders_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasc-r-child.en.json").write_text(json.dumps(PACK), encoding="utf-8")
    (tmp_path / "README.md").write_text("Ours", encoding="utf-8")
    stock = load_stock(wording=tmp_path)
    (left_out,) = stock.left_out
    assert left_out.file.endswith("tasc-r-child.en.json")
    assert "<instrument>/<language>.json" in left_out.problems[0].remedy
    assert "tasc-r-child" in {instrument.id for instrument in stock.instruments}


def test_a_pack_without_title_leaves_a_form_that_has_one_its_own(tmp_path: Path) -> None:
    folder = forms.write(tmp_path / "site" / "made-up", forms.form(forms.question("q1", text="Own text")))
    (folder / "wording").mkdir()
    pack = PACK | {
        "instrument": "made-up",
        "version": "2.0.0",
        "language": "de",
        "items": {"q1": "Eigener Text"},
    }
    pack["options"] = {f"s{index}": f"Stufe {index}" for index in range(4)}
    (folder / "wording" / "de.json").write_text(json.dumps(without(pack, "title")))
    found = load_catalogue(folders=(tmp_path / "site",)).by_id("made-up")
    # Without a title in that language the wording is not complete, so it is not offered.
    assert found.languages == ("en",)


MEANING = {"help": {"item-2": "What it means"}, "help_source": "Manual, page 3"}


def test_a_pack_says_what_a_question_means_where_the_manual_allows_it(save: Save) -> None:
    save(PACK)
    norwegian = {"language": "nb", "help": {"item-2": "Hva det betyr", "item-3": "Og dette"}}
    found = load_catalogue(wording=save(PACK | MEANING | norwegian, "nb.json")).by_id("tasc-r-child")
    assert "item-2-help" not in found.wording("en").items
    assert found.wording("nb").items["item-2-help"] == "Hva det betyr"
    help_of = {each.item.link_id: each.help for each in asked_of(found) if each.help}
    assert help_of == {"item-2": ("item-2-help",), "item-3": ("item-3-help",)}
    assert "Manual, page 3" in json.loads(found.resource)["copyright"]


def test_the_meaning_in_the_forms_first_language_is_its_own_text(save: Save) -> None:
    found = load_catalogue(wording=save(PACK | MEANING)).by_id("tasc-r-child")
    assert found.wording("en").items["item-2-help"] == "What it means"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"help": {"item-2": "What it means"}}, "does not say that the manual allows it"),
        (MEANING | {"help": {"item-99": "What it means"}}, "is no question of the instrument"),
    ],
)
def test_help_that_may_not_be_given_or_belongs_nowhere_is_refused(
    save: Save, change: dict[str, Any], said: str
) -> None:
    place = save(PACK | change)
    assert any(
        said in str(problem) for each in load_stock(wording=place).left_out for problem in each.problems
    )
