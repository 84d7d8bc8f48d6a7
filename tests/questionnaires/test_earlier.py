"""Earlier versions of a form: they carry on what was begun by them, and are begun no more."""

import json
from pathlib import Path

import pytest

from questionnaires import BadInstrument, Catalogue, load_catalogue, load_stock
from tests.questionnaires import forms

URL = "https://site.invalid/Questionnaire/made-up"
CHECKINS = ("rapport-checkin-child", "rapport-checkin-adolescent", "rapport-checkin-caregiver")


def version(number: str, text: str = "Text", **more: object) -> forms.Json:
    return forms.form(forms.question("a", text=text), version=number) | more


def as_folder(place: Path) -> Path:
    """Today's version in the folder of an instrument, the first in `earlier/` within."""
    forms.write(place / "ours", version("2.0.0"))
    forms.write(place / "ours" / "earlier" / "1.0.0", version("1.0.0"))
    return place


def as_files(place: Path) -> Path:
    """Today's version as a file, the first in `earlier/` beside it."""
    (place / "earlier" / "ours").mkdir(parents=True)
    (place / "ours.json").write_text(json.dumps(version("2.0.0")), encoding="utf-8")
    (place / "earlier" / "ours" / "first.json").write_text(json.dumps(version("1.0.0")), encoding="utf-8")
    return place


@pytest.fixture(params=[as_folder, as_files])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Catalogue:
    return load_catalogue(folders=(request.param(tmp_path),))


def test_an_earlier_version_is_found_by_its_address_under_the_id_of_today(catalogue: Catalogue) -> None:
    assert (catalogue.by_canonical(f"{URL}|1.0.0").id, catalogue.by_id("ours").version) == ("ours", "2.0.0")


def test_only_the_version_of_today_is_listed(catalogue: Catalogue) -> None:
    assert [each.version for each in catalogue.all() if each.id == "ours"] == ["2.0.0"]
    assert {each.version for each in catalogue.versions() if each.id == "ours"} == {"2.0.0", "1.0.0"}


def test_what_names_the_earlier_version_is_led_to_the_one_of_today(catalogue: Catalogue) -> None:
    led = [catalogue.latest(each) for each in (URL, f"{URL}|1.0.0", f"{URL}|7", "https://a.invalid/other")]
    assert [each and each.version for each in led] == ["2.0.0", "2.0.0", "2.0.0", None]


@pytest.mark.parametrize(
    ("earlier", "says"),
    [
        (version("2.0.0"), "Version 2.0.0 is there already"),
        (version("1.0.0", url="https://site.invalid/Questionnaire/other"), "not an earlier version of"),
        (
            version(
                "1.0.0",
                extension=[{"url": f"{forms.BASE}/StructureDefinition/rater", "valueCode": "caregiver"}],
            ),
            "answered by the caregiver, the form of today by the child",
        ),
        ({"resourceType": "Bundle", "type": "collection"}, "It is a Bundle, not a Questionnaire"),
    ],
)
def test_what_is_no_earlier_version_is_named_and_the_form_of_today_works(
    tmp_path: Path, earlier: forms.Json, says: str
) -> None:
    forms.write(tmp_path / "ours", version("2.0.0"))
    forms.write(tmp_path / "ours" / "earlier" / "old", earlier)
    stock = load_stock(places=(tmp_path,))
    (left_out,) = stock.left_out
    assert says in str(left_out)
    assert left_out.file.endswith("earlier/old/questionnaire.json")
    assert "ours" in {each.id for each in stock.instruments}
    with pytest.raises(BadInstrument, match="ours"):
        load_catalogue(folders=(tmp_path,))


def test_two_earlier_files_of_one_version_are_told(tmp_path: Path) -> None:
    as_folder(tmp_path)
    forms.write(tmp_path / "ours" / "earlier" / "again", version("1.0.0", text="Another"))
    (left_out,) = load_stock(places=(tmp_path,)).left_out
    assert "Version 1.0.0 is there already" in str(left_out)


