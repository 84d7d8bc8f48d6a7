"""Every instrument's worked examples, through the door that integrators use; and the compiled key, never the slow way."""

from datetime import UTC, datetime
from importlib.resources import as_file, files

import pytest

from plugin.scores import compile_key
from plugin.stateless import score_response
from questionnaires import Catalogue, load_catalogue, walk
from questionnaires.examples import read_examples, read_unavailable, response_to

NOW = datetime(2026, 3, 2, tzinfo=UTC)
IDS = [each.id for each in load_catalogue().all()]
LICENSED = [each.id for each in load_catalogue().all() if each.licence_kind == "licensed"]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.mark.parametrize("instrument_id", IDS)
def test_every_example_scores_as_worked_by_hand(catalogue: Catalogue, instrument_id: str) -> None:
    instrument = catalogue.by_id(instrument_id)
    examples = read_examples(instrument_id)
    assert len(examples) >= 6
    for example in examples:
        scored = score_response(response_to(example, instrument.resource), catalogue, now=NOW)
        found = {score.link_id: score.value for score in scored.scores}
        assert found == pytest.approx(example.scores), example.title


@pytest.mark.parametrize("instrument_id", IDS)
def test_every_example_can_be_followed(instrument_id: str) -> None:
    """The working itself, read as arithmetic, gives the score."""
    for example in read_examples(instrument_id):
        for name, value in example.scores.items():
            working = example.working[name]
            if value is None:
                assert working.startswith("no answer to "), working
                continue
            numbers = working
            for code, weight in (
                ("not-at-all", 0),
                ("a-little", 1),
                ("somewhat", 2),
                ("mostly", 3),
                ("completely", 4),
            ):
                numbers = numbers.replace(code, str(weight))
            assert set(numbers) <= set("0123456789.+-/() "), numbers
            assert eval(numbers) == pytest.approx(float(value))


@pytest.mark.parametrize("instrument_id", IDS)
def test_every_key_is_compiled(catalogue: Catalogue, instrument_id: str) -> None:
    assert compile_key(catalogue.by_id(instrument_id)).native


@pytest.mark.parametrize("instrument_id", IDS)
def test_every_instrument_names_its_source(instrument_id: str) -> None:
    with as_file(files("questionnaires") / "instruments" / instrument_id) as folder:
        text = (folder / "SOURCE.md").read_text(encoding="utf-8")
    assert "Licence" in text
    assert "key" in text.lower()


@pytest.mark.parametrize("instrument_id", LICENSED)
def test_licensed_instruments_ship_no_wording(catalogue: Catalogue, instrument_id: str) -> None:
    instrument = catalogue.by_id(instrument_id)
    assert instrument.licence_kind == "licensed"
    assert not instrument.fillable
    assert instrument.status == "draft"
    assert instrument.warnings
    assert all(item.text is None for item in instrument.questionnaire.item if item.type == "choice")


def test_the_three_facets_of_the_working_alliance_share_out_the_items(catalogue: Catalogue) -> None:
    for instrument_id in ("wai-client", "wai-therapist", "wai-s-client", "wai-sr-client"):
        instrument = catalogue.by_id(instrument_id)
        used = {step.score.link_id: step.used for step in compile_key(instrument).steps}
        facets = [link_id for name in ("task", "bond", "goal") for link_id in used[f"score-{name}"]]
        asked = [item.link_id for item in walk(instrument.items) if item.is_question]
        assert sorted(facets) == sorted(asked) == sorted(used["score-total"])
        assert len({len(used[f"score-{name}"]) for name in ("task", "bond", "goal")}) == 1


def test_what_is_not_available_says_why(catalogue: Catalogue) -> None:
    unavailable = read_unavailable()
    assert len(unavailable) == 10
    assert all(each.reason for each in unavailable)
    assert not {each.id for each in unavailable} & set(IDS)
