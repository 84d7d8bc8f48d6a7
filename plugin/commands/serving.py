"""`rapport serve`: a process that answers and delivers; and what every process checks before it starts."""

import asyncio
import gc
import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer

from plugin.commands.refusals import check_free
from plugin.errors import SettingsInvalid

if TYPE_CHECKING:
    from plugin.operating_port import Listen
    from plugin.settings import Settings
    from plugin.stock import Stock

OperatorsOption = Annotated[
    str | None,
    typer.Option(
        "--operators",
        help="HOST:PORT of a second address with health and metrics only, for those who operate it.",
        envvar="RAPPORT_OPERATORS",
    ),
]
TlsCertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate",
        help="PEM file of the certificate and its chain: serve https itself, to a proxy or to browsers.",
        envvar="RAPPORT_TLS_CERTIFICATE",
    ),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option("--tls-key", help="PEM file of its private key.", envvar="RAPPORT_TLS_KEY"),
]
ProxyOption = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        help="Address or network of the proxy (several with commas) whose X-Forwarded-For is believed; else nobody's is.",
        envvar="RAPPORT_PROXY",
    ),
]
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that https is served with."""

    certificate: Path
    key: Path


def read_tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """Look at the files; SettingsInvalid if one is missing, cannot be read, or they do not belong together."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise SettingsInvalid(
            "Of --tls-certificate and --tls-key only one is given.", "Give both, or neither for plain http."
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsInvalid(
            f"{certificate} and {key} cannot be served with: {getattr(error, 'reason', None) or error}.",
            "Give a certificate with its chain and the private key that belongs to it, both as PEM, the key not encrypted.",
        ) from None
    return Tls(certificate, key)


def read_proxies(named: str | None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Read the proxies' addresses and networks; SettingsInvalid if one is neither, or takes in everybody."""
    if environment.get("FORWARDED_ALLOW_IPS"):
        raise SettingsInvalid(
            "FORWARDED_ALLOW_IPS is set, which is not read.",
            "Unset it and name the proxy in RAPPORT_PROXY (--proxy), by its address or its network.",
        )
    if not named:
        return ()
    found = tuple(each.strip() for each in named.split(","))
    for each in found:
        try:
            everybody = ipaddress.ip_network(each).prefixlen == 0
        except ValueError:
            everybody = True
        if everybody:
            raise SettingsInvalid(
                f"--proxy names “{each}”, which is not an address, nor a network smaller than all there are.",
                "Write the proxy's own: 10.0.3.7, or 10.0.3.0/28 where nothing but proxies is in that network.",
            )
    return found


def _no_password() -> str:
    raise ValueError("the key is encrypted")


# Longer than a proxy keeps an idle connection to us: a request that comes while we close it is lost, and its sender gets a 502.
_IDLE_SECONDS = 75


def run(
    settings: "Settings",
    host: str,
    port: int,
    operators: str | None,
    tls: Tls | None = None,
    proxies: tuple[str, ...] = (),
) -> None:
    """Serve until SIGTERM or SIGINT. Of `proxies` it is believed from whom they pass a request on."""
    from plugin.app import create_app
    from plugin.commands.serving_alone import serve_alone
    from plugin.logs import configure_logs
    from plugin.server import STARTUP_FAILED, EndingServer
    from plugin.slow_clients import HurriedProtocol

    listen = read_listen(operators)
    configure_logs()
    with serve_alone(settings.database):
        check_database(settings)
        # Before the server is there: what it says of a start that fails is a traceback.
        app = create_app(settings, for_operators=listen, stock=asyncio.run(_open_stock(settings)))
        spare_collector()
        # Requests are logged by route, not by address: addresses hold ids.
        server = EndingServer(
            app,
            lambda: app.state.rapport.ending.set(),
            host=host,
            port=port,
            http=HurriedProtocol,
            timeout_keep_alive=_IDLE_SECONDS,
            access_log=False,
            server_header=False,
            workers=1,  # whatever WEB_CONCURRENCY says
            log_config=None,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            ssl_context_factory=_make_tls if tls else None,
        )
        with suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            raise SystemExit(STARTUP_FAILED)


async def _open_stock(settings: "Settings") -> "Stock":
    from plugin.app import open_stock
    from plugin.outward import open_client

    async with open_client(settings) as http:
        return await open_stock(settings, http)


def _make_tls(_config: object, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    from plugin.tls import OLDEST

    context = make()
    context.minimum_version = OLDEST
    return context


def spare_collector() -> None:
    """Have garbage be looked for seldom, and never among what stands until the process ends: a tenth of a submit's time.

    Nearly everything is freed without the collector; it is there for cycles, which a request makes few of.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def read_listen(address: str | None) -> "Listen | None":
    """Read HOST:PORT; SettingsInvalid if it is none, or is taken."""
    from plugin.operating_port import Listen

    if not address:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _HIGHEST_PORT:
        raise SettingsInvalid(
            f"--operators is {address}, which is not an address and a port.",
            "Write it as 127.0.0.1:9464; the address decides who can reach it.",
        )
    check_free(host.strip("[]"), int(port))
    return Listen(host.strip("[]"), int(port))


def check_database(settings: "Settings") -> None:
    """Make the tables of an empty database; SettingsInvalid if it cannot be reached, or has another schema or key."""
    from plugin.ledger import Vault, schema
    from plugin.ledger.known_key import check_key
    from plugin.ledger.store import open_database

    engine = open_database(settings.database)
    try:
        schema.prepare(engine)
        check_key(engine, Vault(settings.vault_keys))
    except sa.exc.OperationalError as error:
        raise SettingsInvalid(
            f"The database {engine.url.render_as_string(hide_password=True)} cannot be used: {_reason(error)}.",
            "Start it, or correct server.database. The folder of an SQLite file must exist and be writable.",
        ) from None
    finally:
        engine.dispose()


def _reason(error: sa.exc.OperationalError) -> str:
    # The first line; libpq's others guess at reasons.
    return str(error.orig).strip().partition("\n")[0].strip().removesuffix(".")
