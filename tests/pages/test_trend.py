"""Grouping and laying out scores: what may stand in one plot, what is said of it, where it stands."""

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterable
from datetime import timedelta
from itertools import accumulate, pairwise

import pytest

from plugin import pages
from plugin.delivery.pdf import can_render, pdf_of
from plugin.pages.caseload import SMALL
from plugin.pages.note import draft_text
from plugin.pages.patient import summary_html
from plugin.pages.plot import NARROW, WIDE, Frame, Plot, draw
from plugin.pages.shapes import SHAPES, shape_at
from plugin.pages.strips import MOST_COURSES
from plugin.pages.trend import (
    Event,
    Panel,
    Trend,
    TrendPoint,
    TrendSeries,
    group,
    latest,
    looks_of,
    shown_courses,
)
from plugin.pages.worded import Instead
from plugin.tips import Occasion
from plugin.trends.change import LIMIT, Statistics
from plugin.trends.medication import Course
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


def lines_of(page: pages.PatientPage) -> list[str]:
    """What the card at the top says of each person, as it is read out."""
    inside = re.search(r'<ul class="facts">(.*?)</ul>', pages.render_patient(page), re.DOTALL)
    assert inside
    on_screen = re.sub(r'<span class="printed">.*?</span>', "", inside[1])
    lines = re.findall(r"<li>(.*?)</li>", on_screen, re.DOTALL)
    return [re.sub(r"(?:<[^>]+>|\s)+", " ", line).strip() for line in lines]


def test_the_four_check_ins_share_a_plot_and_other_measures_do_not() -> None:
    scales = group(samples.trend())
    assert [scale.key for scale in scales] == ["total", "goal", "task", "bond", "outcome"]
    assert [series.rater for series in scales[0].panels[0].series] == ["child", "caregiver", "therapist"]
    assert scales[4].panels[0].measure == "PEQ-CAMHS"


def test_different_ranges_never_share_a_plot() -> None:
    first = samples.series("child", "Mia", "total", "Total", 24, [3, 4])
    second = samples.series("therapist", "Dr Osei", "total", "Total", 48, [30, 31])
    assert len([panel for panel in group(Trend((first, second)))[0].panels if not panel.is_common]) == 2


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


def test_parts_that_were_computed_are_told_where_the_whole_was_not() -> None:
    made = (("total", "Total", 24, [14, None]), ("goal", "Goal", 8, [5, 6]), ("bond", "Bond", 8, [4, None]))
    mine = [samples.series("child", "Mia", *each) for each in made]
    others = samples.series("caregiver", "Dana", "goal", "Goal", 8, [7, 7])
    page = samples.patient(trend=Trend((*mine, others)))
    (told,) = (each for each in lines_of(page) if each.startswith("Mia"))
    assert told.endswith("(9 Nov 2026). Goal 6 of 8"), told
    assert ". Goal 6 of 8" in summary_html(page, "Mia")
    whole = samples.patient(trend=Trend((samples.series("child", "Mia", *made[0][:3], [14, 15]), *mine[1:])))
    assert "Goal 6 of 8" not in lines_of(whole)[0]


def test_the_page_says_the_latest_score_beside_the_one_before() -> None:
    told = lines_of(samples.patient())[0]
    assert told == "Mia 19 of 24 ▼ 2 lower Rapport Check-in, Total · today; 21 last time (9 Nov 2026)"


@pytest.mark.parametrize(
    ("values", "told"),
    [([17, 19], "2 higher"), ([19, 17], "2 lower"), ([19, 19], "unchanged"), ([18.1, 19.3], "1.2 higher")],
)
def test_the_page_says_how_far_the_latest_score_moved(values: list[float | None], told: str) -> None:
    trend = Trend((samples.series("child", "Mia", "total", "Total", 24, values),))
    html = pages.render_patient(samples.patient(trend=trend))
    assert f"<span data-moved>{told}</span>" in html


@pytest.mark.parametrize(
    ("width", "told"),
    [(3.4, "within measurement error (± 3.4)."), (1.5, "larger than measurement error explains (± 1.5).")],
)
def test_the_page_says_whether_a_move_is_more_than_error(width: float, told: str) -> None:
    series = samples.series("child", "Mia", "total", "Total", 24, [17, 19])
    trend = Trend((dataclasses.replace(series, error=_error(width)),))
    assert lines_of(samples.patient(trend=trend)) == [
        f"Mia 19 of 24 ▲ 2 higher today; 17 last time (9 Nov 2026). The difference is {told}"
    ]
    assert "Measurement error (Mia): own data." in pages.render_patient(samples.patient(trend=trend))
    assert "data-unknown" not in pages.render_patient(samples.patient(trend=trend))


def test_a_score_that_did_not_move_is_compared_with_no_error() -> None:
    series = samples.series("child", "Mia", "total", "Total", 24, [19, 19])
    page = samples.patient(trend=Trend((dataclasses.replace(series, error=_error(3.4)),)))
    assert lines_of(page) == ["Mia 19 of 24 = unchanged today; 19 last time (9 Nov 2026)"]
    changed, _, plot = pages.render_patient(page).partition('id="changed"')[2].partition("</section>")
    assert "easurement error" not in changed
    assert "Measurement error (Mia): own data." in plot  # of its band
    assert "measurement error" not in draft_text(page)


