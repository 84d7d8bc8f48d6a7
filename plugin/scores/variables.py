"""Tries out every variable of a form: one that no score uses may be used by the next score, or by whoever shows the form."""

from collections.abc import Callable, Iterable

import msgspec

from plugin.scores.arithmetic import TOO_LARGE
from plugin.scores.compiling import UnknownLinkId, compile_variable
from plugin.scores.errors import EvaluationError, NotNative
from plugin.scores.scopes import Scope, bad_variable, find_names, find_supplied
from plugin.scores.shapes import Many, One, Truth
from plugin.scores.sheet import Layout, Sheet
from plugin.scores.syntax import without_comments
from questionnaires import Instrument


def try_variables(
    instrument: Instrument, layout: Layout, scopes: Iterable[Scope], sheets: Iterable[Sheet]
) -> None:
    """Evaluate every variable on these answers; BadExpression names the first that cannot be evaluated.

    One that leads to what only a launch or a query supplies is compiled alone.
    """
    supplied = find_supplied(instrument.questionnaire)
    for scope in scopes:
        for name in scope.own:
            text = scope.texts[name]
            try:
                _try(instrument, layout, scope, name, supplied, sheets)
            except UnknownLinkId as error:
                reason = f"the form has no item {error}"
            except EvaluationError as error:
                reason = str(error)
            except ArithmeticError:
                reason = TOO_LARGE
            except RecursionError:
                reason = "it is nested too deeply"
            else:
                continue
            raise bad_variable(instrument, scope.link_id, name, text, reason)


def _try(
    instrument: Instrument,
    layout: Layout,
    scope: Scope,
    name: str,
    supplied: frozenset[str],
    sheets: Iterable[Sheet],
) -> None:
    evaluate: Callable[[Sheet], object]
    try:
        shape = compile_variable(name, layout, scope.trees)
    except NotNative:
        evaluate = _fall_back(instrument, scope, name)
        if find_names(scope.texts[name], scope.texts) & supplied:
            return
    else:
        if not isinstance(shape, One | Many | Truth):
            return  # a path: there is nothing to compute
        evaluate = shape.read
    for sheet in sheets:
        evaluate(sheet)


def _fall_back(instrument: Instrument, scope: Scope, name: str) -> Callable[[Sheet], object]:
    # fhirpathpy costs 0.3 s to import; instruments of the compiled subset never need it.
    from plugin.scores.fallback import compile_any

    texts = {each: without_comments(text) for each, text in scope.texts.items()}
    try:
        return compile_any(
            texts[name], texts, link_id=scope.link_id, questionnaire=msgspec.json.decode(instrument.resource)
        )
    except EvaluationError:
        raise
    except Exception as error:  # noqa: BLE001 -- fhirpathpy raises bare Exception; re-raised as ours
        raise EvaluationError(f"FHIRPath says: {error}") from None
