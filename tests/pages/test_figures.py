"""Numbers and days are written as the reader's language writes them."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from plugin.pages import figures, look_up
from plugin.pages.patient import render_link
from plugin.pages.words import LANGUAGES
from tests.pages import samples

DAY = date(2026, 3, 14)


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "14 Mar 2026"),
        ("de", "14. März 2026"),
        ("es", "14 mar 2026"),
        ("fr", "14 mars 2026"),
        ("pt", "14 de mar. de 2026"),
    ],
)
def test_a_day_is_written_as_the_language_writes_it(language: str, written: str) -> None:
    assert figures.day(DAY, language) == written
    assert written.startswith(figures.day_of_year(DAY, language))
    assert figures.moment(datetime(2026, 3, 14, 9, 5, tzinfo=UTC), language) == f"{written}, 09:05 UTC"


def test_the_first_of_a_month_is_an_ordinal_in_french_and_no_other_day() -> None:
    assert figures.day(date(2026, 1, 1), "fr") == "1er janv. 2026"
    assert figures.day_of_year(date(2026, 1, 1), "fr") == "1er janv."
    assert figures.day(date(2026, 1, 11), "fr") == "11 janv. 2026"
    assert figures.day(date(2026, 1, 1), "es") == "1 ene 2026"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_decimal_mark_is_that_of_the_language(language: str) -> None:
    assert figures.number(Decimal("19.50"), language) == ("19.5" if language == "en" else "19,5")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_number_has_no_mark(language: str) -> None:
    assert figures.number(Decimal("20.0"), language) == "20"
    assert figures.number(100, language) == "100"


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("es-MX", ["en", "es"], "es"),
        ("ES", ["en", "es"], "es"),
        ("es", ["en", "es-419"], "es-419"),
        ("zh-Hans", ["en", "zh-Hant"], None),
        ("fa-AF", ["en", "fa"], "fa"),
        ("nl", ["en", "es"], None),
        ("", ["en"], None),
    ],
)
def test_a_language_is_looked_up_among_those_that_are_offered(
    wanted: str, offered: list[str], found: str | None
) -> None:
    assert look_up(wanted, offered) == found


@pytest.mark.parametrize(
    ("value", "language", "count"),
    [
        (1.0, "de", 1),
        (1.5, "de", 2),
        (2.0, "de", 2),
        (1.0, "es", 1),
        (1.5, "fr", 1),
        (2.0, "fr", 2),
        (0.5, "en", 2),
    ],
)
def test_a_figure_takes_the_word_of_its_count(value: float, language: str, count: int) -> None:
    assert figures.count_of(value, language) == count


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_end_of_a_code_is_a_time_of_day(language: str) -> None:
    html = render_link(replace(samples.LINK, language=language))
    found = re.search(r'data-local="time">([^<]+)<', html)
    assert found is not None
    assert re.fullmatch(r"\d\d:\d\d UTC", found[1])
