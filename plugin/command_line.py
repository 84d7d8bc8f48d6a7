"""The command line `rapport`."""

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from plugin import __version__
from plugin.commands import (
    audit,
    collected,
    conformance,
    database,
    deliveries,
    keys,
    norms,
    packages,
    patients,
    research,
    retention,
    sessions,
    signing_keys,
)
from plugin.commands.doctor import doctor
from plugin.commands.refusals import Port, check_free, explain, explain_database, is_of_the_sandbox
from plugin.commands.rescore import rescore
from plugin.commands.serving import OperatorsOption, ProxyOption, TlsCertificateOption, TlsKeyOption
from plugin.commands.worker import worker
from plugin.errors import RapportError

if TYPE_CHECKING:
    from plugin.stock import Stock

app = typer.Typer(
    name="rapport",
    help="""Therapeutic alliance in the health record.

    Try it:        rapport demo
    Set it up:     rapport init, edit rapport.toml, then rapport serve
    Look around:   rapport instruments list
    Score a file:  rapport score response.json
    """,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


instruments_app = typer.Typer(help="The alliance instruments of this installation.", no_args_is_help=True)
app.add_typer(instruments_app, name="instruments")
instruments_app.command("check")(packages.check)
instruments_app.command("fetch")(packages.fetch)
instruments_app.command("build")(packages.build)
instruments_app.command("publish")(packages.publish)
app.add_typer(audit.app, name="audit")
app.add_typer(collected.app, name="collected")
app.add_typer(conformance.app, name="conformance")
app.add_typer(database.app, name="database")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(keys.app, name="keys")
app.add_typer(norms.app, name="norms")
app.add_typer(research.app, name="research")
app.add_typer(sessions.app, name="sessions")
app.add_typer(signing_keys.app, name="signing-keys")
app.add_typer(patients.app, name="patient")
app.add_typer(retention.app, name="retention")
app.command()(doctor)
app.command()(rescore)
app.command()(worker)
_out = Console()
_err = Console(stderr=True, soft_wrap=True)  # a path that is broken over two lines cannot be copied

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
PersonalityOption = Annotated[
    str,
    typer.Option(
        help="Behaves as: full, epic, oracle, athena, eclinicalworks, meditech, veradigm or read-only."
    ),
]


@app.command()
def demo(
    port: Annotated[
        int,
        typer.Option(help="Port of Rapport; the sandbox EHR takes the one before it.", min=2, max=65535),
    ] = 8701,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an earlier demonstration stored.")
    ] = False,
    personality: PersonalityOption = "full",
) -> None:
    """Start a sandbox EHR with synthetic patients, and Rapport registered in it, on this machine."""
    from plugin.demo import run_demo

    for wanted in (port - 1, port):
        check_free("127.0.0.1", wanted)
    run_demo(port, fresh=fresh, personality=personality)


@app.command()
def serve(
    config: ConfigOption = Path("rapport.toml"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = 8701,
    operators: OperatorsOption = None,
    tls_certificate: TlsCertificateOption = None,
    tls_key: TlsKeyOption = None,
    proxy: ProxyOption = None,
) -> None:
    """Serve Rapport for the sites of a configuration file. Secrets come from the environment (rapport.env)."""
    from plugin.commands.serving import read_proxies, read_tls, run
    from plugin.settings import read_settings

    settings = read_settings(config)
    tls = read_tls(tls_certificate, tls_key)
    proxies = read_proxies(proxy)
    check_free(host, port)
    run(settings, host, port, operators, tls, proxies)


@app.command()
def sandbox(
    rapport: Annotated[
        str, typer.Option(help="Address of the Rapport to register.")
    ] = "http://127.0.0.1:8701",
    port: Port = 8700,
    database: Annotated[str, typer.Option(help="SQLite file, or :memory:.")] = ":memory:",
    personality: PersonalityOption = "full",
) -> None:
    """Serve the sandbox EHR alone: synthetic people, a SMART server, a FHIR store. Never for real data."""
    import uvicorn

    from plugin.demo import CLIENT_ID, sandbox_settings
    from sandbox_ehr import create_app

    check_free("127.0.0.1", port)
    settings = sandbox_settings(port, rapport, database, personality)
    address = settings.base_url  # the one that launches name: a page framed by another is not shown
    _out.print(
        f"Sandbox EHR: {address}   its FHIR base: {address}/r4   client id: {CLIENT_ID}   Ctrl-C stops it.",
        highlight=False,
    )
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, access_log=False)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    show: Annotated[bool, typer.Option("--print", help="Only print the commented configuration.")] = False,
) -> None:
    """Write a commented rapport.toml, rapport.env with fresh secrets, and signing keys."""
    from plugin.initial import CONFIGURATION, write_initial

    if show:
        typer.echo(CONFIGURATION, nl=False)
        return
    configuration, environment, keys = write_initial(folder)
    _out.print(
        f"Wrote {configuration} (edit it), {environment} (secrets, only you can read it) and {keys}/ (private keys)."
    )
    secrets = environment if environment.parent != Path() else f"./{environment}"
    _out.print(f"Then: [bold]set -a; . {secrets}; set +a; rapport serve --config {configuration}[/bold]")


