"""What `rapport deliveries` does. Each change is audited, in the transaction that makes it, under the operator's name."""

import asyncio
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Connection

from plugin.audit import Actor, Kind, Trail
from plugin.delivery import changes
from plugin.delivery.account import Attempt, attempts_of
from plugin.delivery.changes import Listed
from plugin.delivery.states import OPEN, DeliveryState
from plugin.errors import Invalid, stated_reason
from plugin.ledger import Ledger, Vault
from plugin.ledger.store import open_database
from plugin.settings import read_settings

_out = Console(soft_wrap=True)
_ALL = 1_000_000
_WIDTH_OF_TABLE = 160
_WIDEST = 100_000  # characters of a line that no terminal has to fold


def list_all(config: Path, names: tuple[str, ...], site: str | None, limit: int, *, as_json: bool) -> None:
    """Print deliveries in the named states; in all but `delivered` if none is named."""
    states = _states(names) or tuple(state for state in DeliveryState if state is not DeliveryState.DELIVERED)
    with _looking(config) as connection:
        listed = changes.list_deliveries(connection, states, site=site, limit=limit)
        counts = changes.count_deliveries(connection)
    if as_json:
        _print_json({"counts": counts, "deliveries": [_plain(each) for each in listed]})
        return
    told = ", ".join(f"{many} {state}" for state, many in counts.items()) or "none yet"
    _out.print(f"Deliveries: {told}.")
    if _out.is_terminal and _out.width < _WIDTH_OF_TABLE:
        for each in listed:
            _print_below(each)
    elif listed:
        table = Table("response", "site", "state", "attempts", "received", "due")
        table.add_column("why", overflow="fold")
        for each in listed:
            table.add_row(*_columns(each), each.detail)
        _print_table(table)


def _columns(each: Listed) -> tuple[str, ...]:
    due = _moment(each.due) if each.state in OPEN else "–"
    return each.response, each.site, each.state, str(each.attempts), _moment(each.received), due


def _print_below(each: Listed) -> None:
    """Print a delivery on lines of its own: a table would cut its id, or leave no room for the reason."""
    response, site, state, attempts, received, due = _columns(each)
    _out.print(f"{response}  [bold]{state}[/bold]  at {site}", highlight=False)
    _out.print(f"  attempts {attempts}, received {received}, due {due}", highlight=False)
    if each.detail:
        _out.print(f"  {escape(each.detail)}", highlight=False, soft_wrap=False)


def show(config: Path, response: str, *, as_json: bool) -> None:
    """Print one delivery and its attempts; NotFound if there is none."""
    with _looking(config) as connection:
        found = changes.find_delivery(connection, changes.find_id(connection, response))
        attempts = attempts_of(connection, found.response)
    if as_json:
        _print_json({**_plain(found), "tries": attempts})
        return
    _out.print(
        f"{found.response} at {found.site}: [bold]{found.state}[/bold], received {_moment(found.received)}",
        f"  {found.detail}" if found.detail else "",
        sep="\n",
        highlight=False,
    )
    table = Table()
    for name in ("attempt", "began", "ended", "led to", "HTTP", "writers", "what was said"):
        table.add_column(name, overflow="fold")
    for each in attempts:
        table.add_row(*_cells(each))
    _print_table(table)


def retry(config: Path, response: str) -> None:
    """Make one due now; Conflict if it is in the record or being sent."""
    response = _whole_id(config, response)
    with _changing(config) as apply:
        apply(
            Kind.DELIVERY_RETRIED, (response,), lambda connection: changes.retry(connection, response, _now())
        )
    _out.print(f"{response} is due now; a running Rapport takes it up within a second.", highlight=False)


def release(config: Path, site: str | None) -> None:
    """Make all held ones due now."""
    with _looking(config) as connection:
        held = changes.list_deliveries(connection, (DeliveryState.HELD,), site=site, limit=_ALL)
    ids = tuple(each.response for each in held)
    if ids:
        with _changing(config) as apply:
            apply(Kind.DELIVERY_RELEASED, ids, lambda connection: changes.release(connection, ids, _now()))
    _out.print(f"{len(ids)} held {'delivery is' if len(ids) == 1 else 'deliveries are'} due now.")


def discard(config: Path, response: str, why: str) -> None:
    """Decide that one is not sent; Invalid without a reason, Conflict if it is in the record or being sent."""
    reason = stated_reason(why, "Say with --why why it is not to be sent.")
    response = _whole_id(config, response)
    with _changing(config) as apply:
        apply(
            Kind.DELIVERY_DISCARDED,
            (response,),
            lambda connection: changes.discard(connection, response, reason),
            reason,
        )
    _out.print(f"{response} will not be sent. It stays readable in Rapport.", highlight=False)


def _whole_id(config: Path, beginning: str) -> str:
    with _looking(config) as connection:
        return changes.find_id(connection, beginning)


_Apply = Callable[..., None]


@contextmanager
def _looking(config: Path) -> Iterator[Connection]:
    engine = open_database(read_settings(config).database)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _changing(config: Path) -> Iterator[_Apply]:
    settings = read_settings(config)
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    trail = Trail(settings.base_url, _now)
    operator = Actor(display=f"{getpass.getuser()} at the command line")

    def apply(
        kind: Kind, responses: tuple[str, ...], change: Callable[[Connection], object], why: str | None = None
    ) -> None:
        about = tuple(f"QuestionnaireResponse/{each}" for each in responses)

        async def record() -> None:
            # One delivery is of one patient; the trail of that patient tells of it.
            one = (
                await ledger.read(lambda connection: changes.find_delivery(connection, responses[0]))
                if len(responses) == 1
                else None
            )
            entry = trail.entry(
                kind,
                operator,
                site=one.site if one else None,
                patient=one.patient if one else None,
                about=about,
                reason=why,
            )
            await ledger.write(change, entry)

        asyncio.run(record())

    try:
        yield apply
    finally:
        ledger.close()


def _states(names: tuple[str, ...]) -> tuple[DeliveryState, ...]:
    known = {str(state): state for state in DeliveryState}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Invalid(f"There is no state {', '.join(unknown)}.", f"States: {', '.join(known)}.")
    return tuple(known[name] for name in names)


def _cells(each: Attempt) -> tuple[str, ...]:
    return (
        str(each.number or "–"),
        _moment(each.started) if each.started else "–",
        _moment(each.when),
        each.state,
        str(each.status or "–"),
        each.writer or "–",
        each.detail,
    )


def _plain(each: Listed) -> dict[str, object]:
    """Leave the patient out: an operator's terminal and its logs are no place for it."""
    return {key: value for key, value in msgspec.to_builtins(each).items() if key != "patient"}


def _print_table(table: Table) -> None:
    """Print a table whole: as wide as it needs where a program reads it, else folded into the terminal's width."""
    if _out.is_terminal:
        _out.print(table, soft_wrap=False)
    else:
        Console(file=_out.file, width=_WIDEST).print(table)


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%SZ")


def _now() -> datetime:
    return datetime.now(UTC)
