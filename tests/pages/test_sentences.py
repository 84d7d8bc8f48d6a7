"""What is read out of scores, in sentences: an average is one of several, and what never was is not said."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from plugin.pages import Trend
from plugin.pages.sentences import sentences_of
from plugin.pages.words import LANGUAGES
from plugin.routes.trend_views import name_of
from plugin.trends.agreement import Rating
from plugin.trends.findings import Rated, read_findings
from plugin.trends.sequences import Fall
from questionnaires import Rater


def rated(
    rater: str, *values: float, first: int = 1, name: str | None = None, by_forms: bool = False
) -> Rated:
    ratings = tuple(
        Rating(date(2026, 1, 5) + timedelta(weeks=week), value) for week, value in enumerate(values)
    )
    numbers = tuple(first + place for place in range(len(values)))
    scale = ("Rapport Check-in", 0.0, 24.0)
    return Rated(rater, name or rater.title(), scale, ratings, numbers, by_forms=by_forms)


def told(kind: str, *each: Rated, language: str = "en") -> list[str]:
    trend = Trend((), findings=read_findings(each, within=2, divergence=1.0))
    return [sentence.text for sentence in sentences_of(trend, language) if sentence.kind == kind]


@pytest.mark.parametrize(
    ("values", "first", "text"),
    [
        ((18.0,), 3, "18 in session 3, the only score of sessions 1 to 4."),
        ((18.0, 20.0), 4, "18 in session 4, the only score of sessions 1 to 4."),
        ((18.0, 20.0), 1, "19 on average over sessions 1 to 4, from 2 scores."),
    ],
)
def test_one_score_is_no_average(values: tuple[float, ...], first: int, text: str) -> None:
    assert told("early", rated("child", *values, first=first)) == [text]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((18.0,), "18, the only score of the first four forms."),
        ((18.0, 20.0), "19 on average over the first four forms, from 2 scores."),
    ],
)
def test_where_forms_are_counted_no_session_is_named(values: tuple[float, ...], text: str) -> None:
    assert told("early", rated("child", *values, by_forms=True)) == [text]


@pytest.mark.parametrize(
    ("later", "text"),
    [
        ((), "Whether it came back is not known: there is no score of Ann since then."),
        ((11.0,), "It is too early to say whether it comes back: Ann has rated 1 session since then."),
    ],
)
def test_of_a_fall_is_told_what_its_own_rater_has_rated_since(later: tuple[float, ...], text: str) -> None:
    ann = replace(rated("child", 20, 10, *later, name="Ann"), falls=(Fall(1, 20, 10, 2, None, 1),))
    (whole,) = told("fall", ann)
    assert whole.endswith(text)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("The caregiver rated it 2 higher than the young person.", " sessions the caregiver rated ")),
        ("de", ("urteilte die Bezugsperson um 2 höher als der junge Mensch.", "urteilte die Bezugsperson ")),
        ("es", ("En ella, el cuidador puntuó 2 más que el joven.", "sesiones, el cuidador puntuó")),
        (
            "fr",
            ("Le proche y a donné 2 de plus, en comparaison avec le jeune.", "séances, le proche a donné"),
        ),
        ("pt", ("Nela, o cuidador pontuou 2 a mais que o jovem.", "sessões, o cuidador pontuou")),
    ],
)
def test_who_has_no_name_begins_a_sentence_with_a_capital_and_no_word_within(
    language: str, texts: tuple[str, ...]
) -> None:
    young, adult = (name_of(None, each, language) for each in (Rater.CHILD, Rater.CAREGIVER))
    first, second = rated("child", 10, 10, 10, name=young), rated("caregiver", 8, 10, 12, name=adult)
    (whole,) = told("pair", first, second, language=language)
    assert all(each in whole for each in texts), whole
    (whole,) = told("pair", first, rated("caregiver", 8, 10, 12, name="van den Berg"), language=language)
    assert "Van" not in whole


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "in the next 3 sessions that the caregiver rated. It came back later, to 20 on 9 Feb 2026."),
        (
            "de",
            "In den nächsten 3 Sitzungen, die die Bezugsperson beurteilt hat, kam er nicht zurück. Später ",
        ),
        ("es", "en las 3 sesiones siguientes que valoró el cuidador. Se recuperó más tarde, hasta 20 el 9 "),
        ("fr", "dans les 3 séances suivantes évaluées par le proche. Il est remonté plus tard, à 20 le 9 "),
        ("pt", "nas 3 sessões seguintes que o cuidador avaliou. Recuperou mais tarde, para 20 em 9 "),
    ],
)
def test_a_return_is_waited_for_in_sessions_that_the_same_person_rated(language: str, text: str) -> None:
    caregiver = rated("caregiver", 20, 10, 10, 10, 10, 20, name=name_of(None, Rater.CAREGIVER, language))
    (whole,) = told("fall", replace(caregiver, falls=(Fall(1, 20, 10, 2, None, 1, 5),)), language=language)
    assert text in whole


@pytest.mark.parametrize(
    ("young", "adult", "text"),
    [
        ((10, 10, 10), (12, 12, 12), "Therapist rated higher in each of the 3 sessions."),
        ((10, 10), (10, 10), "Therapist gave the same score as Child in each of the 2 sessions."),
        ((10, 10), (8, 8), "Therapist rated lower in each of the 2 sessions."),
        ((10, 10, 10), (12, 8, 12), "Over the 3 sessions Therapist rated higher in 2, lower in 1."),
        (
            (10, 10, 10),
            (12, 8, 10),
            "Over the 3 sessions Therapist rated higher in 1, the same in 1, lower in 1.",
        ),
    ],
)
def test_over_all_sessions_only_what_was_is_said(
    young: tuple[float, ...], adult: tuple[float, ...], text: str
) -> None:
    (whole,) = told("pair", rated("child", *young), rated("therapist", *adult))
    assert whole.endswith(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_each_language_nothing_is_said_of_none(language: str) -> None:
    (whole,) = told("pair", rated("child", 10, 10, 10), rated("therapist", 12, 12, 8), language=language)
    last = whole.rpartition("3 ")[2]
    assert "2" in last
    assert "0" not in last
