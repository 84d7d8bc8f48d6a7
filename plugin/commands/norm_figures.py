"""What `rapport norms` does. Figures are computed when they are asked for; decisions go through the ledger, audited."""

import asyncio
import getpass
import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from plugin.audit import Actor, Kind, Trail
from plugin.errors import Invalid, NotFound, SettingsInvalid, stated_reason
from plugin.ledger import Ledger, Vault
from plugin.ledger.store import open_database
from plugin.norming import (
    Coefficient,
    Figures,
    Group,
    Skipped,
    counted_as,
    from_files,
    from_ledger,
    in_use,
)
from plugin.norming import (
    adopt as adopt_figures,
)
from plugin.norming import (
    withdraw as withdraw_norm,
)
from plugin.norms.administrations import Administration
from plugin.settings import Settings, read_settings
from plugin.stock import Stock, open_stock, open_stock_of
from questionnaires import Catalogue

if importlib.util.find_spec("statsmodels") is None:
    raise SettingsInvalid(
        "The statistics need numpy, scipy and statsmodels, which are not installed.",
        "Install them: pip install 'rapport-fhir[statistics]'",
    )

from plugin.norms.report import Report, report
from plugin.norms.statistics import Interval, Least, Location, Refused

_out = Console()
_DEFAULT_CONFIG = Path("rapport.toml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which responses are described, and from how many people on."""

    files: tuple[Path, ...]
    config: Path | None
    site: str | None
    instrument: str | None
    rater: str | None
    least_mean: int
    least_reliability: int
    retest_days: int


def show(wanted: Wanted, *, as_json: bool) -> None:
    """Print the figures of every group."""
    skipped = Skipped()
    reports = _reports(wanted, skipped, wanted.site)
    if as_json:
        _print_json({"skipped": skipped_counts(skipped), "groups": [_plain(each) for each in reports]})
        return
    if not reports:
        _out.print("There are no responses to describe: none was found to a form whose scores have a range.")
    for each in reports:
        _print_report(each)
    if skipped.total:
        counts = ", ".join(f"{many} {name}" for name, many in skipped_counts(skipped).items() if many)
        _out.print(f"Passed over: {counts}.", highlight=False)


def adopt(wanted: Wanted, site: str, score: str, age_band: str, coefficient: Coefficient, why: str) -> None:
    """Compute the figures of one group and store the decision; Invalid says why it cannot be."""
    reason = stated_reason(why, "Say with --why what the decision rests on.")
    age_band = age_band.replace("-", "–")  # bands are named with the dash that few keyboards have
    settings = read_settings(wanted.config or _DEFAULT_CONFIG)
    if site not in settings.sites:
        raise NotFound(f"There is no site {site}.", f"The file names: {', '.join(settings.sites)}.")
    only = f"score-{score.removeprefix('score-')}"
    reports = _reports(wanted, Skipped(), site, only=only, with_omega=coefficient is Coefficient.OMEGA)
    found = [each for each in reports if each.age_band == age_band]
    if len(found) != 1:
        raise Invalid(
            f"{len(found)} groups fit {wanted.instrument} {score}, ages {age_band}.",
            "`rapport norms show` names the groups; add --rater or --age-band.",
        )
    chosen = found[0]
    figures = _figures(chosen, coefficient, "an export" if wanted.files else "the ledger")
    group = Group(site, chosen.instrument, chosen.score, chosen.rater, age_band)
    now = datetime.now(UTC)
    with _changing(settings) as (ledger, trail):
        who = _operator()
        about = (chosen.instrument.partition("|")[0],)
        audit = trail.entry(Kind.NORM_ADOPTED, Actor(display=who), site=site, about=about, reason=why)
        identity = asyncio.run(
            ledger.write(lambda c: adopt_figures(c, group, figures, who, reason, now), audit)
        )
    _out.print(f"Norm {identity} is in use for {chosen.label} ({chosen.rater}) at {site}.", highlight=False)


def list_all(config: Path | None, site: str | None, *, as_json: bool) -> None:
    """Print the norms in use."""
    engine = open_database(read_settings(config or _DEFAULT_CONFIG).database)
    try:
        with engine.connect() as connection:
            norms = in_use(connection, site)
    finally:
        engine.dispose()
    if as_json:
        _print_json(
            [
                {
                    "id": each.id,
                    "group": each.group,
                    "figures": each.figures,
                    "smallest_reliable_change": each.statistics.smallest_reliable,
                    "decided": each.decided,
                    "decided_by": each.decided_by,
                    "why": each.why,
                }
                for each in norms
            ]
        )
        return
    if not norms:
        _out.print("No norm is in use: reliable change is not told for any instrument.")
    for each in norms:
        group, figures = each.group, each.figures
        ages = "all ages" if group.age_band == "unknown" else f"{group.age_band} years"
        _out.print(
            f"[bold]{each.id}[/]  {group.site}: {group.instrument} {group.score}, {group.rater}, {ages}",
            f"  mean {figures.mean:.2f}, SD {figures.sd:.2f} (n = {figures.n}); {figures.coefficient} "
            f"{figures.reliability:.2f} ({figures.reliability_low:.2f} to {figures.reliability_high:.2f}, "
            f"n = {figures.reliability_n}); from {figures.source}",
            f"  a difference counts above {each.statistics.smallest_reliable:.1f}",
            f"  {each.decided:%Y-%m-%d %H:%M} by {each.decided_by}: {each.why}",
            sep="\n",
            highlight=False,
        )


def withdraw(config: Path | None, norm: str, why: str) -> None:
    """Take a norm out of use."""
    reason = stated_reason(why, "Say with --why what the decision rests on.")
    now = datetime.now(UTC)
    with _changing(read_settings(config or _DEFAULT_CONFIG)) as (ledger, trail):
        who = _operator()
        about = (f"urn:uuid:{norm}",)
        audit = trail.entry(Kind.NORM_WITHDRAWN, Actor(display=who), about=about, reason=why)
        asyncio.run(ledger.write(lambda c: withdraw_norm(c, norm, who, reason, now), audit))
    _out.print(f"Norm {norm} is no longer in use.", highlight=False)


def skipped_counts(skipped: Skipped) -> dict[str, int]:
    """Name what was passed over."""
    return {
        "of forms that are not installed": skipped.unknown,
        "that cannot be read or scored": skipped.unusable,
        "without time or subject": skipped.without_time,
    }


def _reports(
    wanted: Wanted,
    skipped: Skipped,
    site: str | None,
    *,
    only: str | None = None,
    with_omega: bool = True,
) -> list[Report]:
    """Describe what is wanted; `site` is whose days are meant where files name none."""
    least = Least(wanted.least_mean, wanted.least_reliability)
    with _administrations(wanted, skipped, site) as (stock, administrations):
        instruments = {each.canonical: each for each in stock.catalogue.versions()}
        administrations = _together(administrations, stock.catalogue)
        if wanted.instrument is not None:
            canonical = stock.catalogue.by_id(wanted.instrument).canonical
            administrations = (each for each in administrations if each.instrument == canonical)
        if wanted.rater is not None:
            administrations = (each for each in administrations if each.rater == wanted.rater)
        days = wanted.retest_days
        return list(
            report(administrations, instruments, least, retest_days=days, only=only, with_omega=with_omega)
        )


def _together(administrations: Iterable[Administration], catalogue: Catalogue) -> Iterator[Administration]:
    """Count what was filled in an earlier version that asks and counts the same with the version of today."""
    now = counted_as(catalogue)
    return (replace(each, instrument=now.get(each.instrument, each.instrument)) for each in administrations)


@contextmanager
def _administrations(
    wanted: Wanted, skipped: Skipped, site: str | None
) -> Iterator[tuple[Stock, Iterator[Administration]]]:
    config = wanted.config or (None if wanted.files else _DEFAULT_CONFIG)
    settings = None if config is None else read_settings(config)
    stock = open_stock() if settings is None else open_stock_of(settings)
    zones = {name: policy.zone for name, policy in settings.policies.items()} if settings else {}
    if wanted.files or settings is None:
        zone = zones.get(site or "", UTC)
        yield stock, from_files(wanted.files, stock.catalogue, stock.keys, skipped, zone)
        return
    engine = open_database(settings.database)
    try:
        with engine.connect() as connection:
            vault = Vault(settings.vault_keys)
            yield (
                stock,
                from_ledger(
                    connection,
                    vault,
                    stock.catalogue,
                    stock.keys,
                    site=wanted.site,
                    zones=zones,
                    skipped=skipped,
                ),
            )
    finally:
        engine.dispose()


def _figures(chosen: Report, coefficient: Coefficient, source: str) -> Figures:
    location, reliability = chosen.location, _reliability(chosen, coefficient)
    if isinstance(location, Refused) or isinstance(reliability, Refused):
        refused = location if isinstance(location, Refused) else reliability
        reason = refused.reason if isinstance(refused, Refused) else ""
        raise Invalid(f"The figures cannot be adopted: {reason}", "Collect more, or adopt another group.")
    if not 0 < reliability.value < 1 or location.sd <= 0:
        raise Invalid(
            f"With {coefficient} {reliability.value:.2f} and SD {location.sd:.2f} no error can be computed.",
            "Look at the items: `rapport norms show`.",
        )
    return Figures(
        mean=location.mean,
        sd=location.sd,
        n=location.n,
        coefficient=coefficient,
        reliability=reliability.value,
        reliability_low=reliability.low,
        reliability_high=reliability.high,
        reliability_n=reliability.n,
        source=source,
    )


def _reliability(chosen: Report, coefficient: Coefficient) -> Interval | Refused:
    known = {
        Coefficient.ALPHA: chosen.alpha,
        Coefficient.OMEGA: chosen.omega,
        Coefficient.RETEST: chosen.retest,
    }
    return known[coefficient]


@contextmanager
def _changing(settings: Settings) -> Iterator[tuple[Ledger, Trail]]:
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    try:
        yield ledger, Trail(settings.base_url, lambda: datetime.now(UTC))
    finally:
        ledger.close()


def _operator() -> str:
    return f"{getpass.getuser()} at the command line"


def _print_report(each: Report) -> None:
    ages = "ages unknown" if each.age_band == "unknown" else f"{each.age_band} years"
    _out.print(f"\n[bold]{each.label}[/]  {each.rater}, {ages}", highlight=False)
    _out.print(
        f"  {each.instrument}, {each.low:g} to {each.high:g}; {each.people} people, {each.administrations} forms",
        highlight=False,
        soft_wrap=True,
    )
    _out.print(f"  {_location(each.location)}", highlight=False)
    for name, found in (("alpha", each.alpha), ("omega", each.omega), ("test-retest ICC(2,1)", each.retest)):
        _out.print(f"  {name}: {_interval(found)}", highlight=False)
    if isinstance(each.items, Refused):
        return
    table = Table("item", "mean", "SD", "missing", "r with the rest", "alpha without", box=SIMPLE_HEAD)
    for name, item in each.items.items():
        numbers = (item.mean, item.sd, item.total_correlation, item.alpha_without)
        mean, sd, correlation, without = ("–" if number is None else f"{number:.2f}" for number in numbers)
        table.add_row(name, mean, sd, str(item.missing), correlation, without)
    _out.print(table)


def _location(found: Location | Refused) -> str:
    if isinstance(found, Refused):
        return f"mean and SD: not given, {found.reason}"
    return (
        f"mean {found.mean:.2f}, SD {found.sd:.2f} (n = {found.n}); "
        f"at the lowest score {found.floor:.0f} %, at the highest {found.ceiling:.0f} %"
    )


def _interval(found: Interval | Refused) -> str:
    if isinstance(found, Refused):
        return f"not given, {found.reason}"
    return f"{found.value:.2f} (95 % interval {found.low:.2f} to {found.high:.2f}, n = {found.n})"


def _plain(each: Report) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(each)
    return plain


def _print_json(content: object) -> None:
    _out.file.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