def test_the_sources_of_error_say_whose_they_are() -> None:
    trend = Trend(
        tuple(
            dataclasses.replace(
                samples.series(rater, name, "total", "Total", 24, [17, 19]),
                error=Statistics(sd=2, reliability=0.5, n=120, source=source),
            )
            for rater, name, source in (
                ("child", "Mia", "own data, n = 120"),
                ("caregiver", "Dana", "own data, n = 90"),
                ("therapist", "Dr Osei", "own data, n = 120"),
            )
        )
    )
    html = pages.render_patient(samples.patient(trend=trend))
    told = re.findall(r'<p class="hint">(Measurement error .+?)</p>', html)
    assert (
        told
        == [
            "Measurement error (Mia, Dr Osei): own data, n = 120.",
            "Measurement error (Dana): own data, n = 90.",
        ]
        * 2
    )  # of what changed, and of the bands


def test_a_move_whose_error_is_not_known_says_so() -> None:
    html = pages.render_patient(samples.patient())
    assert "is not known (Rapport Check-in, PEQ-CAMHS): a small difference may mean nothing." in html


def test_a_rupture_in_the_latest_score_stands_in_its_line() -> None:
    series = samples.series("child", "Mia", "total", "Total", 24, [17, 9])
    points = (series.points[0], dataclasses.replace(series.points[1], event=Event.RUPTURE))
    page = samples.patient(trend=Trend((dataclasses.replace(series, points=points),)))
    assert lines_of(page) == ["Mia 9 of 24 ▼ 8 lower rupture · today; 17 last time (9 Nov 2026)"]


def test_a_rupture_is_not_what_is_said_to_be_within_error() -> None:
    series = samples.series("child", "Mia", "total", "Total", 24, [17, 10, 9])
    down = dataclasses.replace(series, error=_error(4.1), down_since=series.points[1].day)
    (told,) = lines_of(samples.patient(trend=Trend((down,))))
    assert (
        "rupture since 9 Nov 2026, not back yet · today; 10 last time (9 Nov 2026). The difference is" in told
    )


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
@pytest.mark.parametrize(
    ("name", "foot"), [("Mia Kowalski", "Mia Kowalski"), ("Mia" * 80, f"{'Mia' * 30}"[:-1])]
)
def test_each_sheet_of_the_pdf_says_whose_it_is_and_of_which_day(name: str, foot: str) -> None:
    page = samples.patient(trend=samples.long_trend(40), printed=samples.patient().banner)
    command = ["pdftotext", "-raw", "-", "-"]
    text = subprocess.run(command, input=pdf_of(summary_html(page, name)), capture_output=True, check=True)
    sheets = text.stdout.decode().split("\f")[:-1]
    assert len(sheets) > 1
    for number, sheet in enumerate(sheets, 1):
        told = re.sub(r"\s+", "", sheet)
        assert re.sub(r"\s+", "", f"{foot}, born 3 May 2017 (9 years)") in told.replace("…", "")
        assert f"23Nov2026·{number}/{len(sheets)}" in told


def test_what_lasts_gives_the_day_where_the_page_says_today() -> None:
    page = samples.patient()
    # On screen without the day, on paper with it.
    assert 'today<span class="printed"> (23 Nov 2026)</span>; 21 last time' in pages.render_patient(page)
    for lasting in (draft_text(page), summary_html(page, "Mia")):
        assert "on 23 Nov 2026; 21 last time (9 Nov 2026)" in lasting
        assert "today" not in lasting


def test_several_forms_of_one_person_are_told_apart() -> None:
    assert "0.75 higher PEQ-CAMHS, Experience: outcome · on" in " ".join(lines_of(samples.patient()))


@pytest.mark.parametrize("values", [[19], [17, 19, None]])
def test_nothing_moved_where_there_is_no_pair_of_scores(values: list[float | None]) -> None:
    trend = Trend((samples.series("child", "Mia", "total", "Total", 24, values),))
    assert "data-moved" not in pages.render_patient(samples.patient(trend=trend))


def test_a_first_session_has_no_last_time() -> None:
    trend = Trend((samples.series("child", "Mia", "total", "Total", 24, [19]),))
    assert lines_of(samples.patient(trend=trend)) == ["Mia 19 of 24 today"]


def test_without_scores_the_page_says_what_to_do() -> None:
    assert "No alliance scores yet." in pages.render_patient(samples.empty_patient())


def test_every_value_stands_in_the_table() -> None:
    html = pages.render_patient(samples.patient())
    rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', html, re.DOTALL)
    assert re.sub(r"<[^>]+>|\s+", " ", rows[0]).split() == ["23", "Nov", "2026", "19", "21", "20"]
    assert "not computed: Question 4 has no answer" in html