@pytest.mark.parametrize("instrument", CHECKINS)
def test_the_first_check_in_differs_from_the_second_in_what_is_said_of_meaning_alone(instrument: str) -> None:
    catalogue = load_catalogue()
    now = catalogue.by_id(instrument)
    first = catalogue.by_canonical(f"{now.url}|1.0.0")
    of_now, of_first = (json.loads(each.resource) for each in (now, first))
    helped = [item.pop("item") for item in of_now["item"] if item["type"] == "choice"]
    assert len(helped) == 6
    for form in (of_now, of_first):
        del form["version"], form["date"]
    assert of_now == of_first


@pytest.mark.parametrize("instrument", CHECKINS)
def test_each_statement_of_a_check_in_is_explained_in_every_language_of_the_form(instrument: str) -> None:
    form = load_catalogue().by_id(instrument)
    for language, wording in form.wordings.items():
        explained = {link: text for link, text in wording.items.items() if link.endswith("-help")}
        assert len(explained) == 6, language
        assert len(set(explained.values())) == 6, language


def pack(number: str, text: str) -> forms.Json:
    options = {f"s{step}": f"{text} {step}" for step in range(4)}
    known = {"instrument": "ours", "version": number, "language": "nb", "licence": "ours", "holder": "us"}
    return known | {"date": "2026-01-01", "title": "T", "items": {"a": text}, "options": options}


def test_an_earlier_version_keeps_its_own_wording_packs(tmp_path: Path) -> None:
    as_folder(tmp_path / "own")
    place = tmp_path / "wording" / "ours"
    (place / "earlier" / "first").mkdir(parents=True)
    (place / "nb.json").write_text(json.dumps(pack("2.0.0", "nå")), encoding="utf-8")
    (place / "earlier" / "first" / "nb.json").write_text(json.dumps(pack("1.0.0", "før")), encoding="utf-8")
    catalogue = load_catalogue(folders=(tmp_path / "own",), wording=tmp_path / "wording")
    told = {each.version: each.wording("nb").items["a"] for each in catalogue.versions() if each.id == "ours"}
    assert told == {"2.0.0": "nå", "1.0.0": "før"}


def test_a_form_that_is_broken_today_leaves_the_versions_before_it_in_use(tmp_path: Path) -> None:
    as_files(tmp_path)
    (tmp_path / "ours.json").write_text("{", encoding="utf-8")
    stock = load_stock(places=(tmp_path,))
    assert [(each.id, each.version) for each in stock.earlier if each.url == URL] == [("ours", "1.0.0")]
    assert len(stock.left_out) == 1


