"""`rapport patient`: its options; the work is in `plugin.commands.erasing`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What is kept of one patient.", no_args_is_help=True)


@app.callback()
def patient() -> None:
    """Keep `erase` a word of its own, though it is the only one."""


@app.command()
def erase(
    patient: Annotated[str, typer.Argument(help="The reference as the EHR has it: Patient/123.")],
    site: Annotated[str, typer.Option(help="The site whose EHR that is.")],
    why: Annotated[
        str, typer.Option(help="The reason or the decision's number, without health data. It is kept.")
    ],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
    ] = Path("rapport.toml"),
    with_trail: Annotated[
        bool, typer.Option("--with-trail", help="Erase the audit entries about the patient, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only counted.")] = False,
) -> None:
    """Erase everything that Rapport keeps of a patient. It cannot be undone; what stands in the EHR stays there."""
    from plugin.commands import erasing

    erasing.erase_patient(config, erasing.Wish(site, patient, why, with_trail=with_trail), certain=yes)
