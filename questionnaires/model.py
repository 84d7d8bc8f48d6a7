"""What an instrument is to the rest of the product: frozen values, built from its files by `questionnaires.loader`."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from questionnaires.datatypes import find_extension
from questionnaires.resources import SDC, ItemType, Questionnaire

LicenceKind = Literal["open", "licensed", "score-entry", "not stated"]
Direction = Literal["increase", "decrease"]


class Rater(StrEnum):
    """Whose view of the alliance a form takes; an adolescent is a `child` on a form for another age."""

    CHILD = "child"
    CAREGIVER = "caregiver"
    THERAPIST = "therapist"
    OBSERVER = "observer"

    @property
    def is_signed_in(self) -> bool:
        """Whether who rates so is a clinician at their own sign-in, who is neither handed a device nor sent a link."""
        return self in {Rater.THERAPIST, Rater.OBSERVER}


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a system with its words."""

    system: str
    code: str
    display: str


HELP = frozenset({"help", "flyover"})  # of questionnaire-item-control: what a question or its words mean


@dataclass(frozen=True, slots=True)
class Option:
    """An answer that may be chosen: a Coding, or a plain value (`kind` Integer, Date ...) written as its `code`."""

    kind: str
    system: str | None
    code: str
    weight: Decimal | None
    display: str
    bare: bool = field(
        default=False, compare=False
    )  # a Coding that came without a system: so may its answers


@dataclass(frozen=True, slots=True)
class Condition:
    """One enableWhen: `answer` is (system, code) for a coding, else the plain value."""

    question: str
    operator: str
    answer: tuple[str | None, str] | Decimal | bool | str


@dataclass(frozen=True, slots=True)
class Item:
    """A question, group or text of a form."""

    link_id: str
    type: ItemType
    required: bool
    repeats: bool
    read_only: bool
    options: tuple[Option, ...]
    conditions: tuple[Condition, ...]
    any_condition: bool
    conditional_expression: bool
    items: tuple["Item", ...]
    low: Decimal | None = None  # the least and the greatest number that may be given
    high: Decimal | None = None
    max_length: int | None = None  # of a text that is given, in characters
    control: str | None = None  # how it is best shown: a code of questionnaire-item-control
    step: int | None = None  # of a slider
    places: int | None = None  # the most digits that a number may have after its point
    first: date | None = None  # the first and the last day that may be given
    last: date | None = None
    # The first option that is written with a kind, system and code.
    options_by: Mapping[tuple[str | None, str | None, str], Option] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        found: dict[tuple[str | None, str | None, str], Option] = {}
        for option in self.options:
            found.setdefault((option.kind, option.system, option.code), option)
            if option.bare:
                found.setdefault((option.kind, None, option.code), option)
        object.__setattr__(self, "options_by", found)

    @property
    def is_question(self) -> bool:
        """Whether somebody answers it: groups, texts and computed items are not answered."""
        return self.type not in {"group", "display"} and not self.read_only


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """A score as the Questionnaire and its ObservationDefinition say it; ranges None where none is given."""

    link_id: str
    code: Code
    display: str
    expression: str
    unit: str
    low: Decimal | None
    high: Decimal | None
    decimals: int | None
    direction: Direction | None
    also: tuple[Code, ...] = ()  # codes of other systems for the same score


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of a form in one language: items by linkId, options by (linkId, code)."""

    language: str
    title: str
    intro: str
    notes: str
    items: Mapping[str, str]
    options: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A form with its key, as loaded.

    `resource` is the published Questionnaire with the site's wording merged in. `content_hash` covers the instrument's
    own files (Questionnaire and ObservationDefinitions), so that adding a language does not look like a new key.
    """

    id: str
    url: str
    version: str
    title: str
    rater: Rater
    licence_kind: LicenceKind
    validated: bool
    experimental: bool
    status: str
    status_note: str
    warnings: tuple[str, ...]  # what the literature warns of, with its citation
    age_years: tuple[int | None, int | None]
    items: tuple[Item, ...]
    scores: tuple[ScoreItem, ...]
    wordings: Mapping[str, Wording]
    resource: bytes
    content_hash: str
    questionnaire: Questionnaire
    code: Code  # what all its scores together are called in the record
    own: bool = False  # a site's own, not of this package
    file: str = ""  # where it was read
    notes: tuple[str, ...] = ()  # what a site's own form left unsaid, and what was assumed
    citations: tuple[tuple[str, str], ...] = ()  # whose it is and where its key comes from, by SOURCE.md

    @property
    def canonical(self) -> str:
        """The address with its version: `url|version`."""
        return f"{self.url}|{self.version}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose wording is complete, the form's own first."""
        return tuple(self.wordings)

    @property
    def fillable(self) -> bool:
        """Whether the form may be shown to somebody here: its wording is complete in a language and may be shown."""
        return bool(self.wordings) and self.licence_kind != "score-entry"

    @property
    def is_dated(self) -> bool:
        """Whether it may be about an earlier day than the one on which it is filled: copied from paper, or an observer's."""
        return self.licence_kind == "score-entry" or self.rater == Rater.OBSERVER

    @property
    def question_ids(self) -> frozenset[str]:
        """The linkIds of everything that somebody answers."""
        return frozenset(item.link_id for item in walk(self.items) if item.is_question)

    @property
    def entry_mode(self) -> str | None:
        """How the form itself wants its questions shown: `sequential`, `prior-edit` or `random`; None if it does not say.

        Source: SDC, extension sdc-questionnaire-entryMode, https://hl7.org/fhir/uv/sdc/STU4/behavior.html
        """
        found = find_extension(self.questionnaire.extension, SDC + "sdc-questionnaire-entryMode")
        return found.valueCode if found else None

    def wording(self, language: str) -> Wording:
        """Give the texts in one of `languages`; KeyError for any other."""
        return self.wordings[language]

    def title_in(self, language: str) -> str:
        """Name the form for a reader: as it is called in their language, if its wording is there, else by its own title."""
        found = self.wordings.get(language)
        return found.title if found is not None else self.title


def asks_alike(one: Instrument, other: Instrument) -> bool:
    """Tell whether two versions of a form ask the same, in every language that both have, and count it the same.

    What a question means (`HELP`) may be said in one of them only. Without a language in common nobody can tell.
    """
    if one is other:
        return True
    languages = one.wordings.keys() & other.wordings.keys()
    if not languages and (one.wordings or other.wordings):
        return False
    return (_asked(one, languages), one.scores) == (_asked(other, languages), other.scores)


def _asked(form: Instrument, languages: Set[str]) -> list[object]:
    return [
        (
            replace(item, items=()),
            [form.wordings[each].items.get(item.link_id) for each in sorted(languages)],
            [
                form.wordings[each].options.get((item.link_id, option.code))
                for each in sorted(languages)
                for option in item.options
            ],
        )
        for item in walk(form.items)
        if item.control not in HELP
    ]


def walk(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Give all items of a tree, in the order of the form."""
    found: list[Item] = []
    for item in items:
        found += [item, *walk(item.items)]
    return tuple(found)
