"""Compiles an expression tree into functions over a Sheet; NotNative for what is outside the subset.

The subset, all over sets of items that linkIds choose: `%resource`, `%variable`, `item`, `answer`, `value`,
`repeat(item)`, `descendants()`, `where(<condition on linkId>)`, `answer.where(value = true)`, `weight()`, `ordinal()`, `sum()`, `avg()`, `min()`, `max()`,
`count()`, `exists()`, `empty()`, `aggregate($this + $total, n)`, `iif()`, `round()`, `abs()`, `ceiling()`, `floor()`,
`truncate()`, `not()`, + - * / div mod, comparison, and or xor implies, `|` of items, numbers and { }.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from plugin.scores import operators
from plugin.scores.errors import EvaluationError, NotNative, drops_repetitions
from plugin.scores.functions import (
    CONDITIONS,
    FUNCTIONS,
    SUMMARIES,
    choose,
    count,
    count_truths,
    guard,
    is_running_sum,
    round_number,
    total_from,
    truth_of,
)
from plugin.scores.selecting import chosen_truth, named_link_ids, takes
from plugin.scores.shapes import (
    AnswersOf,
    Chosen,
    Items,
    Many,
    Nothing,
    One,
    ReadOne,
    Resource,
    Shape,
    Truth,
    ValuesOf,
    to_many,
    to_one,
)
from plugin.scores.sheet import Layout, picker
from plugin.scores.syntax import (
    Binary,
    Boolean,
    Call,
    Empty,
    Member,
    Negative,
    Node,
    Number,
    Special,
    Variable,
)
from questionnaires import Item

_NUMERIC = {"decimal", "integer"}


def is_numeric(item: Item) -> bool:
    """Tell whether every answer to an item is a number by itself."""
    plain = (
        item.type == "choice" and bool(item.options) and all(each.kind == "Integer" for each in item.options)
    )
    return plain or item.type in _NUMERIC


class UnknownLinkId(Exception):
    """A condition names a linkId that the form does not have."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled expression, and the places that it reads."""

    read: ReadOne
    used: frozenset[int]


def compile_expression(node: Node, layout: Layout, variables: Mapping[str, Node]) -> Compiled:
    """Compile an expression that yields a number or nothing."""
    compiler = _Compiler(layout, variables)
    shape = compiler.compile(node)
    if isinstance(shape, ValuesOf):
        shape = compiler.values(shape)
    return Compiled(to_one(shape), frozenset(compiler.used))


def compile_variable(name: str, layout: Layout, variables: Mapping[str, Node]) -> Shape:
    """Compile a variable, whatever it yields."""
    return _Compiler(layout, variables).compile(Variable(name))


