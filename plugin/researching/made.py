"""What an export came to, as the trail, the page and the command tell it: no count of fewer people than the site's smallest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from plugin.researching.gathering import Gathered
from plugin.researching.writing import told_forms, told_people

DIGEST = "sha256-of-table"  # of administrations.csv


@dataclass(frozen=True, slots=True)
class Made:
    """How much is in it, and how much was left out: a count, or that it is too small to be told."""

    rows: str
    people: str
    without_consent: str
    too_rare: str
    unusable: str


def count_made(gathered: Gathered, smallest: int) -> Made:
    """Count what is given, and what is not as the codebook tells it."""
    return Made(
        rows=str(len(gathered.rows)),
        people=str(len({row.person for row in gathered.rows})),
        without_consent=str(told_people(gathered.without_consent, smallest)),
        too_rare=str(told_forms(gathered.too_rare, smallest)),
        unusable=str(told_forms(gathered.unusable, smallest)),
    )


def made_details(made: Made) -> tuple[tuple[str, str], ...]:
    """Give what the entry of an export's end tells."""
    return tuple((_detail(name), text) for name, text in asdict(made).items())


def read_made(details: Mapping[str, str]) -> Made | None:
    """Read it again; None where an entry tells of no rows."""
    told = {each.name: details.get(_detail(each.name), "") for each in fields(Made)}
    return Made(**told) if told["rows"] else None


def _detail(name: str) -> str:
    return name.replace("_", "-")
