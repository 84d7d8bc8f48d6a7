"""`rapport norms`: its options; the work is in `plugin.commands.norm_figures`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="What a site's own responses say of its instruments.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="NDJSON of QuestionnaireResponses and Patients; without files, Rapport's ledger."),
]
SiteOption = Annotated[str | None, typer.Option(help="Only responses of this site.")]
RaterOption = Annotated[str | None, typer.Option(help="child, caregiver, therapist or observer.")]
LeastMeanOption = Annotated[
    int, typer.Option(min=30, help="From how many people mean and SD are given. 30 at least.")
]
LeastReliabilityOption = Annotated[
    int, typer.Option(min=100, help="From how many people reliability is given. 100 at least.")
]
DaysOption = Annotated[int, typer.Option(min=1, help="How many days apart two forms may be for test-retest.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
WhyOption = Annotated[
    str, typer.Option(help="The reason, without health data. It is kept with the decision.")
]


@app.command()
def show(
    files: FilesArgument = None,
    config: ConfigOption = None,
    site: SiteOption = None,
    instrument: Annotated[str | None, typer.Option(help="Only this instrument, by its id.")] = None,
    rater: RaterOption = None,
    least_mean: LeastMeanOption = 30,
    least_reliability: LeastReliabilityOption = 100,
    retest_days: DaysOption = 14,
    as_json: JsonOption = False,
) -> None:
    """Show n, mean, SD, floor, ceiling, alpha, omega, test-retest and items by instrument, rater and age band."""
    from plugin.commands import norm_figures

    wanted = norm_figures.Wanted(
        tuple(files or ()), config, site, instrument, rater, least_mean, least_reliability, retest_days
    )
    norm_figures.show(wanted, as_json=as_json)


@app.command()
def adopt(
    instrument: Annotated[str, typer.Argument(help="The instrument's id.")],
    score: Annotated[str, typer.Argument(help="The score: total, goal, …, as `show` names it.")],
    site: Annotated[str, typer.Option(help="The site that will use it.")],
    why: WhyOption,
    coefficient: Annotated[
        Literal["alpha", "omega", "retest"],
        typer.Option(help="Which reliability the measurement error is computed from."),
    ] = "alpha",
    rater: RaterOption = None,
    age_band: Annotated[str, typer.Option(help="As `show` names it; a hyphen will do.")] = "unknown",
    files: Annotated[
        list[Path] | None, typer.Option("--from", help="NDJSON to compute from instead of the ledger.")
    ] = None,
    config: ConfigOption = None,
    least_mean: LeastMeanOption = 30,
    least_reliability: LeastReliabilityOption = 100,
    retest_days: DaysOption = 14,
) -> None:
    """Compute the figures again and use them for reliable change from now on. Audited, with name, date and n."""
    from plugin.commands import norm_figures
    from plugin.norming import Coefficient

    own = None if files else site
    wanted = norm_figures.Wanted(
        tuple(files or ()), config, own, instrument, rater, least_mean, least_reliability, retest_days
    )
    norm_figures.adopt(wanted, site, score, age_band, Coefficient(coefficient), why)


@app.command("list")
def list_all(config: ConfigOption = None, site: SiteOption = None, as_json: JsonOption = False) -> None:
    """List the norms in use: whose, from how many, the smallest reliable change, by whom and why."""
    from plugin.commands import norm_figures

    norm_figures.list_all(config, site, as_json=as_json)


@app.command()
def withdraw(
    norm: Annotated[str, typer.Argument(help="Its id, as `list` gives it.")],
    why: WhyOption,
    config: ConfigOption = None,
) -> None:
    """Use a norm no more. The decision is audited; nothing is deleted."""
    from plugin.commands import norm_figures

    norm_figures.withdraw(config, norm, why)
