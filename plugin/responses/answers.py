"""The answers of a checked response, as scoring takes them."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from plugin.responses.errors import Issue


class Given(msgspec.Struct, frozen=True):
    """One answer: how it is written (code, number, text), and its weight in the key, if it has one."""

    code: str
    weight: Decimal | None = None
    number: Decimal | None = None
    system: str | None = None


class Answers(msgspec.Struct, frozen=True):
    """What was answered: linkId -> answers, in the order of the form; computed items are never among them.

    `declined` are the questions that somebody chose not to answer. `warnings` did not stop the response.
    """

    given: Mapping[str, tuple[Given, ...]]
    declined: frozenset[str] = frozenset()
    warnings: tuple[Issue, ...] = ()
