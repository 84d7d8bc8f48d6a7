"""The page of one's sign-ins: what it says of the charts that are open in a browser."""

import re

import pytest

from plugin.pages.parting import BrowserLine, SessionsPage, render_sessions
from tests.pages import samples


@pytest.mark.parametrize(
    ("charts", "has_this_patient", "told"),
    [
        (1, True, "1 chart (this patient's)"),
        (2, True, "2 charts (this patient's among them)"),
        (1, False, "1 chart"),
    ],
)
def test_a_browser_is_told_by_its_charts(charts: int, has_this_patient: bool, told: str) -> None:
    line = BrowserLine("one", samples.NOW, samples.NOW, charts, 0, has_this_patient, False)
    html = render_sessions(SessionsPage("/launches/x", "csrf", line, (), True, False))
    found = re.search(r"This browser</h2>\s*<p>(.*?)</p>", html)
    assert found is not None
    assert found[1].replace("&#39;", "'") == told
