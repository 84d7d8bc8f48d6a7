"""Numbers, days and lists as each interface language writes them: 2.5 or 2,5, 14 Mar 2026 or 14. März 2026."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.numbers import get_decimal_symbol

from plugin.days import Born
from plugin.pages.words import SOURCE_LANGUAGE

_BY_HAND = Context(prec=320, rounding=ROUND_HALF_UP)  # digits enough for every float


@cache
def _pattern(skeleton: str, language: str) -> str:
    """Give how a language writes the parts of a date; English as in Britain, where a day cannot be read as a month."""
    if language == SOURCE_LANGUAGE:
        return {"yMMMd": "d MMM y", "MMMd": "d MMM", "yMMM": "MMM y", "y": "y"}[skeleton]
    return str(Locale.parse(language).datetime_skeletons[skeleton].pattern)


def _check(which: date) -> None:
    """TypeError for a moment: its day is the site's (`plugin.days.day_of`), and here no site is known."""
    if isinstance(which, datetime):
        raise TypeError("A moment is no day: which day it falls on is for a site to tell.")


@lru_cache(maxsize=4096)  # writing a date takes Babel longer than drawing its session
def day(which: date, language: str = SOURCE_LANGUAGE) -> str:
    """Write a day with its year."""
    _check(which)
    return _ordinal(format_date(which, _pattern("yMMMd", language), locale=language), which, language)


def birth(born: Born, language: str = SOURCE_LANGUAGE) -> str:
    """Write when somebody was born, as exactly as it is known."""
    if born.is_day:
        return day(born.first, language)
    _check(born.first)
    pattern = "y" if born.first.month != born.last.month else "yMMM"
    return format_date(born.first, _pattern(pattern, language), locale=language)


@lru_cache(maxsize=4096)
def day_of_year(which: date, language: str = SOURCE_LANGUAGE) -> str:
    """Write a day of a year that is known."""
    _check(which)
    return _ordinal(format_date(which, _pattern("MMMd", language), locale=language), which, language)


def _ordinal(written: str, which: date, language: str) -> str:
    """Make the first of a month what it is in French, alone of its days: CLDR has no pattern for that."""
    is_first = which.day == 1 and Locale.parse(language).language == "fr"
    return written.replace("1", "1er", 1) if is_first else written


@lru_cache(maxsize=4096)
def moment(when: datetime, language: str = SOURCE_LANGUAGE) -> str:
    """Write a time. The page's script shows it in the reader's own zone; without script this says which it is."""
    return format_datetime(
        when.astimezone(UTC), f"{_pattern('yMMMd', language)}, HH:mm 'UTC'", locale=language
    )


def clock(when: datetime, language: str = SOURCE_LANGUAGE) -> str:
    """Write the time of day of what is over within minutes; as of `moment`, the page's script shows the reader's own zone."""
    return format_datetime(when.astimezone(UTC), "HH:mm 'UTC'", locale=language)


def list_of(parts: Sequence[str], language: str = SOURCE_LANGUAGE) -> str:
    """Write several things as a sentence has them: a, b and c."""
    return format_list(parts, locale="en_GB" if language == SOURCE_LANGUAGE else language)


def number(value: Decimal | float, language: str = SOURCE_LANGUAGE) -> str:
    """Write a score without trailing zeros: 19, 2.5."""
    text = f"{value:f}"
    if "." not in text:
        return text
    return text.rstrip("0").rstrip(".").replace(".", _decimal_mark(language))


def fixed(value: float, places: int, language: str = SOURCE_LANGUAGE) -> str:
    """Write a figure with a number of decimals."""
    return written(f"{value:.{places}f}", language)


def written(figure: str, language: str = SOURCE_LANGUAGE) -> str:
    """Write a figure of an English text as a language does, with as many decimals."""
    return figure.replace(".", _decimal_mark(language))


def tenths(value: float) -> Decimal:
    """Round to one decimal as one does by hand, a half away from zero: 12.25 is 12.3, not 12.2 as Python has it."""
    return _BY_HAND.quantize(Decimal(repr(value)), Decimal("0.1"))


def hundredths(value: float) -> Decimal:
    """Round to two decimals: a bound of 4.95 told as 5 would stand beside a change of 5 that is larger."""
    return _BY_HAND.quantize(Decimal(repr(value)), Decimal("0.01"))


def count_of(value: float, language: str = SOURCE_LANGUAGE) -> int:
    """Give the count whose word a figure takes: 1 with 1 (in French with 1.5 too), 2 with others."""
    written = Decimal(number(tenths(value)))
    return 1 if Locale.parse(language).plural_form(written) == "one" else 2


@cache
def _decimal_mark(language: str) -> str:
    return get_decimal_symbol(language)
