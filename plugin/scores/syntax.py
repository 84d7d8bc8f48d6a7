"""Parses FHIRPath into a tree. Grammar: https://hl7.org/fhirpath/N1/grammar.html."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from plugin.scores.errors import BadSyntax


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""

    value: bool


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty collection, { }."""


@dataclass(frozen=True, slots=True)
class Variable:
    """%name."""

    name: str


@dataclass(frozen=True, slots=True)
class Special:
    """A special name: $this, $total or $index."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """base.name; without a base, the element of what the expression is about."""

    base: "Node | None"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """base.name(arguments)."""

    base: "Node | None"
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """-operand."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """left operator right."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Literal:
    """A date, time or quantity: FHIRPath, but nothing that scoring compiles."""

    text: str


Node = Literal | Number | Text | Boolean | Empty | Variable | Special | Member | Call | Negative | Binary

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<moment>@[0-9T][0-9T:.Z+-]*)
    | %(?P<variable>[A-Za-z_][A-Za-z0-9_]*|`[^`]+`|'[^']+')
    | \$(?P<special>this|total|index)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>`[^`]+`)
    | (?P<sign><=|>=|!=|!~|[-+*/|=~<>.,(){}\[\]&])
    )""",
    re.VERBOSE,
)
# Strings and quoted names are kept: what looks like a comment in them is none.
_COMMENT = re.compile(r"('(?:[^'\\]|\\.)*'|`[^`]*`)|//[^\n]*|/\*.*?\*/", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}

# Loosest first; each row binds tighter than the one above it.
_PRECEDENCE: tuple[frozenset[str], ...] = (
    frozenset({"implies"}),
    frozenset({"or", "xor"}),
    frozenset({"and"}),
    frozenset({"in", "contains"}),
    frozenset({"=", "~", "!=", "!~"}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"|"}),
    frozenset({"is", "as"}),
    frozenset({"+", "-", "&"}),
    frozenset({"*", "/", "div", "mod"}),
)
_BINDING = {operator: level for level, row in enumerate(_PRECEDENCE) for operator in row}
_WORD_OPERATORS = {"implies", "or", "xor", "and", "in", "contains", "div", "mod", "is", "as"}
_UNITS = re.compile(r"(year|month|week|day|hour|minute|second|millisecond)s?")


class _Token(NamedTuple):
    kind: str
    text: str


def without_comments(expression: str) -> str:
    """Give the expression with a blank in place of each comment."""
    if "//" not in expression and "/*" not in expression:
        return expression
    return _COMMENT.sub(lambda found: found.group(1) or " ", expression)


def parse(expression: str) -> Node:
    """Parse an expression; BadSyntax where the text leaves the grammar."""
    parser = _Parser(_tokenise(expression))
    node = parser.expression(0)
    if parser.next.kind != "end":
        raise BadSyntax(f"“{parser.next.text}” was not expected there")
    return node


def _tokenise(expression: str) -> list[_Token]:
    text = without_comments(expression).rstrip()
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadSyntax(f"“{text[position : position + 10].strip()}” is not understood")
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return [*tokens, _Token("end", "the end")]


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def next(self) -> _Token:
        return self._tokens[self._position]

    def expression(self, level: int) -> Node:
        left = self._signed()
        while (binding := _BINDING.get(self._operator(), -1)) >= level:
            operator = self._take().text
            left = Binary(operator, left, self.expression(binding + 1))
        return left

    def _operator(self) -> str:
        token = self.next
        is_operator = token.kind == "sign" or (token.kind == "word" and token.text in _WORD_OPERATORS)
        return token.text if is_operator else ""

    def _signed(self) -> Node:
        if self._is_sign("-"):
            self._take()
            return Negative(self._signed())
        if self._is_sign("+"):
            self._take()
            return self._signed()
        return self._invoked()

    def _invoked(self) -> Node:
        node = self._term()
        while self._is_sign(".") or self._is_sign("["):
            if self._take().text == ".":
                node = self._invocation(node)
            else:
                node = Call(node, "[]", (self.expression(0),))
                self._expect("]")
        return node

    def _invocation(self, base: Node | None) -> Node:
        token = self._take()
        if token.kind not in {"word", "quoted"}:
            raise BadSyntax(f"“{token.text}” stands where a name belongs")
        name = token.text.strip("`")
        return Call(base, name, self._arguments()) if self._is_sign("(") else Member(base, name)

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        arguments: list[Node] = []
        while not self._is_sign(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression(0))
        self._expect(")")
        return tuple(arguments)

    def _term(self) -> Node:
        token = self.next
        if token.kind == "number":
            return self._number()
        if token.kind == "moment":
            node: Node = Literal(token.text)
        elif token.kind == "text":
            node = Text(_unescape(token.text[1:-1]))
        elif token.kind == "variable":
            node = Variable(token.text.strip("`'"))
        elif token.kind == "special":
            node = Special(token.text)
        elif token.text in {"true", "false"}:
            node = Boolean(token.text == "true")
        else:
            return self._bracketed_or_named()
        self._take()
        return node

    def _number(self) -> Node:
        digits = self._take().text
        if self.next.kind == "text" or (self.next.kind == "word" and _UNITS.fullmatch(self.next.text)):
            return Literal(f"{digits} {self._take().text}")
        return Number(Decimal(digits))

    def _bracketed_or_named(self) -> Node:
        if self._is_sign("("):
            self._take()
            node = self.expression(0)
            self._expect(")")
            return node
        if self._is_sign("{"):
            self._take()
            self._expect("}")
            return Empty()
        return self._invocation(None)

    def _is_sign(self, text: str) -> bool:
        return self.next == ("sign", text)

    def _take(self) -> _Token:
        token = self.next
        if token.kind == "end":
            raise BadSyntax("it ends too early")
        self._position += 1
        return token

    def _expect(self, text: str) -> None:
        if not self._is_sign(text):
            raise BadSyntax(f"“{self.next.text}” stands where “{text}” belongs")
        self._position += 1


def _unescape(text: str) -> str:
    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", _unescape_one, text)


def _unescape_one(match: re.Match[str]) -> str:
    code = match.group(1)
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)
