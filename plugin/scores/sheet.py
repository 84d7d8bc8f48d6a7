"""The answers of one response as arrays, one place an item: what compiled expressions read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from plugin.responses import Answers, Given
from questionnaires import Item, walk

_NOTHING: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which item has which place, for one instrument."""

    tree: tuple[Item, ...]
    items: tuple[Item, ...]
    places: Mapping[str, int]
    computed: frozenset[int]
    repeating: frozenset[int]
    blank: tuple[tuple[Decimal, ...], ...]

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
            blank=(_NOTHING,) * len(items),
        )


@dataclass(slots=True)
class Sheet:
    """What was answered: per place the weights, the numbers and how many answers there are."""

    layout: Layout
    given: Mapping[str, tuple[Given, ...]]
    weights: list[tuple[Decimal, ...]]
    numbers: list[tuple[Decimal, ...]]
    counts: list[int]
    results: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout, answers: Answers) -> "Sheet":
        """Lay out the answers. What a response says about a computed item is not taken."""
        weights = [*layout.blank]
        numbers = [*layout.blank]
        counts = [0] * len(layout.blank)
        for link_id, given in answers.given.items():
            place = layout.places[link_id]
            if place in layout.computed:
                continue
            counts[place] = len(given)
            weights[place] = tuple(each.weight for each in given if each.weight is not None)
            numbers[place] = tuple(each.number for each in given if each.number is not None)
        return cls(layout, answers.given, weights, numbers, counts)

    def keep(self, link_id: str, value: Decimal) -> None:
        """Keep the value of a computed item for the expressions that read it."""
        place = self.layout.places[link_id]
        self.results[link_id] = value
        self.numbers[place] = (value,)
        self.counts[place] = 1
