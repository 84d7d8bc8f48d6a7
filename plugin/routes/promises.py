"""What a form's page promises of single answers: said before the first question, kept with them, and true whatever is set later."""

from plugin.ledger import Vault
from plugin.pages import Audience, FormView
from plugin.responses.labels import PROMISES, Label
from questionnaires import Rater


def promises_of(view: FormView) -> frozenset[Label]:
    """Say what a page promises; nothing of what a clinician copies from paper, and of the therapist's own form.

    Of answers that go into the record who reads them there is the EHR's to decide.
    """
    if view.from_paper or view.rater == Rater.THERAPIST:
        return frozenset()
    promised = set()
    if view.audience is Audience.SCORES and not view.asks_sharing:
        promised.add(Label.ANSWERS_NOT_SHOWN)
    if not view.auditors_read and (view.asks_sharing or view.audience is not Audience.RECORD):
        promised.add(Label.ANSWERS_NOT_FOR_AUDITORS)
    return frozenset(promised)


def sign_promises(vault: Vault, invitation: str, promised: frozenset[Label]) -> str:
    """Write promises so that the page can give them back with the answers, and nobody can make them up."""
    return " ".join(vault.digest("promise", f"{invitation}/{each}") for each in sorted(promised))


def read_promises(vault: Vault, invitation: str, signed: str) -> frozenset[Label]:
    """Read what a page gave back; what was not signed here for this form counts for nothing."""
    given = frozenset(signed.split())
    return frozenset(
        each for each in PROMISES if not given.isdisjoint(vault.digests("promise", f"{invitation}/{each}"))
    )
