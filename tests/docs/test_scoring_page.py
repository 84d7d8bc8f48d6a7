"""Every example of the page on scoring is computed."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from plugin.responses import Answers, Given
from plugin.scores import compile_key, compute
from tests.questionnaires import forms

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scoring.md"
EXAMPLES = re.findall(r"^\| `(.+?)` \| (–|-?[\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
ALL = "%resource.repeat(item).where(linkId in ('a' | 'b' | 'c')).answer.value.weight()"


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize(("expression", "value"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_an_example_of_the_page(tmp_path: Path, expression: str, value: str) -> None:
    questions = [forms.question(each) for each in "abc"]
    form = forms.form(*questions, forms.score("s", expression), variables=(forms.variable("w", ALL),))
    key = compile_key(forms.load(tmp_path / "made-up", form))
    answers = Answers(
        {name: (Given(f"s{n}", Decimal(n), None, forms.STEPS),) for name, n in (("a", 1), ("b", 3), ("c", 2))}
    )
    (score,) = compute(key, answers)
    assert key.native
    assert score.value == (None if value == "–" else Decimal(value))
