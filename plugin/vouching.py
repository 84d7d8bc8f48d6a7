"""Asks an EHR whether what a response names (its contact, a caregiver, an order) is its patient's."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from plugin.ehr import (
    BadAnswer,
    Ehr,
    EhrRefused,
    EhrUnavailable,
    Elsewhere,
    NotFound,
    NotPermitted,
    TokenRefused,
)
from plugin.responses import Head, InvalidResponse, Issue
from plugin.responses.named import OWNER, Named, read_named

_CLIENT_ERROR = 400


class NotTold(EhrUnavailable):
    """Asked whose something is, the EHR answered with a page to sign in, or refused the sign-in: asked again later, it may tell."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"The EHR did not say whose {kind} it is.")


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who is asked: the EHR with the base `home`, seen with one token after another until one tells.

    `known` needs no asking: the EHR named it together with the patient. With `is_strict` what cannot be found out is
    refused; without, only what is another patient's, which is for responses that stand in the EHR already.
    """

    home: str
    sights: Callable[[], AsyncIterator[Ehr]]
    known: frozenset[str] = frozenset()
    is_strict: bool = True

    def to_ask(self, head: Head, patient: str) -> tuple[Named, ...]:
        """Give what has to be asked about; InvalidResponse for what is wrong without asking."""
        named = read_named(head, patient=patient, home=self.home)
        return tuple(each for each in named if each.reference not in self.known)

    async def check(self, named: tuple[Named, ...], patient: str) -> None:
        """InvalidResponse unless all of these are the patient's; EhrUnavailable if the EHR does not answer now.

        NotTold if it answers, and says nothing of the matter.
        """
        issues = [issue for each in named if (issue := await self._find_issue(each, patient)) is not None]
        if issues:
            raise InvalidResponse(tuple(issues))

    async def _find_issue(self, named: Named, patient: str) -> Issue | None:
        is_hidden, nothing_said = False, False
        async for ehr in self.sights():
            try:
                owner = _owner(await ehr.read(named.reference), named.kind, ehr.base)
            except (NotFound, NotPermitted, EhrRefused) as refusal:
                # With a status it is the EHR's word: there is none, or this token may not see it. Which, it keeps to itself.
                is_hidden |= refusal.status is not None and refusal.status >= _CLIENT_ERROR
                continue
            except (TokenRefused, BadAnswer):
                nothing_said = True
                continue
            except Elsewhere:
                continue
            if owner is not None:
                return None if owner == patient else _another(named)
            is_hidden = True
        if nothing_said and not is_hidden:
            raise NotTold(named.kind)
        if not self.is_strict:
            return None
        return _another(named) if is_hidden else _unknown(named)


def _owner(resource: dict[str, object], kind: str, base: str) -> str | None:
    found = resource.get(OWNER[kind])
    reference = found.get("reference") if isinstance(found, dict) else None
    if not isinstance(reference, str):
        return None
    return reference.removeprefix(f"{base}/").partition("/_history/")[0]


def _another(named: Named) -> Issue:
    """Refuse another patient's, one that there is not and one that is not shown, in the same words: nobody learns which it is."""
    message = f"The EHR shows no such {named.kind} of this patient."
    remedy = f"Name the patient's own {named.kind}, with a sign-in that may read it (patient/{named.kind}.r), or leave it out."
    return named.refuse(message, remedy)


def _unknown(named: Named) -> Issue:
    message = f"Whether this {named.kind} is the patient's cannot be found out: the EHR does not tell."
    remedy = f"Ask for patient/{named.kind}.r at the app's launch"
    more = ", launch it from within the contact" if named.kind == "Encounter" else ""
    return named.refuse(message, f"{remedy}{more}, or leave it out.")
