"""Lays out the picture of a chain: boxes one below the other, the key beside the way from answers to score. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 360
_LEFT, _BOX, _HEIGHT, _GAP = 8, 344, 48, 28
_BRANCH = 112  # how far a box that joins from the side is set in
_BESIDE = 14  # left free on either side of a line in a box
_SIZE = 12  # of a line's letters
_NARROW, _WIDE = frozenset("iljtfrI .,:;|/()[]-'’!"), frozenset("mwMW@%&…—")
_IDEOGRAPHS = "\u2e80"  # where letters as wide as they are high begin


@dataclass(frozen=True, slots=True)
class Node:
    """One station: `link` is the id of its details, `verb` says how it came of the one before, `joins` from the side.

    `aside`: it came of the one before, and nothing comes of it.

    `mark` is "" where all is well, "alert" where somebody should look, "quiet" where nothing was done.
    """

    link: str
    title: str
    detail: str
    verb: str = ""
    mark: str = ""
    joins: bool = False
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A node with its place; `detail` is cut to what fits."""

    node: Node
    x: int
    y: int
    width: int
    height: int
    detail: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line downwards with an arrow's head at its end, and the word beside it."""

    x: int
    top: int
    bottom: int
    verb: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it, with the size of the drawing."""

    nodes: tuple[Node, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    width: int
    height: int


def draw(nodes: Sequence[Node]) -> Picture:
    """Place the nodes in their order. What joins from the side passes the way of the others by, and ends in the next."""
    # What stands aside is passed by in the same way, and ends in nothing.
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    y = 4
    passed_from: Box | None = None
    for node in nodes:
        is_in = node.joins or node.aside
        x = _LEFT + (_BRANCH if is_in else 0)
        width = _LEFT + _BOX - x
        box = Box(node, x, y, width, _HEIGHT, _fitted(node.detail, width - 2 * _BESIDE))
        before = boxes[-1] if boxes else None
        if node.joins:
            passed_from = before
        elif node.aside and before is not None:
            passed_from = passed_from or before
            arrows.append(Arrow(x + 24, before.y + _HEIGHT, y, node.verb))
        elif before is not None and node.verb:
            if passed_from is not None:
                joined = not before.node.aside
                if joined:
                    arrows.append(Arrow(before.x + 24, before.y + _HEIGHT, y, node.verb))
                arrows.append(Arrow(_LEFT + 24, passed_from.y + _HEIGHT, y, "" if joined else node.verb))
                passed_from = None
            else:
                arrows.append(Arrow(_LEFT + 24, before.y + _HEIGHT, y, node.verb))
        boxes.append(box)
        y += _HEIGHT + _GAP
    return Picture(tuple(nodes), tuple(boxes), tuple(arrows), WIDTH, y - _GAP + 4)


def _fitted(text: str, room: int) -> str:
    """Cut a line to the room that there is, by how wide its letters are in the widest of the usual fonts."""
    if sum(map(_width, text)) <= room:
        return text
    left = room - _width("…")
    end = 0
    while (left := left - _width(text[end])) >= 0:
        end += 1
    return f"{text[:end]}…"


def _width(letter: str) -> float:
    if letter in _NARROW:
        return 0.39 * _SIZE
    if letter in _WIDE or letter >= _IDEOGRAPHS:
        return 0.98 * _SIZE
    return (0.7 if letter.isupper() else 0.63) * _SIZE
