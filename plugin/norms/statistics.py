"""Statistics of one score in one group: location, reliability with its interval, items. Pure.

A table is people by items, one row a person, in native units, reverse-keyed items already turned; NaN is a missing answer.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]  # ships no types
from statsmodels.multivariate.factor import Factor  # type: ignore[import-untyped]  # ships no types

from plugin.norms.administrations import LEAST_FOR_MEAN, LEAST_FOR_RELIABILITY

Table = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 500
_SEED = 20261123  # the same data give the same interval


@dataclass(frozen=True, slots=True)
class Least:
    """From how many people a figure is given; ValueError below the floor, for a site may only ask for more."""

    mean: int = LEAST_FOR_MEAN
    reliability: int = LEAST_FOR_RELIABILITY

    def __post_init__(self) -> None:
        for name, asked, floor in (
            ("mean and SD", self.mean, LEAST_FOR_MEAN),
            ("reliability", self.reliability, LEAST_FOR_RELIABILITY),
        ):
            if asked < floor:
                raise ValueError(f"{asked} people are too few for {name}: ask for {floor} or more.")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no number."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % confidence interval, from `n` people."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Location:
    """Mean, SD (n - 1) and the percentages at the lowest and highest possible score."""

    n: int
    mean: float
    sd: float
    floor: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """One item; `total_correlation` and `alpha_without` are None where they cannot be computed."""

    mean: float | None
    sd: float | None
    missing: int
    total_correlation: float | None
    alpha_without: float | None


def locate(scores: Table, *, low: float, high: float, least: Least) -> Location | Refused:
    """Describe scores on a scale from `low` to `high`; missing scores are left out."""
    known = scores[~np.isnan(scores)]
    n = len(known)
    if n < least.mean:
        return _too_few(n, least.mean)
    at_floor, at_ceiling = (100 * float(np.isclose(known, end).mean()) for end in (low, high))
    return Location(n, float(known.mean()), float(known.std(ddof=1)), at_floor, at_ceiling)


def alpha(table: Table, *, least: Least) -> Interval | Refused:
    """Cronbach's alpha (Psychometrika 1951;16:297-334) of the complete rows, with Feldt's interval.

    Feldt LS. Psychometrika 1965;30:357-370: (1 - alpha) / (1 - estimate) is distributed as F with n - 1 and
    (n - 1)(k - 1) degrees of freedom.
    """
    whole = complete(table)
    refusal = _refusal(whole, least, items=2)
    return refusal or alpha_with_interval(whole)


def alpha_with_interval(whole: Table) -> Interval:
    """Compute alpha of any complete table, however small; `alpha` is the one that refuses."""
    n, k = whole.shape
    value = _alpha(whole)
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        1 - (1 - value) * float(stats.f.ppf(at, n - 1, (n - 1) * (k - 1))) for at in (1 - tail, tail)
    )
    return Interval(value, low, high, n)


def omega(table: Table, *, least: Least) -> Interval | Refused:
    """McDonald's omega of the complete rows, from a one-factor maximum-likelihood model, with a bootstrap interval.

    McDonald RP. Test Theory: A Unified Treatment. Erlbaum 1999, ch. 6: the squared sum of loadings over itself plus
    the sum of unique variances. Percentile bootstrap over people: Kelley K, Pornprasertmit S. Psychol Methods
    2016;21:69-92. Refused when the model does not fit the data at all (fewer than three items, an impossible solution).
    """
    whole = complete(table)
    refusal = _refusal(whole, least, items=3)
    if refusal:
        return refusal
    value = _omega(whole)
    if value is None:
        return Refused("The one-factor model has no proper solution for these data.")
    generator = np.random.default_rng(_SEED)
    n = len(whole)
    drawn = (_omega(whole[generator.integers(0, n, n)]) for _ in range(RESAMPLES))
    usable = [one for one in drawn if one is not None]
    if len(usable) < 0.9 * RESAMPLES:
        return Refused("The one-factor model is unstable: too few resamples have a proper solution.")
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(usable, [tail, 100 - tail])
    return Interval(value, float(low), float(high), n)


def retest(table: Table, *, least: Least) -> Interval | Refused:
    """Test-retest agreement of people by two sessions; refused below the n for reliability."""
    whole = complete(table)
    return _refusal(whole, least, items=2) or agreement(whole)


def agreement(whole: Table) -> Interval:
    """ICC(2,1): two-way random effects, absolute agreement, one measurement, of any complete table.

    Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428, with their interval for case 2.
    """
    n, k = whole.shape
    rows, columns, error = _mean_squares(whole)
    value = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    ratio = columns / error
    top = (k - 1) * (n - 1) * (k * value * ratio + n * (1 + (k - 1) * value) - k * value) ** 2
    bottom = (n - 1) * (k * value * ratio) ** 2 + (n * (1 + (k - 1) * value) - k * value) ** 2
    freedom = top / bottom
    at = (1 + CONFIDENCE) / 2
    above, below = float(stats.f.ppf(at, n - 1, freedom)), float(stats.f.ppf(at, freedom, n - 1))
    spread = k * columns + (k * n - k - n) * error
    low = n * (rows - above * error) / (above * spread + n * rows)
    high = n * (below * rows - error) / (spread + n * below * rows)
    return Interval(value, low, high, n)


def describe_items(table: Table, *, least: Least) -> tuple[ItemStatistics, ...] | Refused:
    """Describe each item: mean and SD of its answers, missing ones, corrected correlation with the rest, alpha without.

    Correlation and alpha are of the complete rows (Nunnally JC, Bernstein IH. Psychometric Theory, 3rd ed. 1994,
    ch. 8); they need the n for reliability, mean and SD the n for the mean.
    """
    if len(table) < least.mean:
        return _too_few(len(table), least.mean)
    whole = complete(table)
    enough = _refusal(whole, least, items=2) is None
    return tuple(_item(table[:, at], whole if enough else None, at, least) for at in range(table.shape[1]))


def complete(table: Table) -> Table:
    """Keep the people who answered every item."""
    return table[~np.isnan(table).any(axis=1)]


def _item(answers: Table, whole: Table | None, at: int, least: Least) -> ItemStatistics:
    known = answers[~np.isnan(answers)]
    missing = len(answers) - len(known)
    given = len(known) >= least.mean
    mean = float(known.mean()) if given else None
    sd = float(known.std(ddof=1)) if given else None
    if whole is None:
        return ItemStatistics(mean, sd, missing, None, None)
    others = np.delete(whole, at, axis=1)
    rest = others.sum(axis=1)
    varies = whole[:, at].std() > 0 and rest.std() > 0
    correlation = float(np.corrcoef(whole[:, at], rest)[0, 1]) if varies else None
    without = _alpha(others) if others.shape[1] > 1 and rest.std() > 0 else None
    return ItemStatistics(mean, sd, missing, correlation, without)


def _alpha(whole: Table) -> float:
    k = whole.shape[1]
    items, total = float(whole.var(axis=0, ddof=1).sum()), float(whole.sum(axis=1).var(ddof=1))
    value: float = k / (k - 1) * (1 - items / total)
    return value


def _omega(whole: Table) -> float | None:
    """Omega, or None where an item does not vary, the fit fails or a unique variance is not positive."""
    spread = whole.std(axis=0, ddof=1)
    if not (spread > 0).all():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fit that did not converge is no estimate
            fitted = Factor(corr=np.corrcoef(whole, rowvar=False), n_factor=1, method="ml").fit()
    except (ArithmeticError, ValueError, UserWarning, RuntimeWarning, np.linalg.LinAlgError):
        return None
    # Real, though complex by type: statsmodels turns them by numpy's eig(), which from numpy 2.5 gives complex numbers always.
    loadings = fitted.loadings[:, 0].real
    common = float((loadings * spread).sum()) ** 2
    unique = fitted.uniqueness * spread**2
    if not (unique > 0).all():
        return None
    value: float = common / (common + float(unique.sum()))
    return value if math.isfinite(value) else None


def _mean_squares(whole: Table) -> tuple[float, float, float]:
    """Mean squares between rows, between columns, and of what is left."""
    n, k = whole.shape
    grand = whole.mean()
    rows = k * float(((whole.mean(axis=1) - grand) ** 2).sum())
    columns = n * float(((whole.mean(axis=0) - grand) ** 2).sum())
    left = float(((whole - grand) ** 2).sum()) - rows - columns
    return rows / (n - 1), columns / (k - 1), left / ((n - 1) * (k - 1))


def _refusal(whole: Table, least: Least, *, items: int) -> Refused | None:
    n, k = whole.shape
    if n < least.reliability:
        return _too_few(n, least.reliability)
    if k < items:
        return Refused(f"The score has {k} items; {items} are needed.")
    if not whole.sum(axis=1).std() > 0:
        return Refused("Everybody has the same score.")
    return None


def _too_few(n: int, needed: int) -> Refused:
    return Refused(f"n = {n}; {needed} are needed.")
