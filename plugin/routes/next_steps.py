"""Which tips fit: ties what a site lets be read out of scores, and how the session is held, to the occasions of the tips."""

from collections.abc import Iterator

from plugin.days import Age
from plugin.interpretation import Interpretation
from plugin.pages import Trend, TrendSeries
from plugin.routes.chart import Chart
from plugin.routes.marks import findings_of, has_dropped
from plugin.tips import Occasion, Tip, fitting_tips
from plugin.trends.early import EARLY_SESSIONS
from plugin.trends.findings import Findings
from questionnaires import Rater

MOST_TIPS = 3
OLD_ENOUGH = 11  # years from which children's ratings converged with others' (McLeod 2017, PMC5587348)

_RUPTURES = {
    Rater.CHILD: Occasion.RUPTURE_YOUNG,
    Rater.CAREGIVER: Occasion.RUPTURE_CAREGIVER,
    Rater.THERAPIST: Occasion.RUPTURE_THERAPIST,
}
_DROPS = {
    Rater.CHILD: Occasion.DROP_YOUNG,
    Rater.CAREGIVER: Occasion.DROP_CAREGIVER,
    Rater.THERAPIST: Occasion.DROP_THERAPIST,
}
_LOW = {"goal": Occasion.LOW_GOAL, "task": Occasion.LOW_TASK, "bond": Occasion.LOW_BOND}


def choose_tips(
    interpretation: Interpretation | None, chart: Chart, trend: Trend, age: Age | None
) -> tuple[Tip, ...]:
    """Give the tips that fit now; none where the site accepts no interpretation, or the patient has died. `age`: theirs."""
    if interpretation is None or chart.has_died:
        return ()
    occasions = {
        *_of_findings(trend.findings),
        *_of_drops(trend),
        *_of_scales(trend, interpretation),
        *_of_the_session(chart, trend, age),
    }
    return fitting_tips(interpretation.tips, tuple(occasions), most=MOST_TIPS)


def _of_findings(findings: Findings | None) -> Iterator[Occasion]:
    if findings is None:
        return
    for fall in findings.falls:
        if fall.is_current and (rater := Rater(fall.rated.rater)) in _RUPTURES:
            yield _RUPTURES[rater]
    if any(pair.is_divergent for pair in findings.pairs):
        yield Occasion.DIVERGENCE


def _of_drops(trend: Trend) -> Iterator[Occasion]:
    """Look at who has dropped since the session before; not at whoever is down by a rupture, which says so already."""
    for series in trend.series:
        rater = Rater(series.rater)
        if rater in _DROPS and has_dropped(series) and series.down_since is None:
            yield _DROPS[rater]


def _of_scales(trend: Trend, interpretation: Interpretation) -> Iterator[Occasion]:
    """Look at the young person's goal, task and bond, and at who sees the goals how."""
    own = (each for each in trend.series if each.is_read and each.rater == Rater.CHILD and not each.is_past)
    for series in own:
        if series.scale in _LOW and is_low(series, interpretation.low):
            yield _LOW[series.scale]
    goals = findings_of(trend.series, interpretation, scale="goal")
    if goals is not None and any(pair.is_divergent for pair in goals.pairs):
        yield Occasion.GOAL_DIVERGENCE


def is_low(series: TrendSeries, below: float | None) -> bool:
    """Tell whether the last score lies at least `below` SDs under the site's own mean; never where either is not known."""
    last = series.values[-1] if series.values else None
    error = series.error
    if below is None or last is None or error is None or error.mean is None:
        return False
    return last <= error.mean - below * error.sd


def _of_the_session(chart: Chart, trend: Trend, age: Age | None) -> Iterator[Occasion]:
    raters = {series.rater for series in trend.series}
    if Rater.CHILD in raters and age is not None and age.high < OLD_ENOUGH:
        yield Occasion.UNDER_11
    caregivers = any(each.rater == Rater.CAREGIVER for each in chart.respondents)
    if caregivers and raters and Rater.CAREGIVER not in raters:
        yield Occasion.CAREGIVER_UNHEARD
    if chart.virtual:
        yield Occasion.REMOTE
    if chart.session is not None and chart.session <= EARLY_SESSIONS:
        yield Occasion.EARLY
