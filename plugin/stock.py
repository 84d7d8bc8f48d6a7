"""The instruments of an installation with their compiled keys; what cannot be used is left out, with the reason."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from plugin.fetching import Kept, read_kept
from plugin.responses import Answers, Given
from plugin.scores import Key, compile_key, compute
from plugin.scores.errors import BadExpression
from plugin.scores.key import Step
from plugin.settings import Settings
from questionnaires import BadInstrument, Catalogue, Instrument, LeftOut, Manner, load_stock

_TO_NUMBER = (b"toInteger(", b"toDecimal(")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")  # what these functions take: FHIRPath N1, "Conversion"


@dataclass(frozen=True, slots=True, repr=False)
class Stock:
    """What can be used, by id and canonical address, and what was left out.

    It is not shown with all that it holds: `asyncio.run` has the result of its task shown, twice, and then throws that away.
    """

    catalogue: Catalogue
    keys: Mapping[str, Key]
    left_out: tuple[LeftOut, ...] = ()


def open_stock(
    *,
    wording: Path | None = None,
    places: tuple[Path, ...] = (),
    manner: Manner | None = None,
    retired: tuple[tuple[str, Path], ...] = (),
) -> Stock:
    """Load and compile every instrument; a broken one of a site's own never keeps the others from working.

    `retired` are files of earlier versions that stand elsewhere, with the ids of their forms.
    """
    loaded = load_stock(wording=wording, places=places, manner=manner, retired=retired)
    left_out = [*loaded.left_out]
    keys: dict[str, Key] = {}

    def usable(instruments: tuple[Instrument, ...]) -> tuple[Instrument, ...]:
        return tuple(each for each in instruments if _compile_into(keys, each, left_out))

    catalogue = Catalogue(usable(loaded.instruments), usable(loaded.earlier))
    return Stock(catalogue, keys, tuple(left_out))


def _compile_into(keys: dict[str, Key], instrument: Instrument, left_out: list[LeftOut]) -> bool:
    """Compile one instrument, or say in `left_out` why it cannot be used; what ships must be usable."""
    try:
        keys[instrument.canonical] = compile_own(instrument) if instrument.own else compile_key(instrument)
    except BadInstrument as bad:
        if not instrument.own:
            raise
        left_out.append(LeftOut(instrument.file, bad.problems))
        return False
    return True


def open_stock_of(settings: Settings, kept: Kept | None = None) -> Stock:
    """Open the stock of an installation, with the forms that were `kept` when they were fetched (None: as stored)."""
    kept = kept or read_kept(settings.own_forms)
    stock = open_stock(
        wording=settings.wording,
        places=(*settings.instrument_folders, *kept.files),
        manner=settings.own_forms.manner,
        retired=kept.earlier,
    )
    return replace(stock, left_out=(*stock.left_out, *kept.left_out))


def is_offered(instrument: Instrument, site: str, settings: Settings) -> bool:
    """Tell whether a site is offered an instrument: those that only other sites name are theirs alone."""
    naming = {
        each
        for each, policy in settings.policies.items()
        if any(_stands_in(instrument.file, place) for place in policy.instruments)
    }
    return not naming or site in naming


def _stands_in(file: str, place: Path) -> bool:
    path = Path(file)
    return path == place or place in path.parents


def compile_own(instrument: Instrument) -> Key:
    """Compile a form of a site's own, refusing also a score that no answer can change; BadInstrument with every problem."""
    key = compile_key(instrument)
    blind = [bad for step in key.steps if (bad := _blind(instrument, step.score.link_id, key)) is not None]
    if blind:
        raise BadInstrument(blind[0].file, [problem for bad in blind for problem in bad.problems])
    return key


def _blind(instrument: Instrument, link_id: str, key: Key) -> BadExpression | None:
    step = next(each for each in key.steps if each.score.link_id == link_id)
    if _is_deaf(key, step):
        return BadExpression(
            instrument.id,
            link_id,
            step.score.expression,
            f"it makes numbers of codes, and no option of {', '.join(step.used)} has a number for its code",
            "Give the options weights, and add those: answer.value.ordinal().sum()",
        )
    if not step.native or step.used or step.needs:
        return None
    remedy = "Let it reach the questions: %resource.descendants() finds those inside groups, .item does not"
    return BadExpression(
        instrument.id,
        link_id,
        step.score.expression,
        "it reads no answer that counts, so it would be the same whatever is answered",
        remedy,
    )


def _is_deaf(key: Key, step: Step) -> bool:
    """Tell whether a score asks codes for numbers that they do not hold, and has no value whichever are chosen."""
    items = [item for item in key.layout.items if item.link_id in step.used]
    codes = [option.code for item in items for option in item.options]
    if (
        step.native
        or step.needs
        or not any(each in key.instrument.resource for each in _TO_NUMBER)
        or not all(item.options for item in items)
        or any(_NUMBER.fullmatch(code) for code in codes)
    ):
        return False
    most = max((len(item.options) for item in items), default=0)
    values = {
        score.value
        for place in range(most)
        for score in compute(key, _choose(key, place))
        if score.link_id == step.score.link_id
    }
    return values == {None}


def _choose(key: Key, place: int) -> Answers:
    """Answer every question that has options by the one at this place, or by its last."""
    asked = [item for item in key.layout.items if item.is_question and item.options]
    chosen = {item.link_id: item.options[min(place, len(item.options) - 1)] for item in asked}
    return Answers(
        {each: (Given(option.code, option.weight, None, option.system),) for each, option in chosen.items()}
    )


def describe_left_out(left_out: tuple[LeftOut, ...]) -> Iterator[str]:
    """Say in a line each what was left out, and why."""
    for each in left_out:
        for problem in each.problems:
            yield f"{each.file}: {problem}"
