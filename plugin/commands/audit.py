"""`rapport audit`: its options; the work is in `plugin.commands.auditing`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Whether anything stored was altered, and where a number comes from.", no_args_is_help=True
)
log_app = typer.Typer(help="The transparency log.", no_args_is_help=True)
app.add_typer(log_app, name="log")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
TsaRootsArgument = Annotated[
    Path, typer.Option("--tsa-roots", help="PEM file of root certificates that the authority's lead to.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command()
def verify(
    export: Annotated[
        Path | None,
        typer.Argument(help="The folder of an export: it is verified instead, without ledger or settings."),
    ] = None,
    config: ConfigOption = Path("rapport.toml"),
    key: Annotated[
        str | None,
        typer.Option(
            help="For an export: the log's verifier key, as `rapport audit log checkpoint` prints it. "
            "Without it the key in the export counts, and that is told."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept outside: the log must continue it.")
    ] = None,
    ehr: Annotated[
        str | None,
        typer.Option(
            help="Compare the EHR's record of this site too, read with the app's own access (backend_scopes)."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report for people into this file.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="The same as PDF (extra `pdf`).")] = None,
    tsa_roots: Annotated[
        Path | None,
        typer.Option(help="PEM file of root certificates: the kept checkpoints' time-stamps are checked."),
    ] = None,
    witness_key: Annotated[
        list[str] | None,
        typer.Option("--witness", help="A witness's verifier key: its cosignatures are checked. Repeatable."),
    ] = None,
    recorded: Annotated[
        bool,
        typer.Option(
            "--record/--no-record",
            help="Have the trail tell what was found; not on a copy that is to stay as it is.",
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Recompute every score, and hold every row against the log and its signature. Exit status 1 if anything is wrong."""
    from plugin.commands import audit_exports, verifying

    told = verifying.Told(as_json, html, pdf)
    if export is not None:
        others = (
            ("--against", against),
            ("--ehr", ehr),
            ("--tsa-roots", tsa_roots),
            ("--witness", witness_key),
        )
        for name, given in others:
            if given is not None:
                raise typer.BadParameter("It is for a ledger, not for an export.", param_hint=name)
        if key is not None and not key.strip():
            raise typer.BadParameter(
                "It is empty: give the log's verifier key, or leave it out.", param_hint="--key"
            )
        if key is not None and not verifying.is_key(key):
            raise typer.BadParameter(
                "It is no verifier key: copy the whole of it, as name+id+key.", param_hint="--key"
            )
        good = audit_exports.verify_export(export, key, told)
    elif key is not None:
        raise typer.BadParameter("It is for an export; name its folder.", param_hint="--key")
    elif against is not None and not verifying.is_checkpoint(against):
        raise typer.BadParameter(
            "It is no signed checkpoint: name a file that `rapport audit log checkpoint` wrote, or /log/checkpoint.",
            param_hint="--against",
        )
    else:
        trusted = verifying.read_trusted(tsa_roots, witness_key or [])
        good = verifying.verify(config, verifying.Asked(against, ehr, trusted, recorded), told)
    if not good:
        raise typer.Exit(1)


@app.command("export")
def export_period(
    first: Annotated[str, typer.Option("--from", help="The first day, in UTC: 2026-07-01.")],
    last: Annotated[str, typer.Option("--to", help="The last day, in UTC, that day included.")],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist yet.")],
    config: ConfigOption = Path("rapport.toml"),
    why: Annotated[
        str | None,
        typer.Option(help="Whom or what it is for, without health data. It is kept in the trail."),
    ] = None,
) -> None:
    """Write what was received, sent and done in a period, with proofs, for an auditor without access to the database."""
    from plugin.commands import audit_exports

    audit_exports.export(config, first, last, out, why)


@app.command()
def trace(
    observation: Annotated[
        str, typer.Argument(help="Its address in the EHR (Observation/17), or its identifier at Rapport.")
    ],
    config: ConfigOption = Path("rapport.toml"),
    as_json: JsonOption = False,
) -> None:
    """Follow a stored number back to answers, key, people, times, software and deliveries."""
    from plugin.commands import auditing

    auditing.trace(observation, config, as_json=as_json)


@app.command()
def rescore(
    site: Annotated[str, typer.Option(help="The site whose stored responses are scored again.")],
    instrument: Annotated[str, typer.Option(help="The form's id; the version that is installed now scores.")],
    why: Annotated[str, typer.Option(help="The reason, without health data. It is kept with every result.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Score stored answers of older versions of a form by the one installed now, beside the first results; nothing is sent."""
    from plugin.commands import scoring_again

    scoring_again.rescore(config, site, instrument, why)


@log_app.command("checkpoint")
def checkpoint(config: ConfigOption = Path("rapport.toml")) -> None:
    """Print the signed checkpoint, and on standard error the key that verifies it. Keep it outside: it anchors the log."""
    from plugin.commands import auditing

    auditing.checkpoint(config)


@log_app.command("timestamp")
def timestamp(
    authority: Annotated[str, typer.Argument(help="Address of a time-stamping authority (RFC 3161).")],
    tsa_roots: TsaRootsArgument,
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Have a time-stamping authority stamp the checkpoint, check the stamp, and keep both beside the log."""
    from plugin.commands import anchoring

    anchoring.timestamp(config, authority, tsa_roots)


@log_app.command("witness")
def witness(
    address: Annotated[str, typer.Argument(help="The witness's submission prefix (C2SP tlog-witness).")],
    key: Annotated[str, typer.Option(help="The witness's verifier key, name+id+key.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Have a witness cosign the checkpoint, check its cosignature, and keep it beside the log."""
    from plugin.commands import anchoring

    anchoring.witness(config, address, key)


@log_app.command("prove")
def prove(
    row: Annotated[str, typer.Argument(help="A response's id, an audit entry's id, or an attempt's number.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Print a proof that a row is in the log (C2SP tlog-proof): anybody can check it offline with the verifier key."""
    from plugin.commands import auditing

    auditing.prove(row, config)
