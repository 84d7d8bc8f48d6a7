"""Errors of scoring: one class per reaction.

CatalogueError (questionnaires)
└── BadInstrument
    └── BadExpression    correct the named expression; the instrument cannot be loaded

ScoringError
├── NotNative            within this package: evaluate the expression by FHIRPath instead
├── BadSyntax            within this package: becomes a BadExpression
└── EvaluationError      within this package: the score has no value, and says why
"""

from questionnaires import BadInstrument, Problem

_SHOWN = 300  # characters of an expression in a message


class BadExpression(BadInstrument):
    """A calculatedExpression or variable that cannot be evaluated; the message names item and expression.

    `link_id` is None and `variable` its name for a variable of the root.
    """

    def __init__(
        self,
        instrument: str,
        link_id: str | None,
        expression: str,
        reason: str,
        remedy: str,
        *,
        variable: str | None = None,
    ) -> None:
        self.link_id = link_id
        self.expression = expression
        shown = f"“{shorten(expression)}”" + (f" of the variable %{variable}" if variable else "")
        problem = Problem(f"The expression {shown} cannot be evaluated: {reason}", remedy, link_id)
        super().__init__(f"{instrument}/questionnaire.json", [problem])


class ScoringError(Exception):
    """Something about an expression or its evaluation."""


class NotNative(ScoringError):
    """The expression is outside the subset that is compiled."""


class BadSyntax(ScoringError):
    """The text is not FHIRPath."""


class EvaluationError(ScoringError):
    """The answers lead the expression to something that is no single number."""


def shorten(expression: str) -> str:
    """Give an expression as a message may hold it: its beginning, and how long it is."""
    if len(expression) <= _SHOWN:
        return expression
    return f"{expression[:_SHOWN]}… ({len(expression)} characters)"


def drops_repetitions(names: str) -> str:
    """Say why an expression that reaches these items by repeat(item) or descendants() is refused."""
    return (
        f"repeat(item) and descendants() drop equal repetitions of a group: reach {names} by path, "
        "%resource.item.where(linkId = '…').item"
    )