WITHHELD = Instead("withheld: the answers may not be read one by one")


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (["Question 4 has no answer"], "answered, but not computed"),
        ([WITHHELD], "answered, but withheld"),
        ([WITHHELD, None], "answered, but not computed or withheld"),
        ([], None),
    ],
    ids=["not computed", "withheld", "both", "none"],
)
def test_page_and_pdf_say_what_a_hollow_mark_is(reasons: list[str | None], words: str | None) -> None:
    trend = samples.marked_trend()
    child = trend.series[0]
    points = [
        dataclasses.replace(point, event=None, value=20.0 if place >= len(reasons) else None)
        for place, point in enumerate(child.points)
    ]
    points = [
        *(dataclasses.replace(point, absent=reason) for point, reason in zip(points, reasons, strict=False)),
        *points[len(reasons) :],
    ]
    page = samples.patient(
        trend=dataclasses.replace(trend, series=(dataclasses.replace(child, points=tuple(points)),))
    )
    for html in (pages.render_patient(page), summary_html(page, "Mia")):
        legend = html.partition('class="legend"')[2].partition("</ul>")[0]
        told = [each.strip() for each in re.findall(r"answered, but [^<]*", legend)]
        assert told == ([words] if words else [])
        assert html.count("but not computed") == ("not computed" in (words or ""))


def test_the_legend_shows_a_hollow_mark_below_an_axis_in_the_shape_of_whose_it_is() -> None:
    trend = samples.marked_trend()
    whole, gapped = trend.series[:2]
    points = (*gapped.points[:-1], dataclasses.replace(gapped.points[-1], value=None, event=None))
    both = (
        dataclasses.replace(whole, points=tuple(each for each in whole.points if each.value is not None)),
        dataclasses.replace(gapped, points=points),
    )
    panel = dataclasses.replace(trend, series=both)
    look = looks_of([each.rater for each in both])[1]
    assert SHAPES[look] != "circle"
    page = samples.patient(trend=panel)
    for html in (pages.render_patient(page), summary_html(page, "Mia")):
        legend = html.partition('class="legend"')[2].partition("</ul>")[0]
        assert re.findall(r'class="mark hollow" d="([^"]+)"', legend) == [
            shape_at(SHAPES[look], 8, 10, small=True)
        ]
        assert '<g class="grid">' in legend


def test_the_pdf_opens_with_what_changed_as_the_page_does() -> None:
    page = samples.patient(trend=samples.marked_trend())
    shown, printed = pages.render_patient(page), summary_html(page, "Mia")
    for what in ("moved", "event"):
        told = re.findall(rf"data-{what}>([^<]*)<", shown)
        assert told == re.findall(rf"data-{what}>([^<]*)<", printed)
    assert "2 higher" in printed


def test_a_line_breaks_where_a_score_is_missing() -> None:
    line = draw(_panel([14, 16, None, 18]), WIDE).lines[0]
    assert line.path.count("M") == 2
    assert [mark.hollow for mark in line.marks] == [False, False, True, False]


def test_lines_differ_without_colour() -> None:
    lines = draw(_panel([14, 16], [14, 16], [14, 16]), WIDE).lines
    assert len({line.dash for line in lines}) == 3
    shapes = {re.sub(r"M[\d.]+ [\d.]+", "", line.marks[0].path) for line in lines}
    assert len(shapes) == 3


@pytest.mark.parametrize(
    ("raters", "looks"),
    [
        (["therapist"], (2,)),
        (["child", "therapist"], (0, 2)),
        (["child", "caregiver", "caregiver", "therapist"], (0, 1, 4, 2)),
        (["caregiver", "caregiver", "caregiver", "caregiver"], (1, 4, 5, 0)),
        (["child", *["caregiver"] * 6, "therapist"], (0, 1, 4, 5, 3, 5, 0, 2)),
    ],
)
def test_a_kind_of_rater_looks_alike_in_whatever_company(raters: list[str], looks: tuple[int, ...]) -> None:
    assert looks_of(raters) == looks


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


MOTHER, GRANDMOTHER = (
    "Maria Antonia de la Fuente Ibáñez (mother)",
    "Maria Antonia de la Fuente Ibáñez (grandmother)",
)


@pytest.mark.parametrize("frame", [WIDE, NARROW])
@pytest.mark.parametrize(
    "names",
    [
        (MOTHER, GRANDMOTHER, "Amara Okafor"),
        ("Chidinma Okafor-Nwosu, Rapport Check-in", "Chidinma Okafor-Nwosu, PEQ-CAMHS", "Chidinma Okafor"),
        ("Alexandrina Konstantinopoulou", "Alexandrina Konstantinopoulos", "Alexandrina Konstantin"),
        ("A" * 60 + "x" + "A" * 20, "A" * 60 + "y" + "A" * 20, "A" * 81),
    ],
)
@pytest.mark.parametrize("many", [1, 4])
def test_two_people_never_have_the_same_label_however_long_their_names(
    frame: Frame, names: tuple[str, ...], many: int
) -> None:
    measures = tuple(
        dataclasses.replace(series, name=f"{name}{' ' * (place > 0)}{'I' * place}")
        for place in range(many)
        for name, series in zip(names, _panel([14], [16], [20]).series, strict=True)
    )
    plot = draw(dataclasses.replace(_panel([14]), series=measures), frame)
    assert len({line.label for line in plot.lines}) == len(measures)
    heights = sorted(y for line in plot.lines for y, _ in line.label_lines)
    assert all(after - before >= 13.9 for before, after in pairwise(heights))
    assert heights[-1] <= frame.height - frame.bottom
    assert max(len(words) for line in plot.lines for words in line.label) <= frame.label_characters


