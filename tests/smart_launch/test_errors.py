"""The tree of errors is drawn as it is, and says what to do."""

import re

import pytest

from smart_launch import SmartError, errors
from smart_launch.errors import clean

CLASSES = SmartError.__subclasses__()


def test_every_error_stands_in_the_drawing_with_its_status() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+) +(\d{3})", errors.__doc__ or ""))
    assert drawn == {each.__name__: str(each.status) for each in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_every_error_says_what_happened_and_what_to_do(kind: type[SmartError]) -> None:
    error = kind("It rained.", "Take an umbrella.")
    assert str(error) == "It rained. Take an umbrella."
    assert error.reason == kind.default_reason
    assert kind("a", "b", reason="special").reason == "special"


def test_no_two_errors_share_a_reason() -> None:
    assert len({each.default_reason for each in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, ""),
        ("plain words", "plain words"),
        ("two\r\nlines", "two  lines"),
        ("token eyJhbGciOiJSUzI1NiJ9.e30.x here", "token ... here"),
        ("na\u00efve \u202e text", "na ve   text"),
    ],
)
def test_a_servers_words_are_cleaned(said: str | None, kept: str) -> None:
    assert clean(said) == kept


def test_a_servers_words_are_kept_short() -> None:
    assert len(clean("word " * 1000)) <= 200
