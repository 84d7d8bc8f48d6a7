"""The answers of one response as arrays, one place an item: what compiled expressions read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Any

import msgspec

from plugin.responses import Answers, Given
from questionnaires import Item, walk

Line = tuple[str, str, Decimal | None]  # linkId, answer, weight (or the number itself)
Pick = Callable[[Sequence[Any]], Sequence[Any]]

_NOTHING: tuple[Decimal, ...] = ()


def picker(places: tuple[int, ...]) -> Pick:
    """Give the function that picks what stands at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda rows: (rows[places[0]],)) if places else (lambda _: ())


def has_weights(item: Item) -> bool:
    """Tell whether an answer to an item can have a weight."""
    return any(option.weight is not None for option in item.options)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which item has which place, for one instrument."""

    tree: tuple[Item, ...]
    items: tuple[Item, ...]
    places: Mapping[str, int]
    computed: frozenset[int]
    repeating: frozenset[int]
    weighted: frozenset[int]
    blank: tuple[tuple[Decimal, ...], ...]
    empty: tuple[tuple[Line, ...], ...]

    @classmethod
    def of(cls, tree: tuple[Item, ...], computed: frozenset[str]) -> "Layout":
        """Lay out the items of a form; `computed` are the linkIds whose value comes from an expression."""
        items = walk(tree)
        places = {item.link_id: place for place, item in enumerate(items)}
        repeating = {
            places[below.link_id]
            for item in items
            if item.repeats and item.type == "group"
            for below in (item, *walk(item.items))
        }
        return cls(
            tree=tree,
            items=items,
            places=places,
            computed=frozenset(places[link_id] for link_id in computed),
            repeating=frozenset(repeating),
            weighted=frozenset(place for place, item in enumerate(items) if has_weights(item)),
            blank=(_NOTHING,) * len(items),
            empty=((),) * len(items),
        )


class Sheet(msgspec.Struct):
    """What was answered: per place the weights, the numbers, how many answers there are, and what stands in explanations.

    `whole` if every question with weights has exactly one weighted answer, as nearly always: then `one_weight` and `one_line`
    hold it, and nothing need be gathered.
    """

    layout: Layout
    given: Mapping[str, tuple[Given, ...]]
    weights: list[tuple[Decimal, ...]]
    numbers: list[tuple[Decimal, ...]]
    counts: list[int]
    lines: list[tuple[Line, ...]]
    one_weight: list[Decimal | None]
    one_line: list[Line | None]
    whole: bool
    results: dict[str, Decimal] = {}

    @classmethod
    def of(cls, layout: Layout, answers: Answers) -> "Sheet":
        """Lay out the answers. What a response says about a computed item is not taken."""
        weights, numbers, lines = [*layout.blank], [*layout.blank], [*layout.empty]
        size = len(layout.blank)
        counts = [0] * size
        one_weight: list[Decimal | None] = [None] * size
        one_line: list[Line | None] = [None] * size
        weighted = 0
        places, computed = layout.places, layout.computed
        for link_id, given in answers.given.items():
            place = places[link_id]
            if place in computed:
                continue
            if len(given) == 1:  # nearly always
                only = given[0]
                weight, number = only.weight, only.number
                counts[place] = 1
                line = (link_id, only.code, number if weight is None else weight)
                lines[place] = (line,)
                if weight is not None:
                    weighted += 1
                    weights[place] = (weight,)
                    one_weight[place] = weight
                    one_line[place] = line
                if number is not None:
                    numbers[place] = (number,)
                continue
            counts[place] = len(given)
            weights[place] = tuple(each.weight for each in given if each.weight is not None)
            numbers[place] = tuple(each.number for each in given if each.number is not None)
            lines[place] = tuple(
                (link_id, each.code, each.number if each.weight is None else each.weight) for each in given
            )
        whole = weighted == len(layout.weighted)
        return cls(layout, answers.given, weights, numbers, counts, lines, one_weight, one_line, whole)

    def keep(self, link_id: str, value: Decimal) -> None:
        """Keep the value of a computed item for the expressions that read it."""
        place = self.layout.places[link_id]
        self.results[link_id] = value
        self.numbers[place] = (value,)
        self.counts[place] = 1