def test_a_name_that_does_not_fit_stands_whole_in_the_words_of_the_plot() -> None:
    trend = samples.trend()
    named = tuple(dataclasses.replace(each, name=f"{each.name} {MOTHER}") for each in trend.series)
    html = pages.render_patient(samples.patient(trend=dataclasses.replace(trend, series=named)))
    described = html.partition("<desc")[2].partition("</desc>")[0]
    assert all(each.name in described for each in named if each.scale == "total" and each.rater != "observer")
    assert f"<title>{named[0].name}</title>" in html
    assert f'<th scope="col">{named[0].name}</th>' in html


def test_the_axis_shows_the_whole_native_scale() -> None:
    assert [tick.value for tick in draw(_panel([14, 16]), WIDE).y_ticks] == [0, 6, 12, 18, 24]
    assert [tick.value for tick in draw(_panel([14, 16], low=12, high=48), WIDE).y_ticks] == [
        12,
        21,
        30,
        39,
        48,
    ]
    assert [tick.value for tick in draw(_panel([1, 2], low=1, high=2.5), WIDE).y_ticks] == [1, 2.5]


def _on(*days: int) -> Panel:
    """One rater's scores, so many days after a first day."""
    moments = [samples.NOW + timedelta(days=day) for day in days]
    points = tuple(TrendPoint(when, when.date(), 5 + place % 3) for place, when in enumerate(moments))
    return group(Trend((TrendSeries("child", "Mia", "M", "total", "Total", 0, 24, points),)))[0].panels[0]


def test_days_stand_by_time_not_by_number() -> None:
    path = draw(_on(0, 1, 80), WIDE).lines[0].path
    first, second, third = (float(x) for x in re.findall(r"[ML]([\d.]+) ", path))
    assert (third - first) / (second - first) == pytest.approx(80, rel=0.1)


def _weekly(*pauses: int) -> Panel:
    """Five sessions a week apart, then so many days to five others, and so on."""
    begins = accumulate((28 + pause for pause in pauses), initial=0)
    return _on(*(begin + 7 * place for begin in begins for place in range(5)))


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_a_year_without_sessions_takes_no_room_from_the_sessions(frame: Frame) -> None:
    panel = group(samples.paused_trend())[0].panels[0]
    plot = draw(panel, frame)
    (fold,) = plot.folds
    assert (fold.pause.months, fold.pause.before, fold.pause.after) == (12, panel.days[14], panel.days[15])
    marks = [mark.x for mark in plot.lines[0].marks]
    assert marks == sorted(marks)
    assert not [mark for line in plot.lines for mark in line.marks if fold.left <= mark.x <= fold.right]
    steps = [after - before for before, after in pairwise(marks)]
    within = steps[:14] + steps[15:]
    assert min(within) == pytest.approx(max(within))
    assert sum(within) > (frame.width - frame.left - frame.right) / 2


def test_no_line_goes_over_what_is_left_out() -> None:
    plot = draw(group(samples.paused_trend())[0].panels[0], WIDE)
    assert [line.path.count("M") for line in plot.lines] == [2, 2, 2]


def test_among_lines_alone_a_score_between_two_pauses_keeps_its_mark() -> None:
    plot = draw(_on(0, *range(400, 500), 900), NARROW)
    assert plot.is_crowded
    assert len(plot.folds) == 2
    assert [place for place, mark in enumerate(plot.lines[0].marks) if mark.path] == [0, 101]


@pytest.mark.parametrize(("pauses", "left_out"), [((89,), 0), ((90,), 1), ((120, 42, 400), 2), ((), 0)])
def test_a_pause_is_left_out_from_three_months_on(pauses: tuple[int, ...], left_out: int) -> None:
    assert len(draw(_weekly(*pauses), WIDE).folds) == left_out


def test_of_monthly_sessions_three_months_are_no_pause() -> None:
    assert not draw(_on(0, 30, 60, 150, 180), WIDE).folds


def test_on_the_axis_that_small_plots_share_nothing_is_left_out() -> None:
    panel = _weekly(400)
    assert not draw(panel, WIDE, axis=(panel.days[0], panel.days[-1])).folds


def test_of_many_pauses_the_longest_are_left_out() -> None:
    panel = _weekly(700, 900, 701, 902, 703)
    plot = draw(panel, NARROW)
    assert [fold.pause.days for fold in plot.folds] == [900, 701, 902, 703]
    marks = [mark.x for mark in plot.lines[0].marks]
    assert marks == sorted(marks)
    assert marks[-1] <= NARROW.width - NARROW.right


