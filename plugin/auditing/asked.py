"""What an auditor asks for by an address or an identifier: the administration behind it, and which of its scores it is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.auditing.unfolding import Unfolded, Unfolding
from plugin.delivery.account import Account, Attempt
from plugin.errors import Invalid, NotFound
from plugin.ledger import tables as t

REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URN = "urn:uuid:"
_URI = "urn:ietf:rfc:3986"
"""The system of identifiers that are addresses by themselves (FHIR R4, Identifier.system)."""
_VERSION = re.compile(r"/_history/[^/]*$")
_REMEDY = "Give an Observation's or a response's address in the EHR (Observation/17), or its identifier."


@dataclass(frozen=True, slots=True)
class Asked:
    """The Observation that was asked for. `score` is None for the panel of all, and where it is not known which it is."""

    address: str
    score: Unfolded | None
    is_panel: bool = False


def find_response(connection: Connection, site: str | None, text: str) -> str:
    """Find the response behind an Observation or a response, of a site or of any; NotFound if none, Invalid if nothing is asked.

    Taken are the address in the EHR, whole or not, with a version or not, the id alone, and the identifier, as urn:uuid: too.
    Identifiers of Rapport's begin with the response's id, so that they are found by key; addresses are looked for among
    those that deliveries left.
    """
    given = plain(text)
    if not given:
        raise Invalid("Nothing was typed.", _REMEDY)
    of_site = () if site is None else (t.response.c.site == site,)
    named = t.response.c.identifier.in_((text.strip(), f"{_URI}|{text.strip()}"))
    for condition in (t.response.c.id == given.partition("/")[0], named):
        known = connection.execute(sa.select(t.response.c.id).where(condition, *of_site)).scalar()
        if known is not None:
            return str(known)
    for wanted in written_as(given):
        at = () if site is None else (t.delivery.c.site == site,)
        query = sa.select(t.delivery.c.response, t.delivery.c.locations).where(
            t.delivery.c.locations.contains(wanted, autoescape=True), *at
        )
        for row in connection.execute(query):
            if any(f"/{each}".endswith(f"/{wanted}") for each in (row.locations or "").split()):
                return str(row.response)
    raise NotFound("Rapport delivered nothing under this address or identifier at this site.", _REMEDY)


def observation_asked(
    text: str, account: Account, attempts: tuple[Attempt, ...], unfolding: Unfolding
) -> Asked | None:
    """Tell which Observation of an administration was asked for; None if it was the response, or nothing of it."""
    given = plain(text)
    scores = {each.identifier: each for each in unfolding.scores}
    panel = next(iter(account.record.results.identifiers), None)
    if given in (panel, *scores):
        places = _places(account, attempts)
        address = next((where for where, name in places.items() if name == given), given)
        return Asked(address, scores.get(given), is_panel=given == panel)
    for wanted in written_as(given):
        for each in account.locations:
            if f"/{each}".endswith(f"/{wanted}") and "Observation/" in each:
                name = _places(account, attempts).get(each)
                return Asked(each, scores.get(name or ""), is_panel=name is not None and name == panel)
    return None


def plain(text: str) -> str:
    """Take from what was typed its system, the version, and the beginning that says that a UUID follows."""
    given = _VERSION.sub("", text.strip().rpartition("|")[2].strip()).rstrip("/")
    if given.lower().startswith(_URN):
        return given[len(_URN) :].lower()
    return given


def written_as(given: str, kind: str = "Observation") -> Iterator[str]:
    """Give how what is asked for can stand among the addresses that a delivery left; of an id alone those of a kind come first."""
    whole = REFERENCE.fullmatch(given)
    if whole:
        yield f"{whole[1]}/{whole[2]}"
    elif ID.fullmatch(given):
        yield from (f"{kind}/{given}", given)


def _places(account: Account, attempts: tuple[Attempt, ...]) -> dict[str, str]:
    """Give the identifier of each Observation by its address, as far as the EHR's answers to writes tell it.

    A transaction has the panel first, single creates have it last; readings of a flowsheet have no identifiers.
    """
    panel, *scores = account.record.results.identifiers or ("",)
    for attempt in attempts:
        many = any(each.startswith("entry ") for each in attempt.answers)
        begin = "entry " if many else "POST Observation: "
        made = [_VERSION.sub("", each.split()[-1]) for each in attempt.answers if each.startswith(begin)]
        made = [each for each in made if "Observation/" in f"/{each}"]
        if len(made) == len(scores) + 1:
            return dict(zip(made, [panel, *scores] if many else [*scores, panel], strict=True))
    return {}
