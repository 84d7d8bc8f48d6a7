"""Desks: what somebody who signed in may do beyond one patient, by the roles that the site gives. Functions of one connection.

A desk is a launch looked at without its patient: one that was begun without any, or one from a chart by somebody who
has such a role as well.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import Vault, as_sealed, check_fits
from plugin.ledger.tables import launch
from plugin.roles import STAFF, Code, Role, RoleBook


@dataclass(frozen=True, slots=True)
class Desk:
    """Who sits there, at which site, with which roles. `patient` if it was opened from a chart; `language` of its pages."""

    id: str
    site: str
    user: str
    roles: frozenset[Role]
    patient: str | None
    expires: datetime
    language: str = "en"

    @property
    def staff_roles(self) -> tuple[Role, ...]:
        """The roles in the order in which pages show them."""
        return tuple(role for role in STAFF if role in self.roles)


def write_codes(codes: tuple[Code, ...]) -> str | None:
    """Write codes for the ledger."""
    return msgspec.json.encode(codes).decode() if codes else None


def read_codes(text: str | None) -> tuple[Code, ...]:
    """Read them again: none of what is not as they were written, so that it gives nobody a role."""
    try:
        return msgspec.json.decode(text, type=tuple[tuple[str, str], ...]) if text else ()
    except msgspec.MsgspecError:
        return ()


def read_desk(
    connection: Connection,
    vault: Vault,
    books: dict[str, RoleBook],
    desk_id: str,
    session: str,
    now: datetime,
) -> Desk | None:
    """Find a living launch of this browser session whose user has a role; None if there is none. SealBroken if it was altered.

    Roles are those of the site's list as it is now: what is taken out of it ends at the next start.
    """
    row = connection.execute(_living(session, now).where(launch.c.id == desk_id)).first()
    if row is None:
        return None
    check_fits(vault, launch, row)
    return _desk(row, books)


def read_desks(
    connection: Connection, vault: Vault, books: dict[str, RoleBook], session: str, now: datetime
) -> tuple[Desk, ...]:
    """Give all desks of this browser session, the newest first; none that was altered."""
    rows = connection.execute(_living(session, now).order_by(launch.c.created.desc(), launch.c.id))
    whole = as_sealed(vault, launch, rows)
    return tuple(found for row in whole if (found := _desk(row, books)) is not None)


def _living(session: str, now: datetime) -> sa.Select[Any]:
    c = launch.c
    return sa.select(launch).where(c.handle == session, c.ended.is_(None), c.expires > now)


def _desk(row: sa.Row[Any], books: dict[str, RoleBook]) -> Desk | None:
    if row.user is None:
        return None
    roles = books.get(row.site, RoleBook()).roles_of(row.user, read_codes(row.role_codes))
    return Desk(row.id, row.site, row.user, roles, row.patient, row.expires) if roles else None
