"""Evaluates conditions on linkIds while compiling: which items a where(...) takes does not depend on answers."""

from plugin.scores.errors import NotNative
from plugin.scores.syntax import Binary, Boolean, Call, Member, Node, Special, Text

_TESTS = {"startsWith": str.startswith, "endsWith": str.endswith, "contains": str.__contains__}


def takes(condition: Node, link_id: str) -> bool:
    """Tell whether `where(condition)` takes the item; NotNative if that is not decided by its linkId alone."""
    if isinstance(condition, Boolean):
        return condition.value
    if isinstance(condition, Binary):
        return _compare(condition, link_id)
    if isinstance(condition, Call) and condition.base is not None:
        return _call(condition.base, condition, link_id)
    raise NotNative("a condition on something else than linkId")


def chosen_truth(condition: Node, *, of_answers: bool) -> bool | None:
    """Tell which boolean answers `answer.where(condition)`, or `answer.value.where(condition)`, keeps; None if not by that alone."""
    subjects = (Member(None, "value"), Member(Special("this"), "value")) if of_answers else (Special("this"),)
    if condition in subjects:
        return True
    match condition:
        case Call(base, "not", ()) if base in subjects:
            return False
        case Binary("=" | "!=", base, Boolean(truth)) if base in subjects:
            return truth is (condition.operator == "=")
        case Binary("=" | "!=", Boolean(truth), base) if base in subjects:
            return truth is (condition.operator == "=")
    return None


def named_link_ids(condition: Node) -> frozenset[str]:
    """Give the linkIds that a condition compares with, so that a misspelt one is noticed."""
    if not isinstance(condition, Binary):
        return frozenset()
    if condition.operator in {"=", "!=", "in", "contains"}:
        sides = (condition.left, condition.right)
        return frozenset(text for side in sides if not _is_link_id(side) for text in _texts(side))
    return named_link_ids(condition.left) | named_link_ids(condition.right)


def _compare(condition: Binary, link_id: str) -> bool:
    left, right = condition.left, condition.right
    if condition.operator == "and":
        return takes(left, link_id) and takes(right, link_id)
    if condition.operator == "or":
        return takes(left, link_id) or takes(right, link_id)
    if condition.operator == "contains" or (condition.operator in {"=", "!="} and not _is_link_id(left)):
        left, right = right, left
    if not _is_link_id(left):
        raise NotNative("a condition on something else than linkId")
    texts = _texts(right)
    if condition.operator in {"in", "contains"}:
        return link_id in texts
    if condition.operator in {"=", "!="} and len(texts) == 1:
        return (link_id in texts) == (condition.operator == "=")
    raise NotNative(f"the operator {condition.operator} on linkId")


def _call(base: Node, condition: Call, link_id: str) -> bool:
    if condition.name == "not" and not condition.arguments:
        return not takes(base, link_id)
    test = _TESTS.get(condition.name)
    if test is not None and _is_link_id(base) and len(condition.arguments) == 1:
        (argument,) = condition.arguments
        if isinstance(argument, Text):
            return test(link_id, argument.value)
    raise NotNative(f"the function {condition.name} in a condition")


def _is_link_id(node: Node) -> bool:
    return isinstance(node, Member) and node.name == "linkId" and node.base in {None, Special("this")}


def _texts(node: Node) -> tuple[str, ...]:
    """Give the strings of `'a'` or `('a' | 'b' | 'c')`."""
    if isinstance(node, Text):
        return (node.value,)
    if isinstance(node, Binary) and node.operator == "|":
        return (*_texts(node.left), *_texts(node.right))
    raise NotNative("a condition on something else than literal linkIds")