def _raters(*days: Iterable[int], value: float = 5.0) -> Panel:
    """One rater for each of these, who scored the same so many days after a first day."""
    made = [
        TrendSeries(
            rater, rater, "M", "total", "Total", 0, 24,
            tuple(TrendPoint(when := samples.NOW + timedelta(days=day), when.date(), value) for day in each),
        )
        for rater, each in zip(("child", "therapist", "observer", "caregiver", "caregiver"), days, strict=False)
    ]  # fmt: skip
    return group(Trend(tuple(made)))[0].panels[0]


@pytest.mark.parametrize("raters", [1, 2, 5])
@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_what_happens_within_a_pause_stands_within_its_sign(frame: Frame, raters: int) -> None:
    halves = [*range(0, 35, 7), *range(800, 835, 7)]
    panel = _raters(*[halves] * raters)
    first, last = panel.days[4], panel.days[5]
    courses = [Course("A", first + timedelta(days=1), last - timedelta(days=1), ongoing=False)]
    plot = draw(panel, frame, tuple(courses))
    (fold,), (bar,) = plot.folds, plot.courses
    assert bar.begins is not None
    assert bar.stops is not None
    assert fold.left < bar.begins < bar.stops < fold.right


def test_five_raters_with_four_pauses_have_a_narrow_plot_without_the_pauses() -> None:
    days = [begin + 7 * place for begin in (0, 310, 700, 1070, 1400) for place in range(5)]
    assert len(draw(_raters(*[days] * 5), NARROW).folds) == 4


def test_who_stopped_before_a_pause_has_no_line_through_what_others_said_after_it() -> None:
    days = [*range(0, 35, 7), *range(800, 835, 7)]
    plot = draw(_raters(days[:5], days), WIDE)
    stopped, goes_on = plot.lines
    assert not stopped.leader
    assert stopped.sign.endswith(shape_at("circle", 0, 0, small=True).partition("a")[2])
    assert goes_on.leader
    assert not goes_on.sign


def test_days_of_another_year_than_this_one_bear_it() -> None:
    panel = _on(0, 7)
    assert draw(panel, WIDE, today=panel.days[-1]).one_year
    assert not draw(panel, WIDE, today=panel.days[-1] + timedelta(days=400)).one_year


def test_the_first_session_after_a_pause_is_named_by_its_day() -> None:
    panel = group(samples.paused_trend())[0].panels[0]
    named = [tick.day for tick in draw(panel, WIDE).x_ticks]
    assert {panel.days[0], panel.days[15], panel.days[-1]} <= set(named)
    assert named == sorted(named)


def test_what_is_left_out_is_said_in_the_drawing_and_in_its_description() -> None:
    html = re.sub(r"\s+", " ", pages.render_patient(samples.patient(trend=samples.paused_trend())))
    assert "12 months left out</text>" in html
    assert "No answers between 17 Aug 2025 and 17 Aug 2026: the plot leaves this time out." in html
    assert "12 months left out" in pages.summary_html(samples.patient(trend=samples.paused_trend()), "Dr A")


def test_a_medicine_begun_within_a_pause_is_drawn_through_no_word() -> None:
    trend = samples.paused_trend()
    panel = group(trend)[0].panels[0]
    plot = draw(panel, WIDE, shown_courses(trend.courses, panel, panel.days[-1]))
    (fold,) = plot.folds
    begun = plot.courses[1].begins
    assert begun is not None
    assert fold.left < begun < fold.right
    assert plot.is_left_out(begun)
    html = pages.render_patient(samples.patient(trend=trend))
    assert f"M{begun:.1f} {plot.frame.top}V" not in html
    assert f"M{plot.courses[0].begins:.1f} {plot.frame.top}V" in html


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


def _marked(frame: Frame = WIDE) -> tuple[Panel, Plot]:
    trend = samples.marked_trend()
    panel = group(trend)[0].panels[0]
    return panel, draw(panel, frame, shown_courses(trend.courses, panel, panel.days[-1]))


def _places_of(path: str) -> tuple[float, float]:
    x, y = re.findall(r"-?[\d.]+", path)[:2]
    return float(x), float(y)


def test_a_band_stands_around_the_first_score_and_ends_with_the_scale() -> None:
    panel, plot = _marked()
    child = plot.lines[0].band
    assert child is not None
    height = plot.axis_y - WIDE.top
    assert child.height == pytest.approx(height * 2 * 3.4 / 24)
    assert panel.series[1].band == pytest.approx((14.6, 21.4))
    wide = dataclasses.replace(panel.series[0], error=_error(30.0))
    assert wide.band == (0, 24)


def _error(width: float) -> Statistics:
    """Give figures by which a difference counts from `width` on."""
    return Statistics(sd=width / LIMIT, reliability=0.5, n=120, source="own data")


def test_without_a_norm_there_is_no_band() -> None:
    assert all(line.band is None for line in draw(_panel([14, 16]), WIDE).lines)
    assert "show-band" not in pages.render_patient(samples.patient())


