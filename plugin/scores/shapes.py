"""What a compiled part of an expression yields: places in the form, known when compiling, or numbers, known when scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from plugin.scores.errors import EvaluationError, NotNative
from plugin.scores.sheet import Sheet

ReadOne = Callable[[Sheet], Decimal | None]
ReadMany = Callable[[Sheet], Sequence[Decimal]]
ReadTruth = Callable[[Sheet], bool | None]


@dataclass(frozen=True, slots=True)
class Resource:
    """The response itself."""


@dataclass(frozen=True, slots=True)
class Items:
    """Items of the response; `mixed` if other elements may stand among them (descendants()).

    `distinct` if FHIRPath drops those that are equal (repeat(item), descendants()): repetitions of a group may be.
    """

    places: tuple[int, ...]
    mixed: bool = False
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class AnswersOf:
    """The answers of items."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ValuesOf:
    """The values of answers."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Those boolean answers that are true, or those that are false."""

    places: tuple[int, ...]
    truth: bool


@dataclass(frozen=True, slots=True)
class Many:
    """Any number of numbers."""

    read: ReadMany


@dataclass(frozen=True, slots=True)
class One:
    """A number or nothing."""

    read: ReadOne


@dataclass(frozen=True, slots=True)
class Truth:
    """True, false or nothing."""

    read: ReadTruth


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty collection."""


Shape = Resource | Items | AnswersOf | ValuesOf | Chosen | Many | One | Truth | Nothing


def to_one(shape: Shape) -> ReadOne:
    """Read a shape as a single number, as operators do; several numbers there are an EvaluationError when scoring."""
    if isinstance(shape, One):
        return shape.read
    if isinstance(shape, Nothing):
        return lambda _: None
    if isinstance(shape, Many):
        read = shape.read

        def single(sheet: Sheet) -> Decimal | None:
            numbers = read(sheet)
            if len(numbers) > 1:
                raise EvaluationError(f"it meets {len(numbers)} values where one is allowed")
            return numbers[0] if numbers else None

        return single
    raise NotNative("not a number")


def to_many(shape: Shape) -> ReadMany:
    """Read a shape as numbers."""
    if isinstance(shape, Many):
        return shape.read
    if isinstance(shape, Nothing):
        return lambda _: ()
    if isinstance(shape, One):
        read = shape.read

        def collect(sheet: Sheet) -> Sequence[Decimal]:
            number = read(sheet)
            return () if number is None else (number,)

        return collect
    raise NotNative("not numbers")


def to_truth(shape: Shape) -> ReadTruth:
    """Read a shape as a condition."""
    if isinstance(shape, Truth):
        return shape.read
    if isinstance(shape, Nothing):
        return lambda _: None
    raise NotNative("not a condition")
