"""Grouping and laying out scores: what may stand in one plot, what is said of it, where it stands."""

import dataclasses
import re
from datetime import timedelta
from itertools import pairwise

import pytest

from plugin import pages
from plugin.pages.plot import NARROW, WIDE, Frame, draw
from plugin.pages.trend import Panel, Trend, TrendPoint, TrendSeries, group, latest
from tests.pages import samples


def _panel(*values: list[float | None], low: float = 0, high: float = 24) -> Panel:
    raters = ("child", "caregiver", "therapist")
    made = [
        dataclasses.replace(
            samples.series(raters[place], raters[place], "total", "Total", high, list(each)), low=low
        )
        for place, each in enumerate(values)
    ]
    return group(Trend(tuple(made)))[0].panels[0]


def test_the_four_check_ins_share_a_plot_and_other_measures_do_not() -> None:
    scales = group(samples.trend())
    assert [scale.key for scale in scales] == ["total", "goal", "task", "bond", "outcome"]
    assert [series.rater for series in scales[0].panels[0].series] == ["child", "caregiver", "therapist"]
    assert scales[4].panels[0].measure == "PEQ-CAMHS"


def test_different_ranges_never_share_a_plot() -> None:
    first = samples.series("child", "Mia", "total", "Total", 24, [3, 4])
    second = samples.series("therapist", "Dr Osei", "total", "Total", 48, [30, 31])
    assert len(group(Trend((first, second)))[0].panels) == 2


def test_a_series_without_points_is_left_out() -> None:
    assert group(Trend((samples.series("child", "Mia", "total", "Total", 24, []),))) == ()


def test_the_young_person_comes_first_whatever_the_order_given() -> None:
    therapist = samples.series("therapist", "Dr Osei", "total", "Total", 24, [3])
    child = samples.series("child", "Mia", "total", "Total", 24, [3])
    assert group(Trend((therapist, child)))[0].panels[0].series[0].rater == "child"


def test_facts_are_told_of_each_person_for_the_first_scale_of_a_measure_only() -> None:
    facts = latest(group(samples.trend()), samples.TODAY)
    assert [(fact.series.name, fact.series.scale) for fact in facts] == [
        ("Mia", "total"),
        ("Dana Kowalski (mother)", "total"),
        ("Dr Amara Osei", "total"),
        ("Dana Kowalski (mother)", "outcome"),
    ]
    assert [fact.is_today for fact in facts] == [True, True, True, False]


def test_last_time_is_the_last_score_that_was_computed() -> None:
    fact = latest(
        group(Trend((samples.series("child", "Mia", "total", "Total", 24, [17, None, 19]),))), samples.TODAY
    )[0]
    assert fact.before is not None
    assert fact.before.value == 17


def test_the_page_says_the_latest_score_beside_the_one_before() -> None:
    html = re.sub(r"\s+", " ", pages.render_patient(samples.patient()))
    assert "<b>Mia</b>: 19 of 24 today; 21 last time (9 Nov 2026)" in html


def test_a_first_session_has_no_last_time() -> None:
    trend = Trend((samples.series("child", "Mia", "total", "Total", 24, [19]),))
    html = re.sub(r"\s+", " ", pages.render_patient(samples.patient(trend=trend)))
    assert "<b>Mia</b>: 19 of 24 today" in html
    assert "last time" not in html


def test_without_scores_the_page_says_what_to_do() -> None:
    assert "No alliance scores yet." in pages.render_patient(samples.empty_patient())


def test_every_value_stands_in_the_table() -> None:
    html = pages.render_patient(samples.patient())
    rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', html, re.DOTALL)
    assert re.sub(r"<[^>]+>|\s+", " ", rows[0]).split() == ["23", "Nov", "2026", "19", "21", "20"]
    assert "not computed: Question 4 has no answer" in html


def test_a_line_breaks_where_a_score_is_missing() -> None:
    line = draw(_panel([14, 16, None, 18]), WIDE).lines[0]
    assert line.path.count("M") == 2
    assert [mark.hollow for mark in line.marks] == [False, False, True, False]


def test_lines_differ_without_colour() -> None:
    lines = draw(_panel([14, 16], [14, 16], [14, 16]), WIDE).lines
    assert len({line.dash for line in lines}) == 3
    shapes = {re.sub(r"M[\d.]+ [\d.]+", "", line.marks[0].path) for line in lines}
    assert len(shapes) == 3


def test_equal_scores_of_one_session_do_not_cover_each_other() -> None:
    lines = draw(_panel([14], [14], [14]), WIDE).lines
    assert len({line.end_x for line in lines}) == 3


@pytest.mark.parametrize("frame", [WIDE, NARROW])
@pytest.mark.parametrize("values", [[24.0, 24.0], [0.0, 0.0], [12.0, None]])
def test_labels_never_cover_each_other_nor_leave_the_frame(frame: Frame, values: list[float | None]) -> None:
    heights = sorted(line.label_y for line in draw(_panel(values, values, values), frame).lines)
    assert all(after - before >= 16.9 for before, after in pairwise(heights))
    assert heights[0] >= frame.top
    assert heights[-1] <= frame.height - frame.bottom


def test_the_axis_shows_the_whole_native_scale() -> None:
    assert [tick.label for tick in draw(_panel([14, 16]), WIDE).y_ticks] == ["0", "6", "12", "18", "24"]
    assert [tick.label for tick in draw(_panel([14, 16], low=12, high=48), WIDE).y_ticks] == [
        "12",
        "21",
        "30",
        "39",
        "48",
    ]
    assert [tick.label for tick in draw(_panel([1, 2], low=1, high=2.5), WIDE).y_ticks] == ["1", "2.5"]


def test_days_stand_by_time_not_by_number() -> None:
    start = samples.NOW
    points = tuple(TrendPoint(start + timedelta(days=days), 5) for days in (0, 1, 100))
    panel = group(Trend((TrendSeries("child", "Mia", "M", "total", "Total", 0, 24, points),)))[0].panels[0]
    first, second, third = (float(x) for x in re.findall(r"[ML]([\d.]+) ", draw(panel, WIDE).lines[0].path))
    assert (third - first) / (second - first) == pytest.approx(100, rel=0.1)


def test_two_hundred_sessions_still_make_a_small_page() -> None:
    values: list[float | None] = [float(place % 25) for place in range(200)]
    trend = Trend(
        tuple(
            samples.series("child", "Mia", scale, scale, 24, values)
            for scale in ("total", "goal", "task", "bond")
        )
    )
    html = pages.render_patient(samples.patient(trend=trend, responses=()))
    assert len(html) < 300_000
    assert html.count('<tr><th scope="row">') == 800