def test_a_rupture_points_down_below_its_mark_and_a_repair_up_above() -> None:
    _, plot = _marked()
    fell, back = plot.lines[0].events
    assert (fell.event, back.event) == (Event.RUPTURE, Event.REPAIR)
    marks = plot.lines[0].marks
    assert _places_of(fell.path)[1] > _places_of(marks[3].path)[1]
    assert _places_of(back.path)[1] < _places_of(marks[5].path)[1]
    assert "l6 7" in fell.path
    assert "l6 -7" in back.path


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_what_stands_below_the_axis_lies_inside_the_drawing_and_apart(frame: Frame) -> None:
    _, plot = _marked(frame)
    heights = [plot.axis_y, _places_of(plot.contacts[0].path)[1], plot.days_y]
    heights += [bar.y for bar in plot.courses]
    assert heights == sorted(heights)
    assert heights[-1] < plot.height
    assert all(frame.left <= bar.x1 <= bar.x2 <= frame.width - frame.right for bar in plot.courses)


def test_a_medicine_begins_and_stops_where_the_record_says() -> None:
    _, plot = _marked()
    before, going_on, unknown = plot.courses
    assert before.begins is None
    assert before.stops is not None
    assert going_on.begins is not None
    assert (going_on.stops, going_on.x2) == (None, WIDE.width - WIDE.right)
    assert not unknown.certain
    assert unknown.x2 < going_on.x2


def test_medicines_of_another_time_are_counted_and_too_many_stand_in_the_list() -> None:
    panel = group(samples.marked_trend())[0].panels[0]
    first, last = (day.when.date() for day in (panel.series[0].points[0], panel.series[0].points[-1]))
    old = Course("Old", None, first - timedelta(days=1), ongoing=False)
    late = Course("Late", last + timedelta(days=1), None, ongoing=True)
    now = [Course(f"Now {place}", first, None, ongoing=True) for place in range(MOST_COURSES + 2)]
    shown = shown_courses((old, late, *now), panel, last)
    assert [each.name for each in shown] == [each.name for each in now]
    odd = Course("Odd", last, first - timedelta(days=1), ongoing=False)
    trend = dataclasses.replace(samples.marked_trend(), courses=(old, late, odd, *now))
    page = samples.patient(trend=trend)
    for html in (pages.render_patient(page), summary_html(page, "Mia")):
        assert "3 more medicines stand in the list “Medication in the record” under the table." in html
        assert html.count("<li>Now 5 since") == 1
        assert html.count("<li>Odd, not drawn") == 1
        assert html.count("<li>1 medicine ended before the first session and is not listed</li>") == 1


def test_a_plot_says_in_words_how_many_sessions_have_no_score() -> None:
    (text,) = re.findall(
        r"<desc[^>]*>(.*?)</desc>", pages.render_patient(samples.patient(trend=samples.trend())), re.S
    )[:1]
    assert re.search(r"Mia: 7 sessions, latest \S+\. 1 of them has no score\.", text), text
    assert text.count("no score") == 2  # the caregiver's, too; the therapist has one of each session


def test_of_many_medicines_those_are_drawn_that_begin_or_stop() -> None:
    panel = group(samples.marked_trend())[0].panels[0]
    first, last = panel.days[0], panel.days[-1]
    unknown = [Course(f"Unknown {place}", None, None, ongoing=True) for place in range(MOST_COURSES)]
    long = Course("Long", first - timedelta(days=90), None, ongoing=True)
    stopped = Course("Stopped", None, first + timedelta(days=3), ongoing=False)
    begun = Course("Begun", last, None, ongoing=True)
    since = Course("Since", last + timedelta(days=1), None, ongoing=True)
    plot = draw(panel, WIDE, (*unknown, long, stopped, begun, since))
    assert [bar.label for bar in plot.courses] == ["Unknown 0", "Long", "Stopped", "Begun"]


def test_sessions_in_person_and_by_video_differ_in_shape() -> None:
    _, plot = _marked()
    shapes = {mark.virtual: re.sub(r"M[\d.]+ [\d.]+", "", mark.path) for mark in plot.contacts}
    assert set(shapes) == {True, False}
    assert shapes[True] != shapes[False]


def test_everything_marked_stands_in_words_and_in_the_table() -> None:
    html = re.sub(r"\s+", " ", pages.render_patient(samples.patient(trend=samples.marked_trend())))
    described = re.findall(r"<desc[^>]*>(.*?)</desc>", html)[0]
    for said in (
        "Rupture on 12 Oct 2026. Repair on 9 Nov 2026.",
        "No reliable change from the first score between 13.6 and 20.4.",
        "2 of 7 days with a session by video.",
        "Fluoxetine 20 mg capsule since 28 Sep 2026.",
        "Melatonin 2 mg tablet from 26 Oct 2026, end not recorded.",
    ):
        assert said in described
    assert "10 (rupture)" in html
    assert "18 (repair)" in html
    assert '<th scope="row">14 Sep 2026, by video</th>' in html
    assert "whichever is larger (Gumz 2012)" in html


def test_the_scores_are_told_in_the_readers_language() -> None:
    html = pages.render_patient(samples.patient(trend=samples.marked_trend(), language="de"))
    assert '<html lang="de"' in html
    assert "Werte über die Sitzungen" in html
    assert "10 (Bruch)" in html


def test_where_a_measurement_error_comes_from_is_told_in_the_readers_language() -> None:
    html = pages.render_patient(samples.patient(trend=samples.marked_trend(), language="de"))
    assert "eigene Daten (aus Rapport), alpha 0,80, n = 120, beschlossen am 1. Feb. 2026" in html


