"""The instruments of this package: fit for publication, honest about what they are, complete in every language."""

import re
from decimal import Decimal
from importlib.resources import as_file, files

import pytest
import textstat

from questionnaires import Catalogue, Instrument, Rater, load_catalogue, walk
from questionnaires.check import check_folder, find_model_flaws, read_terminology

CHECK_INS = ("child", "adolescent", "caregiver", "therapist")
LICENSED = (
    *("tasc-r-child", "tasc-r-therapist", "tasc-r-parent", "wai-client", "wai-therapist", "wai-s-client"),
    *("wai-s-therapist", "wai-s-parent", "wai-sr-client", "tpocs-a", "tpocs-a-brief", "arm-5-client"),
    *("haq-ii-client", "wai-tech-sf", "collaborate-youth", "collaborate-caregiver"),
)
SCORE_ENTRY = ("srs", "csrs", "gsrs", "cgsrs")
IDS = (*(f"rapport-checkin-{form}" for form in CHECK_INS), "peq-camhs-caregiver", *LICENSED, *SCORE_ENTRY)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def questions(instrument: Instrument) -> list[str]:
    return [item.link_id for item in walk(instrument.items) if item.is_question]


def test_the_catalogue_holds_these_instruments(catalogue: Catalogue) -> None:
    assert {instrument.id for instrument in catalogue.all()} == set(IDS)


@pytest.mark.parametrize("instrument_id", IDS)
def test_every_instrument_is_fit_for_publication(instrument_id: str) -> None:
    with as_file(files("questionnaires") / "instruments" / instrument_id) as folder:
        assert check_folder(folder).id == instrument_id


@pytest.mark.parametrize("name", sorted(read_terminology()))
def test_every_terminology_resource_is_valid(name: str) -> None:
    assert find_model_flaws(read_terminology()[name]) == []


@pytest.mark.parametrize("form", CHECK_INS)
def test_check_ins_share_one_structure(catalogue: Catalogue, form: str) -> None:
    instrument = catalogue.by_id(f"rapport-checkin-{form}")
    assert questions(instrument) == ["goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2"]
    for item in walk(instrument.items):
        if item.is_question:
            assert [(option.code, option.weight) for option in item.options] == [
                ("not-at-all", Decimal(0)),
                ("a-little", Decimal(1)),
                ("somewhat", Decimal(2)),
                ("mostly", Decimal(3)),
                ("completely", Decimal(4)),
            ]
            assert not item.required
            assert not item.repeats
    ranges: dict[str, object] = {
        score.link_id: (score.low, score.high, score.direction) for score in instrument.scores
    }
    assert ranges == {
        "score-total": (0, 24, "increase"),
        "score-goal": (0, 8, "increase"),
        "score-task": (0, 8, "increase"),
        "score-bond": (0, 8, "increase"),
    }


@pytest.mark.parametrize("form", CHECK_INS)
def test_check_ins_can_be_filled_in_five_languages(catalogue: Catalogue, form: str) -> None:
    instrument = catalogue.by_id(f"rapport-checkin-{form}")
    assert instrument.fillable
    assert instrument.languages == ("en", "es", "fr", "de", "pt")
    for language in instrument.languages:
        wording = instrument.wording(language)
        assert wording.title
        assert wording.intro
        assert set(questions(instrument)) <= wording.items.keys()
        assert len(wording.options) == 30
    texts = [instrument.wording(language).items["bond-1"] for language in instrument.languages]
    assert len(set(texts)) == 5


@pytest.mark.parametrize("form", CHECK_INS)
def test_check_ins_say_that_they_are_not_validated(catalogue: Catalogue, form: str) -> None:
    instrument = catalogue.by_id(f"rapport-checkin-{form}")
    assert not instrument.validated
    assert instrument.experimental
    assert instrument.status_note.startswith("Not validated")
    assert "NOT a validated scale" in (instrument.questionnaire.description or "")
    assert b"cut-off" in instrument.resource


def test_raters_and_ages_of_the_check_ins(catalogue: Catalogue) -> None:
    found = {
        form: (
            catalogue.by_id(f"rapport-checkin-{form}").rater,
            catalogue.by_id(f"rapport-checkin-{form}").age_years,
        )
        for form in CHECK_INS
    }
    assert found == {
        "child": (Rater.CHILD, (7, 11)),
        "adolescent": (Rater.CHILD, (12, 17)),
        "caregiver": (Rater.CAREGIVER, (6, 18)),
        "therapist": (Rater.THERAPIST, (6, 18)),
    }


def test_a_child_reads_short_sentences(catalogue: Catalogue) -> None:
    wording = catalogue.by_id("rapport-checkin-child").wording("en")
    texts = [
        wording.intro,
        *(wording.items[link_id] for link_id in questions(catalogue.by_id("rapport-checkin-child"))),
    ]
    sentences = [sentence for text in texts for sentence in re.split(r"[.?]\s*", text) if sentence]
    assert max(len(sentence.split()) for sentence in sentences) <= 11
    assert max(len(word.strip(",")) for sentence in sentences for word in sentence.split()) <= 9


def test_peq_camhs_keeps_the_published_items_and_scales(catalogue: Catalogue) -> None:
    instrument = catalogue.by_id("peq-camhs-caregiver")
    wording = instrument.wording("en")
    assert (
        wording.items["relationship-1"] == "Were the health personnel thoughtful and considerate towards you?"
    )
    assert wording.items["information-4"].startswith("Did you receive information on your child's")
    assert len(questions(instrument)) == 12
    assert instrument.status == "draft"
    assert not instrument.validated
    assert instrument.languages == ("en",)
    assert b"Creative Commons Attribution" in instrument.resource


def test_tasc_r_ships_its_key_and_none_of_its_wording(catalogue: Catalogue) -> None:
    instrument = catalogue.by_id("tasc-r-child")
    assert not instrument.fillable
    assert instrument.languages == ()
    assert instrument.licence_kind == "licensed"
    assert instrument.status == "draft"
    items = [item for item in walk(instrument.items) if item.is_question]
    assert all(item.text is None for item in instrument.questionnaire.item if item.type == "choice")
    reversed_items = [item.link_id for item in items if item.options[0].weight == 4]
    assert reversed_items == ["item-2", "item-5", "item-7", "item-8", "item-11"]


def test_the_published_resource_carries_weights_for_both_kinds_of_renderer(catalogue: Catalogue) -> None:
    resource = catalogue.by_id("tasc-r-child").resource
    assert (
        resource.count(b"StructureDefinition/itemWeight")
        == resource.count(b"StructureDefinition/ordinalValue")
        == 96
    )


@pytest.mark.parametrize(
    ("form", "oldest"), [("child", 8), ("adolescent", 12), ("caregiver", 13), ("therapist", 13)]
)
def test_the_stated_reading_level_is_measured(catalogue: Catalogue, form: str, oldest: int) -> None:
    instrument = catalogue.by_id(f"rapport-checkin-{form}")
    wording = instrument.wording("en")
    text = " ".join([wording.intro, *(wording.items[link_id] for link_id in questions(instrument))])
    with as_file(files("questionnaires") / "instruments" / instrument.id) as folder:
        source = (folder / "SOURCE.md").read_text(encoding="utf-8")
    stated = re.search(r"Readability Index ([\d.]+), Coleman–Liau index ([\d.]+) .*about (\d+) years", source)
    assert stated
    measured = (textstat.automated_readability_index(text), textstat.coleman_liau_index(text))
    assert [float(stated[1]), float(stated[2])] == pytest.approx(measured, abs=0.06)
    assert int(stated[3]) == round(max(measured)) + 5 <= oldest