@dataclass(slots=True)
class _Compiler:
    layout: Layout
    variables: Mapping[str, Node]
    used: set[int] = field(default_factory=set)
    open: tuple[str, ...] = ()

    def compile(self, node: Node) -> Shape:
        match node:
            case Number():
                value = node.value
                return One(lambda _: value)
            case Boolean():
                truth = node.value
                return Truth(lambda _: truth)
            case Empty():
                return Nothing()
            case Variable():
                return self._variable(node.name)
            case Negative():
                return operators.negate(self._numeric(node.operand))
            case Binary():
                return self._binary(node)
            case Member():
                return self._member(node)
            case Call():
                return self._call(node)
            case _:
                raise NotNative("an expression that is not about numbers")

    def _variable(self, name: str) -> Shape:
        if name in {"resource", "rootResource"}:
            return Resource()
        if name not in self.variables:
            raise NotNative(f"%{name}")
        if name in self.open:
            raise EvaluationError(f"the variable %{name} refers to itself")
        outside, self.open = self.open, (*self.open, name)
        shape = self.compile(self.variables[name])
        self.open = outside
        return shape

    def _binary(self, node: Binary) -> Shape:
        if node.operator == "|":
            return self._unite(self.compile(node.left), self.compile(node.right))
        return operators.combine(node.operator, self._numeric(node.left), self._numeric(node.right))

    def _unite(self, left: Shape, right: Shape) -> Shape:
        if not isinstance(left, Items) or not isinstance(right, Items) or left.mixed or right.mixed:
            raise NotNative("a union of something else than items")
        places = {**dict.fromkeys(left.places), **dict.fromkeys(right.places)}
        # Union drops equal elements: repetitions of a group may be equal, items of different linkId never are.
        if self.layout.repeating & places.keys():
            raise NotNative("a union of repeating items")
        return Items(tuple(places), distinct=left.distinct or right.distinct)

    def _numeric(self, node: Node) -> Shape:
        shape = self.compile(node)
        return self.values(shape) if isinstance(shape, ValuesOf) else shape

    def _member(self, node: Member) -> Shape:
        if node.base is None or isinstance(node.base, Special):
            raise NotNative("a path that does not begin at %resource or a variable")
        base = self.compile(node.base)
        if node.name == "item":
            return self._children(base)
        if node.name == "answer" and isinstance(base, Items):
            self._check_repetitions(base)
            return AnswersOf(tuple(place for place in base.places if self._is_question(place)))
        if node.name == "value" and isinstance(base, AnswersOf):
            return ValuesOf(base.places)
        if node.name == "value" and isinstance(base, Chosen):
            return base
        raise NotNative(f"the element {node.name}")

    def _children(self, base: Shape) -> Shape:
        items = self.layout.items
        if isinstance(base, Resource):
            return Items(self._places(self.layout.tree))
        if isinstance(base, Items):
            # Items below a question stand below its answer, never below the item itself.
            found = [
                place for each in base.places if not self._is_question(each) for place in self._below(each)
            ]
            return Items(tuple(found), distinct=base.distinct)
        if isinstance(base, AnswersOf):
            return Items(tuple(place for each in base.places for place in self._places(items[each].items)))
        raise NotNative("items of something else")

    def _places(self, items: tuple[Item, ...]) -> tuple[int, ...]:
        return tuple(self.layout.places[item.link_id] for item in items)

    def _below(self, place: int) -> tuple[int, ...]:
        return self._places(self.layout.items[place].items)

    def _is_question(self, place: int) -> bool:
        return self.layout.items[place].type not in {"group", "display"}

    def _call(self, node: Call) -> Shape:
        if node.base is None:
            return self._call_on_nothing(node)
        base = self.compile(node.base)
        if node.name in {"repeat", "descendants", "where"}:
            return self._navigate(node, base)
        if node.name in {"weight", "ordinal"} and not node.arguments:
            return self._weights(base)
        if node.name in {"count", "exists", "empty"} and not node.arguments:
            if isinstance(base, Items):
                self._check_repetitions(base)
            return self._how_many(node.name, base)
        numbers = self.values(base) if isinstance(base, ValuesOf) else base
        if node.name == "round" and len(node.arguments) <= 1:
            places = self._numeric(node.arguments[0]) if node.arguments else One(lambda _: None)
            return round_number(numbers, places, given=bool(node.arguments))
        if node.name == "aggregate":
            return self._aggregate(node, numbers)
        if node.arguments or node.name not in FUNCTIONS:
            raise NotNative(f"the function {node.name}")
        return FUNCTIONS[node.name](numbers)

    def _call_on_nothing(self, node: Call) -> Shape:
        if node.name != "iif" or len(node.arguments) not in {2, 3}:
            raise NotNative(f"the function {node.name} without something before it")
        if (guarded := self._guarded(node.arguments)) is not None:
            return guarded
        shapes = [self._numeric(argument) for argument in node.arguments]
        return choose(shapes[0], shapes[1], shapes[2] if len(shapes) == 3 else Nothing())

    def _guarded(self, arguments: tuple[Node, ...]) -> One | None:
        """Compile `iif(x.count() = n, x.sum(), {})`, which nearly every form says, so that x is read once."""
        match arguments:
            case (
                Binary(sign, Call(counted, "count", ()), Number(number)),
                Call(summed, function, ()),
                *rest,
            ) if (
                counted == summed
                and counted is not None
                and function in SUMMARIES
                and rest in ([], [Empty()])
            ):
                base = self.compile(counted)
                return guard(sign, int(number), base, function) if number == int(number) else None
        return None

    def _navigate(self, node: Call, base: Shape) -> Shape:
        if node.name == "where" and isinstance(base, Items) and len(node.arguments) == 1:
            return self._select(base, node.arguments[0])
        if node.name == "where" and isinstance(base, AnswersOf | ValuesOf) and len(node.arguments) == 1:
            return self._choose_answers(base, node.arguments[0])
        if node.name == "repeat" and node.arguments == (Member(None, "item"),):
            return self._repeat(base)
        if node.name == "descendants" and not node.arguments and isinstance(base, Resource):
            return Items(tuple(range(len(self.layout.items))), mixed=True, distinct=True)
        raise NotNative(f"the function {node.name} there")

    def _select(self, base: Items, condition: Node) -> Items:
        unknown = named_link_ids(condition) - self.layout.places.keys()
        if unknown:
            raise UnknownLinkId(", ".join(sorted(unknown)))
        items = self.layout.items
        found = tuple(place for place in base.places if takes(condition, items[place].link_id))
        return Items(found, distinct=base.distinct)

    def _repeat(self, base: Shape) -> Items:
        found: list[int] = []
        level = self._children(base)
        while isinstance(level, Items) and level.places:
            found += level.places
            level = self._children(level)
        return Items(tuple(found), distinct=True)

    def _check_repetitions(self, base: Items) -> None:
        """Refuse what would be counted here and dropped elsewhere: equal repetitions of a group, reached by repeat(item)."""
        if base.distinct and (repeated := self.layout.repeating.intersection(base.places)):
            names = ", ".join(self.layout.items[place].link_id for place in sorted(repeated))
            raise EvaluationError(drops_repetitions(names))

    def _weights(self, base: Shape) -> Many:
        if not isinstance(base, ValuesOf):
            raise NotNative("the weight of something else than answers")
        # Items without weights, computed ones among them, contribute nothing.
        weighted = tuple(place for place in base.places if place in self.layout.weighted)
        self.used.update(weighted)
        pick = picker(weighted)
        return Many(
            lambda sheet: (
                pick(sheet.one_weight) if sheet.whole else tuple(chain.from_iterable(pick(sheet.weights)))
            )
        )

    def _choose_answers(self, base: AnswersOf | ValuesOf, condition: Node) -> Chosen:
        truth = chosen_truth(condition, of_answers=isinstance(base, AnswersOf))
        if truth is None or not self._all_boolean(base.places):
            raise NotNative("a choice among answers by something else than true or false")
        return Chosen(base.places, truth)

    def _all_boolean(self, places: tuple[int, ...]) -> bool:
        return bool(places) and all(self.layout.items[place].type == "boolean" for place in places)

    def values(self, base: ValuesOf) -> Many | Truth:
        """Compile the values of answers: numbers, or the truth of yes-or-no questions."""
        if self._all_boolean(base.places):
            self.used.update(base.places)
            return truth_of(self._names(base.places))
        return self._numbers(base)

    def _names(self, places: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.layout.items[place].link_id for place in places)

    def _numbers(self, base: ValuesOf) -> Many:
        if not all(is_numeric(self.layout.items[place]) for place in base.places):
            raise NotNative("the value of an answer that is not a number")
        self.used.update(base.places)
        pick = picker(base.places)
        return Many(lambda sheet: tuple(chain.from_iterable(pick(sheet.numbers))))

    def _how_many(self, name: str, base: Shape) -> Shape:
        if isinstance(base, AnswersOf | ValuesOf):
            self.used.update(base.places)
            return CONDITIONS[name](count(base.places))
        if isinstance(base, Chosen):
            self.used.update(base.places)
            return CONDITIONS[name](count_truths(self._names(base.places), truth=base.truth))
        if isinstance(base, Many | One | Nothing):
            numbers = to_many(base)
            return CONDITIONS[name](lambda sheet: len(numbers(sheet)))
        raise NotNative(f"{name}() of something else than answers")

    def _aggregate(self, node: Call, numbers: Shape) -> Shape:
        if len(node.arguments) != 2 or not is_running_sum(node.arguments[0]):
            raise NotNative("an aggregate that is not a sum")
        return total_from(numbers, self._numeric(node.arguments[1]))
