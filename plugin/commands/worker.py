"""`rapport worker`: a process that only delivers; several share a PostgreSQL with the serving ones."""

from pathlib import Path
from typing import Annotated

import typer

from plugin.commands.serving import OperatorsOption, check_database, read_listen

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]


def worker(config: ConfigOption = Path("rapport.toml"), operators: OperatorsOption = None) -> None:
    """Deliver what is due, and nothing else. As many as needed beside `rapport serve`, on one PostgreSQL."""
    import asyncio

    from plugin.commands.working import check_can_deliver, deliver
    from plugin.logs import configure_logs
    from plugin.settings import read_settings

    settings = read_settings(config)
    check_can_deliver(settings)
    listen = read_listen(operators)
    check_database(settings)
    configure_logs()
    asyncio.run(deliver(settings, listen))