def test_a_form_that_is_begun_no_more_is_kept_by_its_earlier_versions_alone(tmp_path: Path) -> None:
    as_files(tmp_path)
    (tmp_path / "ours.json").unlink()
    catalogue = load_catalogue(folders=(tmp_path,))
    assert catalogue.by_canonical(f"{URL}|1.0.0").id == "ours"
    assert "ours" not in {each.id for each in catalogue.all()}


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("earlier/ours.json", "Move it to earlier/<name of the form>/"),
        (
            "earlier/other/1.json",
            "It is an earlier version of ours. Move it to earlier/ours/ beside that form",
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_named(tmp_path: Path, place: str, says: str) -> None:
    (tmp_path / "ours.json").write_text(json.dumps(version("2.0.0")), encoding="utf-8")
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(json.dumps(version("1.0.0")), encoding="utf-8")
    (left_out,) = load_stock(places=(tmp_path,)).left_out
    assert says in str(left_out)


def test_the_versions_before_a_folder_may_stand_beside_it_too(tmp_path: Path) -> None:
    forms.write(tmp_path / "ours", version("2.0.0"))
    forms.write(tmp_path / "earlier" / "ours" / "first", version("1.0.0"))
    assert load_catalogue(folders=(tmp_path,)).by_canonical(f"{URL}|1.0.0").id == "ours"


def test_a_pack_for_no_version_that_is_kept_is_named(tmp_path: Path) -> None:
    as_folder(tmp_path / "own")
    place = tmp_path / "wording" / "ours" / "earlier"
    place.mkdir(parents=True)
    (place / "nb.json").write_text(json.dumps(pack("0.9.0", "før")), encoding="utf-8")
    (left_out,) = load_stock(places=(tmp_path / "own",), wording=tmp_path / "wording").left_out
    assert "It is for no version of “ours” that is kept here" in str(left_out)


@pytest.mark.parametrize("instrument", CHECKINS)
def test_both_versions_of_a_check_in_ask_and_count_alike(instrument: str) -> None:
    catalogue = load_catalogue()
    address = catalogue.by_id(instrument).url
    assert catalogue.alike(f"{address}|1.1.0") == (f"{address}|1.1.0", f"{address}|1.0.0")


@pytest.mark.parametrize(
    "earlier",
    [
        version("1.0.0", text="Asked otherwise"),
        forms.form(forms.question("a", (0, 1, 2, 4), text="Text"), version="1.0.0"),
        forms.form(forms.question("a", text="Text"), forms.score("sum", "1"), version="1.0.0"),
    ],
)
def test_versions_that_ask_or_count_otherwise_are_not_alike(tmp_path: Path, earlier: forms.Json) -> None:
    forms.write(tmp_path / "ours", version("2.0.0"))
    forms.write(tmp_path / "ours" / "earlier" / "first", earlier)
    assert load_catalogue(folders=(tmp_path,)).alike(f"{URL}|2.0.0") == (f"{URL}|2.0.0",)


@pytest.mark.parametrize(
    "earlier",
    [
        forms.form(
            {
                "linkId": "g",
                "type": "group",
                "text": "Think of your whole life",
                "item": [forms.question("a")],
            },
            version="1.0.0",
        ),
        forms.form(forms.question("a"), version="1.0.0", language="de"),
    ],
)
def test_versions_under_another_heading_or_in_another_language_alone_are_not_alike(
    tmp_path: Path, earlier: forms.Json
) -> None:
    group = {"linkId": "g", "type": "group", "text": "Think of the last week", "item": [forms.question("a")]}
    forms.write(
        tmp_path / "ours", forms.form(group if earlier["item"][0]["linkId"] == "g" else forms.question("a"))
    )
    forms.write(tmp_path / "ours" / "earlier" / "first", earlier)
    assert load_catalogue(folders=(tmp_path,)).alike(f"{URL}|2.0.0") == (f"{URL}|2.0.0",)


def test_a_folder_whose_form_of_today_is_gone_keeps_the_versions_before_it(tmp_path: Path) -> None:
    as_folder(tmp_path)
    (tmp_path / "ours" / "questionnaire.json").unlink()
    assert load_catalogue(folders=(tmp_path,)).by_canonical(f"{URL}|1.0.0").id == "ours"


def test_a_version_that_two_folders_keep_is_taken_once_and_told(tmp_path: Path) -> None:
    for name in ("aaa", "bbb"):
        (tmp_path / "earlier" / name).mkdir(parents=True)
        (tmp_path / "earlier" / name / "1.json").write_text(json.dumps(version("1.0.0")), encoding="utf-8")
    stock = load_stock(places=(tmp_path,))
    assert [each.id for each in stock.earlier if each.url == URL] == ["aaa"]
    assert "is there already" in str(stock.left_out[0])


def test_a_form_directly_in_the_folder_of_earlier_versions_is_no_form_of_today(tmp_path: Path) -> None:
    forms.write(tmp_path / "earlier", version("1.0.0"))
    stock = load_stock(places=(tmp_path,))
    assert "earlier" not in {each.id for each in stock.instruments}
    assert "Move it to earlier/<name of the form>/" in str(stock.left_out[0])