@instruments_app.command("list")
def list_instruments(
    form: Annotated[
        Literal["table", "markdown"],
        typer.Option("--format", help="A table, or the page of the documentation."),
    ] = "table",
    wording: packages.WordingOption = None,
    instruments: packages.FoldersOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are known and not available, with the reasons.")
    ] = False,
    config: packages.ConfigOption = None,
) -> None:
    """List the instruments: who answers, languages, licence, whether it can be filled here; and what is left out."""
    from plugin.stock import describe_left_out
    from plugin.tables import catalogue_markdown, catalogue_table, earlier_line, unavailable_table

    stock = _stock(wording, instruments, config)
    catalogue = stock.catalogue
    if form == "markdown":
        typer.echo(catalogue_markdown(catalogue), nl=False)
    else:
        _out.print(catalogue_table(catalogue))
        if earlier := earlier_line(catalogue):
            _out.print(earlier, highlight=False, markup=False)
        if everything:
            _out.print(unavailable_table())
        for line in describe_left_out(stock.left_out):
            _err.print(f"✗ Left out: {line}", highlight=False, markup=False, soft_wrap=True)


@instruments_app.command("show")
def show_instrument(
    instrument: Annotated[
        str,
        typer.Argument(help="The id, as `rapport instruments list` gives it; id|version for an earlier one."),
    ],
    language: Annotated[str, typer.Option(help="Language of the wording.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the Questionnaire itself.")] = False,
    wording: packages.WordingOption = None,
    instruments: packages.FoldersOption = None,
    config: packages.ConfigOption = None,
) -> None:
    """Show one instrument: its questions, weights, scores, source and standing."""
    from plugin.tables import print_instrument

    found = _stock(wording, instruments, config).catalogue.named(instrument)
    if as_json:
        sys.stdout.buffer.write(found.resource + b"\n")
    else:
        print_instrument(_out, found, language)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="A QuestionnaireResponse as JSON; - reads standard input.")],
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="A table, or FHIR Observations.")
    ] = "table",
    wording: packages.WordingOption = None,
    instruments: packages.FoldersOption = None,
    config: packages.ConfigOption = None,
) -> None:
    """Score one QuestionnaireResponse: Observations out. Exit status 1 if it may not be scored, with every reason."""
    from plugin.tables import print_scores

    body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    print_scores(_out, body, _stock(wording, instruments, config).catalogue, as_json=form == "json")


def _stock(wording: Path | None, instruments: list[Path] | None, config: Path | None) -> "Stock":
    """Open the instruments that are shipped, those of the folders named, or those of a configuration."""
    from plugin.stock import open_stock, open_stock_of

    if config is None:
        return open_stock(wording=wording, places=tuple(instruments or ()))
    from plugin.settings import read_settings

    return open_stock_of(read_settings(config))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; errors that a person can mend are told in a sentence, with exit status 1."""
    from plugin.responses import InvalidResponse, UnreadableResponse
    from questionnaires import CatalogueError

    # Authlib would rather use httpx2, which respx cannot see: ADR-0004. Nothing for who runs a command.
    warnings.filterwarnings("ignore", message="The httpx module is deprecated")
    try:
        app(standalone_mode=True)
    except RapportError as error:
        _err.print(f"[bold red]{escape(error.what_happened)}[/]\n{escape(error.what_to_do)}", highlight=False)
        sys.exit(1)
    except (UnreadableResponse, InvalidResponse) as error:
        for issue in error.issues:
            place = issue.link_id or issue.expression or ""
            _err.print(
                f"[bold red]{escape(place)}[/] {escape(issue.message)} {issue.remedy}", highlight=False
            )
        sys.exit(1)
    except OSError as error:
        what_happened, what_to_do = explain(error)
        _err.print(f"[bold red]{escape(what_happened)}[/]\n{what_to_do}", highlight=False)
        sys.exit(1)
    except CatalogueError as error:
        _err.print(f"[bold red]{escape(str(error))}[/]", highlight=False)
        sys.exit(1)
    except Exception as error:
        if is_of_the_sandbox(error):
            _err.print(f"[bold red]{escape(str(error))}[/]", highlight=False)
            sys.exit(1)
        told = explain_database(error)
        if told is None:
            raise
        _err.print(f"[bold red]{told[0]}[/]\n{told[1]}", highlight=False)
        sys.exit(1)