def test_the_rule_that_a_sentence_refers_to_is_kept_on_its_sheet() -> None:
    html = summary_html(samples.patient(trend=samples.marked_trend()), "Mia")
    kept = html.partition('<div class="read">')[2].partition("</div>")[0]
    assert ".read { break-inside: avoid; }" in html
    assert "a rupture by the rule below" in kept
    assert "Ruptures and repairs are marked by a rule that your service has accepted:" in kept


@pytest.mark.parametrize(
    ("sessions", "marks", "crowded"),
    [(9, "full", False), (70, "small", False), (200, "last", True)],
)
def test_with_more_sessions_than_fit_marks_get_smaller_and_then_lines_stand_alone(
    sessions: int, marks: str, *, crowded: bool
) -> None:
    plot = draw(group(samples.long_trend(sessions))[0].panels[0], WIDE)
    assert plot.is_crowded is crowded
    for line in plot.lines:
        drawn = [each for each in line.marks if each.path]
        assert len(drawn) == (1 if marks == "last" else sessions)
        small = "a3.6" if marks != "full" else "a5.0"
        assert line.order or small in drawn[-1].path
    places = [{round(each.x, 1) for each in line.marks} for line in plot.lines]
    assert (places[0] == places[1]) is crowded


def test_among_lines_alone_a_score_that_no_line_goes_through_keeps_its_mark() -> None:
    panel = group(samples.long_trend())[0].panels[0]
    mia = panel.series[0]
    gaps = {20: None, 22: None}
    points = tuple(
        dataclasses.replace(point, value=gaps.get(place, point.value))
        for place, point in enumerate(mia.points)
    )
    (line,) = draw(dataclasses.replace(panel, series=(dataclasses.replace(mia, points=points),)), WIDE).lines
    assert [place for place, each in enumerate(line.marks) if each.path] == [20, 21, 22, 199]


def test_an_arrow_bears_the_mark_of_its_rater_at_its_tip() -> None:
    trend = samples.marked_trend()
    child, therapist = trend.series
    fell = tuple(
        dataclasses.replace(point, value=10.0, event=Event.RUPTURE if place == 3 else None)
        for place, point in enumerate(therapist.points)
    )
    both = dataclasses.replace(trend, series=(child, dataclasses.replace(therapist, points=fell)))
    lines = draw(group(both)[0].panels[0], WIDE).lines
    arrows = [next(each for each in line.events if each.event is Event.RUPTURE) for line in lines]
    shapes = [re.sub(r"[\d.-]+", "", arrow.whose) for arrow in arrows]
    assert shapes == [re.sub(r"[\d.-]+", "", line.marks[0].path) for line in lines]
    assert shapes[0] != shapes[1]


def test_an_arrow_of_the_only_rater_needs_no_mark() -> None:
    trend = samples.marked_trend()
    (line,) = draw(group(dataclasses.replace(trend, series=trend.series[:1]))[0].panels[0], WIDE).lines
    assert [each.whose for each in line.events] == ["", ""]


def test_at_the_foot_of_the_scale_a_rupture_is_marked_beside_its_arrow() -> None:
    trend = samples.marked_trend()
    low = tuple(
        dataclasses.replace(
            s, points=tuple(dataclasses.replace(p, value=0.0, event=Event.RUPTURE) for p in s.points)
        )
        for s in trend.series
    )
    plot = draw(group(dataclasses.replace(trend, series=low))[0].panels[0], WIDE)
    for line in plot.lines:
        for each in line.events:
            assert float(re.findall(r"[\d.]+", each.whose)[1]) < plot.axis_y + 16  # above the days


@pytest.mark.parametrize("frame", [WIDE, NARROW, SMALL])
@pytest.mark.parametrize("gap", [True, False], ids=["a hollow mark", "no hollow mark"])
def test_at_the_foot_of_the_scale_an_arrow_lies_on_nothing_that_stands_below(
    frame: Frame, *, gap: bool
) -> None:
    """Days, the kinds of sessions and hollow marks stand below the axis."""
    trend = samples.marked_trend()
    child = trend.series[0]
    points = [dataclasses.replace(point, event=None) for point in child.points]
    points[2] = dataclasses.replace(points[2], value=0.0, event=Event.RUPTURE)
    points[1] = dataclasses.replace(points[1], value=None if gap else 20.0)
    alone = dataclasses.replace(trend, series=(dataclasses.replace(child, points=tuple(points)),))
    plot = draw(group(alone)[0].panels[0], frame)
    (arrow,) = plot.lines[0].events
    tip = _places_of(arrow.path)[1] + 7
    assert tip > plot.axis_y
    assert tip < (plot.frame.height - 8 if frame is SMALL else plot.days_y) - 10
    assert all(tip < _places_of(each.path)[1] for each in plot.contacts)
    assert all(tip < mark.y - 4 for mark in plot.lines[0].marks if mark.hollow)


