"""The page of one administration for auditors: the chain as a picture, and behind each station what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from plugin.auditing.chain import Chain
from plugin.auditing.entries import DECISIONS, VIEWS
from plugin.auditing.proving import Standing
from plugin.auditing.reviews import SignOff, Verdict
from plugin.comparing.side_by_side import Pair
from plugin.delivery.states import DeliveryState
from plugin.pages.auditing import NOTHING_TYPED, TypedSignOff
from plugin.pages.delivery import delivery_label
from plugin.pages.engine import render
from plugin.pages.figures import number
from plugin.pages.picture import Node, Picture, draw
from plugin.pages.staff import DeskFrame
from plugin.verify import Finding
from plugin.verify.findings import MEANING

STANDINGS: Mapping[Standing, str] = {
    Standing.PROVED: "in the log, as it was logged",
    Standing.WAITS: "waits for the next checkpoint",
    Standing.SET_ASIDE: "the log could not take it",
    Standing.ERASED: "erased by law; the log keeps its place",
    Standing.ALTERED: "not what was logged",
    Standing.UNKNOWN: "the log has never seen it",
    Standing.BROKEN: "the proof does not lead to the signed root",
}

ENTRIES: Mapping[str, str] = {
    "launch": "Rapport was opened from the EHR",
    "launch-ended": "the sign-in ended",
    "patient-viewed": "the patient page was looked at",
    "response-viewed": "results were read",
    "invitation-created": "a form was sent out",
    "invitation-shown": "the link was shown again",
    "invitation-opened": "the form was opened",
    "invitation-withdrawn": "a form was withdrawn",
    "hand-over": "the device was handed over",
    "hand-over-ended": "the device was given back",
    "response-received": "the answers were received",
    "response-amended": "its author amended the answers",
    "response-entered-in-error": "it was marked as entered in error",
    "response-rescored": "another version of the form scored the answers",
    "delivery": "an attempt to write into the record",
    "delivery-retried": "somebody had it tried again",
    "delivery-released": "somebody had all tried that waited",
    "delivery-discarded": "somebody decided not to send it",
    "cards-given": "the EHR was given cards about the patient",
    "card-answered": "a card was answered in the EHR",
    "record-compared": "the EHR's record was read and compared",
    "deliveries-viewed": "its delivery was looked at",
    "audit-searched": "it stood in an auditor's list",
    "chain-viewed": "an auditor looked at this page",
    "exported": "a period was exported",
    "review-viewed": "a review that holds it was looked at",
    "review-signed": "an auditor signed it off",
}
"""Kinds of entries in words; the others are shown by their names."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the EHR's record says beside the ledger; `problem` if it could not be read."""

    pairs: tuple[Pair, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The review from which the page was opened, and what was signed of this administration in it."""

    id: str
    place: int
    size: int
    following: str | None  # the response after this one
    signed: tuple[SignOff, ...]


@dataclass(frozen=True, slots=True)
class ChainPage:
    """One administration. `shows_answers`: the site's policy lets single answers be read."""

    desk: DeskFrame
    chain: Chain
    shows_answers: bool
    can_compare: bool
    now: datetime
    compared: Compared | None = None
    review: Reviewed | None = None
    told: str | None = None
    typed: TypedSignOff = NOTHING_TYPED

    @property
    def sent(self) -> tuple[tuple[str, str], ...]:
        """What was built for the EHR, by name, as JSON; the answers themselves are not among it."""
        results = self.chain.account.record.results
        names = [each.partition("/")[2] for each in results.identifiers]
        bodies = zip(("panel", *names[1:]), (results.panel, *results.scores), strict=False)
        return tuple(
            (name, msgspec.json.format(body).decode())
            for name, body in (*bodies, ("Provenance", results.provenance))
        )

    @property
    def answers(self) -> str | None:
        """The response byte for byte but for its layout; None where the policy holds it back."""
        if not self.shows_answers:
            return None
        return msgspec.json.format(self.chain.account.record.body).decode("utf-8", "replace")


def render_chain(page: ChainPage) -> str:
    """Render the page."""
    chain = page.chain
    return render(
        "staff/audit/chain.html",
        desk=page.desk,
        page=page,
        chain=chain,
        record=chain.account.record,
        picture=picture_of(page),
        label=delivery_label,
        standings=STANDINGS,
        entries=ENTRIES,
        meaning=MEANING,
        verdicts=Verdict,
        views=[each for each in chain.told.entries if each.kind in VIEWS],
        before=[
            each
            for each in chain.told.entries
            if each.when <= chain.account.record.received and each.kind not in VIEWS
        ],
        decisions=[each for each in chain.told.entries if each.kind in DECISIONS],
    )


def picture_of(page: ChainPage) -> Picture:
    """Draw the stations."""
    return draw([*_before(page), *_later(page), *_scores(page), *_again(page), *_after(page)])


def _before(page: ChainPage) -> list[Node]:
    chain, record = page.chain, page.chain.account.record
    nodes = []
    if chain.launch is not None:
        who = chain.launch.user or "a user whom the EHR did not name"
        nodes.append(Node("launch", "Launch", f"{who}, {_at(chain.launch.created)}"))
    else:
        nodes.append(Node("launch", "No launch", "It came from another app", mark="quiet"))
    if chain.invitation is not None:
        way = "by link" if chain.invitation.remote else "on the clinician’s device"
        nodes.append(
            Node("invitation", "Invitation", f"{way}, {_at(chain.invitation.created)}", verb="invited")
        )
    mark = "" if chain.digest_fits else "alert"
    who = record.source or "not known"
    verb = "answered" if chain.invitation else "sent"
    nodes.append(
        Node("response", "Response", f"{who} as {record.rater}, {_at(record.authored)}", verb=verb, mark=mark)
    )
    return nodes


def _later(page: ChainPage) -> list[Node]:
    """Draw the later versions of the answers, each below the one before it."""
    return [
        Node(
            "versions",
            f"Version {each.number}: {each.words}",
            f"{each.who}, {_at(each.made)}",
            verb="later",
            mark="" if each.digest_fits else "alert",
        )
        for each in page.chain.later
    ]


def _again(page: ChainPage) -> list[Node]:
    """Draw what other versions of the form made of the answers, beside the way to the record: none of it goes there."""
    nodes = []
    for again, scores in page.chain.again:
        name, _, version = again.instrument.rpartition("/")[2].partition("|")
        first = scores[0] if scores else None
        value = "no value" if first is None or first.again is None else number(first.again)
        of = f" (version {again.version})" if again.version else ""
        nodes.append(
            Node(
                "again",
                f"Scored again: {value}{of}",
                f"{name} {version}, {_at(again.why.computed)}",
                aside=True,
                verb="scored again",
            )
        )
    return nodes


def _scores(page: ChainPage) -> list[Node]:
    chain, record = page.chain, page.chain.account.record
    unfolding = chain.unfolding
    name, _, version = record.instrument.rpartition("/")[2].partition("|")
    nodes = [
        Node(
            "key",
            "Scoring key",
            f"{name} {version}",
            verb="",
            mark="alert" if unfolding.instrument and not unfolding.same_key else "",
            joins=True,
        )
    ]
    first = unfolding.scores[0] if unfolding.scores else None
    if first is None:
        return [*nodes, Node("score", "Score", "none", verb="scored with", mark="quiet")]
    value = "no value" if first.stored is None else number(first.stored)
    out_of = f" of {number(first.high)}" if first.high is not None and first.stored is not None else ""
    more = f", and {len(unfolding.scores) - 1} more" if len(unfolding.scores) > 1 else ""
    wrong = any(each.agrees is False for each in unfolding.scores)
    nodes.append(
        Node(
            "score",
            f"Score: {value}{out_of}",
            f"{first.label}{more}",
            verb="scored with",
            mark="alert" if wrong else "",
        )
    )
    return nodes


def _after(page: ChainPage) -> list[Node]:
    chain, account = page.chain, page.chain.account
    placed = [each for each in account.locations if "Observation/" in each]
    where = f"{placed[0]}{f' and {len(placed) - 1} more' if len(placed) > 1 else ''}" if placed else ""
    compared = page.compared
    differs = compared is not None and bool(compared.findings)
    nodes = [
        Node(
            "observation",
            "Observation",
            "It differs in the EHR" if differs else where or "Not in the EHR’s record",
            verb="written as",
            mark="alert" if differs else "" if placed else "quiet",
        )
    ]
    last = chain.attempts[-1] if chain.attempts else None
    if last is None:
        detail = "Not tried yet"
    else:
        status = f", HTTP {last.status}" if last.status else ""
        detail = f"{_many(len(chain.attempts), 'attempt')}{status}, {_at(last.when)}"
    mark = "alert" if account.state in {DeliveryState.REFUSED, DeliveryState.SET_ASIDE} else ""
    title = f"Delivery: {delivery_label(account.state)}"
    nodes.append(Node("delivery", title, detail, verb="sent", mark=mark if last else "quiet"))
    decided = [each for each in chain.told.entries if each.kind in DECISIONS]
    changed = _many(len(decided), "decision") if decided else "Nothing was decided or changed"
    nodes.append(Node("changes", "Since then", changed, verb="after that", mark="" if decided else "quiet"))
    views = [each for each in chain.told.entries if each.kind in VIEWS]
    people = len({each.who for each in views})
    seen = f"{_many(len(views), 'view')} by {people}" if views else "Nobody yet"
    nodes.append(Node("views", "Seen by", seen, verb="looked at", mark="" if views else "quiet"))
    bad = [each for each in chain.proofs if each.is_bad]
    waits = [each for each in chain.proofs if each.standing is Standing.WAITS]
    proved = len(chain.proofs) - len(bad) - len(waits)
    if bad:
        text = f"{_many(len(bad), 'row')} not as logged"
    else:
        text = f"{_many(proved, 'row')} proved" + (f", {len(waits)} waiting" if waits else "")
    nodes.append(Node("proof", "Transparency log", text, mark="alert" if bad else ""))
    return nodes


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _at(when: object) -> str:
    return f"{when:%-d %b %Y, %H:%M}"