@pytest.mark.parametrize("frame", [WIDE, NARROW, SMALL])
def test_at_the_top_of_the_scale_the_mark_above_a_repair_is_drawn_whole(frame: Frame) -> None:
    trend = samples.marked_trend()
    high = tuple(
        dataclasses.replace(
            s, points=tuple(dataclasses.replace(p, value=24.0, event=Event.REPAIR) for p in s.points)
        )
        for s in trend.series
    )
    plot = draw(group(dataclasses.replace(trend, series=high))[0].panels[0], frame)
    assert {line.look for line in plot.lines} == {0, 2}  # a triangle reaches highest
    assert all(_places_of(each.whose)[1] > 0.75 for line in plot.lines for each in line.events)


def test_an_arrow_lies_on_nobodys_score() -> None:
    """The therapist rates the session of the young person's rupture 2 lower, and that of the repair 2 higher."""
    trend = samples.marked_trend()
    child, therapist = trend.series
    near = {3: 8.0, 5: 20.0}
    points = tuple(
        dataclasses.replace(each, value=near.get(place, each.value))
        for place, each in enumerate(therapist.points)
    )
    both = dataclasses.replace(trend, series=(child, dataclasses.replace(therapist, points=points)))
    lines = draw(group(both)[0].panels[0], WIDE).lines
    fell, back = lines[0].events
    for event, mark in ((fell, lines[1].marks[3]), (back, lines[1].marks[5])):
        (_, head), (_, whose) = _places_of(event.path), _places_of(event.whose)
        assert not min(head, whose) - 5 < mark.y < max(head, whose) + 5
    assert _places_of(fell.path)[1] > lines[0].marks[3].y


def test_near_the_top_of_the_scale_an_arrow_lies_on_nobodys_score() -> None:
    (point,) = samples.series("child", "Mia", "total", "Total", 24, [20]).points
    pair = [
        TrendSeries(
            rater,
            rater,
            "M",
            "total",
            "Total",
            0,
            24,
            (dataclasses.replace(point, value=value, event=Event.REPAIR),),
        )
        for rater, value in (("child", 20.0), ("caregiver", 19.0))
    ]
    plot = draw(group(Trend(tuple(pair)))[0].panels[0], WIDE)
    child, caregiver = plot.lines
    ((_, tip),) = [_places_of(each.path) for each in caregiver.events]
    assert tip + 6 < child.marks[0].y - 20
    assert tip > 0


def test_arrows_of_one_session_lie_apart() -> None:
    trend = samples.marked_trend()
    down = [
        dataclasses.replace(
            each,
            points=tuple(
                dataclasses.replace(point, value=12.0, event=Event.RUPTURE if place == 3 else None)
                for place, point in enumerate(each.points)
            ),
        )
        for each in trend.series
    ]
    lines = draw(group(dataclasses.replace(trend, series=tuple(down)))[0].panels[0], WIDE).lines
    first, second = (_places_of(line.events[0].whose) for line in lines)
    assert abs(first[0] - second[0]) >= 7 or abs(first[1] - second[1]) >= 7
    assert abs(_places_of(lines[0].events[0].path)[1] - _places_of(lines[1].events[0].path)[1]) >= 7


@pytest.mark.parametrize("occasion", Occasion)
@pytest.mark.parametrize("language", ["en", "pt"])
def test_every_tip_says_why_it_is_shown_and_who_says_so(occasion: Occasion, language: str) -> None:
    tip = dataclasses.replace(samples.TIPS[0], when=occasion)
    html = pages.render_patient(samples.patient(tips=(tip,), language=language))
    assert {"en": "Shown because", "pt": "Mostrado porque"}[language] in html
    assert 'href="https://pmc.invalid/articles/PMC5966286/"' in html
    assert ('<p lang="en">Take it up' in html) == (language == "pt")


def test_a_tip_without_address_names_its_source_all_the_same() -> None:
    html = pages.render_patient(samples.patient(tips=samples.TIPS[1:]))
    assert "Our supervision, 2026" in html
    assert '<p lang="es">Preguntad' in html


def test_forms_of_different_scales_share_a_plot_on_0_to_100_and_nothing_is_averaged() -> None:
    child = samples.series("child", "Mia", "total", "Total", 24, [6, 12, 24])
    other = dataclasses.replace(
        samples.series("therapist", "Dr Osei", "total", "Total", 48, [12, 30, 48]), measure="Other", low=12
    )
    common, *own = group(Trend((child, other)))[0].panels
    assert common.is_common
    assert [[point.value for point in series.points] for series in common.series] == [
        [25, 50, 100],
        [0, 50, 100],
    ]
    assert [panel.measure for panel in own] == ["Rapport Check-in", "Other"]


def test_one_measure_needs_no_common_plot() -> None:
    assert not any(panel.is_common for scale in group(samples.trend()) for panel in scale.panels)


def test_facts_are_told_on_the_native_scale() -> None:
    child = samples.series("child", "Mia", "total", "Total", 24, [6, 12])
    other = dataclasses.replace(
        samples.series("therapist", "Dr Osei", "total", "Total", 48, [12, 30]), measure="Other"
    )
    told = latest(group(Trend((child, other))), samples.TODAY)
    assert [fact.last.value for fact in told] == [12, 30]
