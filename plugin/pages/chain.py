"""The page of one administration for auditors: the chain as a picture, and behind each station what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from plugin.audit import Kind
from plugin.auditing.asked import Asked
from plugin.auditing.chain import Chain
from plugin.auditing.entries import DECISIONS, LISTS, VIEWS, fold, is_at_the_command_line
from plugin.auditing.proving import Standing
from plugin.auditing.reviews import SignOff, Verdict
from plugin.auditing.unfolding import Unfolded
from plugin.comparing.side_by_side import Pair
from plugin.days import day_of, in_zone
from plugin.delivery.states import DeliveryState
from plugin.pages.auditing import NOTHING_TYPED, STANDINGS, TypedSignOff
from plugin.pages.delivery import delivery_label
from plugin.pages.engine import name_score, render
from plugin.pages.figures import day, number
from plugin.pages.picture import Node, Picture, draw
from plugin.pages.staff import DeskFrame
from plugin.pages.words import N_, colon, translations
from plugin.verify import Finding
from plugin.verify.findings import MEANING

ENTRIES: Mapping[str, str] = {
    "launch": N_("Rapport was opened from the EHR"),
    "launch-ended": N_("the sign-in ended"),
    "patient-viewed": N_("the patient page was looked at"),
    "summary-given": N_("the patient’s scores were given as a PDF"),
    "note-drafted": N_("a note was drafted from the patient’s scores"),
    "response-viewed": N_("results were read"),
    "record-searched": N_("it was found by a search over the FHIR interface"),
    "caseload-viewed": N_("the patient stood in a supervisor’s caseload, with scores"),
    "note-viewed": N_("a note written since, which may tell of it, was read again"),
    "invitation-created": N_("a form was sent out"),
    "invitation-shown": N_("the link was shown again"),
    "invitation-opened": N_("the form was opened"),
    "invitation-withdrawn": N_("a form was withdrawn"),
    "hand-over": N_("the device was handed over"),
    "hand-over-ended": N_("the device was given back"),
    "response-received": N_("the answers were received"),
    "response-amended": N_("its author amended the answers"),
    "response-entered-in-error": N_("it was marked as entered in error"),
    "response-rescored": N_("another version of the form scored the answers"),
    "delivery": N_("an attempt to write into the record"),
    "delivery-retried": N_("somebody had it tried again"),
    "delivery-released": N_("somebody had all tried that waited"),
    "delivery-discarded": N_("somebody decided not to send it"),
    "cards-given": N_("the EHR was given cards about the patient"),
    "card-answered": N_("a card was answered in the EHR"),
    "record-compared": N_("the EHR's record was read and compared"),
    "deliveries-viewed": N_("its delivery was looked at"),
    "audit-searched": N_("it stood in an auditor's list"),
    "chain-viewed": N_("an auditor looked at this page"),
    "exported": N_("a period was exported"),
    "research-exported": N_("the patient’s forms were given to research, de-identified"),
    "review-viewed": N_("a review that holds it was looked at"),
    "review-signed": N_("an auditor signed it off"),
}
"""Kinds of entries in words; the others are shown by their names."""

_RATERS = {
    "child": N_("Young person"),
    "caregiver": N_("Caregiver"),
    "therapist": N_("Therapist"),
    "observer": N_("Observer"),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """What the EHR's record says beside the ledger; `problem` if it could not be read."""

    pairs: tuple[Pair, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    versions: tuple[str, ...] = ()
    """What stands there as another version than was written."""


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
    asked: Asked | None = None

    @property
    def scores(self) -> tuple[Unfolded, ...]:
        """The scores, the one that was asked for first."""
        scores, asked = self.chain.unfolding.scores, self.asked and self.asked.score
        return (asked, *(each for each in scores if each is not asked)) if asked else scores

    @property
    def sent(self) -> tuple[tuple[str, str], ...]:
        """What was built for the EHR, by name, as JSON; the answers themselves are not among it."""
        results = self.chain.account.record.results
        if not results.identifiers:
            return ()  # it does not open
        names = [each.partition("/")[2] for each in results.identifiers]
        bodies = zip(("panel", *names[1:]), (results.panel, *results.scores), strict=False)
        return tuple(
            (name, msgspec.json.format(body).decode())
            for name, body in (*bodies, ("Provenance", results.provenance))
        )

    @property
    def answers(self) -> str | None:
        """The response byte for byte but for its layout; empty where it does not open, None where the policy holds it back."""
        if not self.shows_answers:
            return None
        body = self.chain.account.record.body
        return msgspec.json.format(body).decode("utf-8", "replace") if body else ""


def render_chain(page: ChainPage) -> str:
    """Render the page."""
    chain = page.chain
    views = [each for each in chain.told.entries if each.kind in VIEWS]
    seen, listed = fold(views, LISTS)
    return render(
        "staff/audit/chain.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        chain=chain,
        record=chain.account.record,
        picture=picture_of(page),
        standings=STANDINGS,
        entries=ENTRIES,
        meaning=MEANING,
        verdicts=Verdict,
        views=seen,
        listed=listed,
        before=[
            each
            for each in chain.told.entries
            if each.kind not in VIEWS
            and (each.when <= chain.account.record.received or each.kind == Kind.HAND_OVER_ENDED)
        ],
        decisions=[each for each in chain.told.entries if each.kind in DECISIONS],
    )


def picture_of(page: ChainPage) -> Picture:
    """Draw the stations, in the desk's language."""
    telling = _Telling(page)
    return draw([*telling.before(), *telling.later(), *telling.scores(), *telling.again(), *telling.after()])


class _Telling:
    """Words the stations of a page."""

    def __init__(self, page: ChainPage) -> None:
        self._page = page
        self._chain = page.chain
        self._language = page.desk.language
        self._words = translations(self._language)

    def _said(self, text: str, **places: object) -> str:
        return self._words.gettext(text) % places if places else self._words.gettext(text)

    def _many(self, one: str, several: str, count: int) -> str:
        return self._words.ngettext(one, several, count) % {"num": count}

    def _at(self, when: datetime) -> str:
        zone = self._page.desk.zone
        return f"{day(day_of(when, zone), self._language)}, {in_zone(when, zone):%H:%M}"

    def before(self) -> list[Node]:
        """Tell how the answers came about."""
        chain, record, _ = self._chain, self._chain.account.record, self._said
        nodes = []
        if chain.launch is not None:
            who = chain.launch.user or _("a user whom the EHR did not name")
            nodes.append(Node("launch", _("Launch"), f"{who}, {self._at(chain.launch.created)}"))
        else:
            nodes.append(Node("launch", _("No launch"), _("It came from another app"), mark="quiet"))
        if chain.invitation is not None:
            way = _("by link") if chain.invitation.remote else _("on the clinician’s device")
            when = self._at(chain.invitation.created)
            nodes.append(Node("invitation", _("Invitation"), f"{way}, {when}", verb=_("invited")))
        who = record.source or _("not known")
        rater = _(_RATERS.get(record.rater, record.rater))
        nodes.append(
            Node(
                "response",
                _("Response"),
                f"{who} ({rater}), {self._at(record.authored)}",
                verb=_("answered") if chain.invitation else _("sent"),
                mark="" if chain.digest_fits and not chain.altered else "alert",
            )
        )
        return nodes

    def later(self) -> list[Node]:
        """Tell the later versions of the answers, each below the one before it."""
        _ = self._said
        return [
            Node(
                "versions",
                _("Version %(number)s: %(what)s", number=each.number, what=_(each.words)),
                f"{each.who}, {self._at(each.made)}",
                verb=_("later"),
                mark="" if each.digest_fits else "alert",
            )
            for each in self._chain.later
        ]

    def again(self) -> list[Node]:
        """Tell what other versions of the form made of the answers, beside the way to the record: none of it goes there."""
        nodes, _ = [], self._said
        for again, scores in self._chain.again:
            name, _bar, version = again.instrument.rpartition("/")[2].partition("|")
            first = scores[0] if scores else None
            value = self._number(None if first is None else first.again)
            title = _("Scored again: %(value)s", value=value)
            if again.version or self._chain.later:
                title = _("Scored again: %(value)s (version %(number)s)", value=value, number=again.version)
            nodes.append(
                Node(
                    "again",
                    title,
                    f"{name} {version}",
                    aside=True,
                    verb=_("scored again"),
                )
            )
        return nodes

    def scores(self) -> list[Node]:
        """Tell the key and what it made of the answers."""
        record, unfolding, _ = self._chain.account.record, self._chain.unfolding, self._said
        name, _bar, version = record.instrument.rpartition("/")[2].partition("|")
        nodes = [
            Node(
                "key",
                _("Scoring key"),
                f"{name} {version}",
                verb="",
                mark="alert" if unfolding.instrument and not unfolding.same_key else "",
                joins=True,
            )
        ]
        first = self._page.scores[0] if self._page.scores else None
        if first is None:
            mark = "alert" if record.altered else "quiet"
            detail = _("does not open") if record.altered else _("none")
            return [*nodes, Node("score", _("Score"), detail, verb=_("scored with"), mark=mark)]
        value = self._number(first.stored)
        if first.high is not None and first.stored is not None:
            value = _("%(value)s of %(high)s", value=value, high=self._number(first.high))
        others = len(unfolding.scores) - 1
        detail = name_score(first.label, self._language)
        if others:
            detail = _("%(what)s, and %(many)s more", what=detail, many=others)
        wrong = any(each.agrees is False for each in unfolding.scores)
        if record.voided:
            detail = self._in_error(detail)
        nodes.append(
            Node(
                "score",
                _("Score: %(value)s", value=value),
                detail,
                verb=_("scored with"),
                mark="alert" if wrong else "quiet" if record.voided else "",
            )
        )
        return nodes

    def _in_error(self, detail: str) -> str:
        return f"{self._said('Entered in error')}{colon(self._language)} {detail}"

    def after(self) -> list[Node]:
        """Tell what became of the result."""
        return [self._observation(), self._delivery(), *self._since(), self._proof()]

    def _observation(self) -> Node:
        _, compared = self._said, self._page.compared
        placed = [each for each in self._chain.account.locations if "Observation/" in each]
        asked = self._page.asked
        if asked is not None and asked.address in placed:
            placed = [asked.address, *(each for each in placed if each != asked.address)]
        where = placed[0] if placed else _("Not in the EHR’s record")
        if len(placed) > 1:
            where = _("%(what)s, and %(many)s more", what=where, many=len(placed) - 1)
        differs = compared is not None and bool(compared.findings)
        voided = self._chain.account.record.voided
        if voided and placed:
            where = self._in_error(where)
        return Node(
            "observation",
            "Observation",
            _("It differs in the EHR") if differs else where,
            verb=_("written as"),
            mark="alert" if differs else "" if placed and not voided else "quiet",
        )

    def _delivery(self) -> Node:
        _, chain = self._said, self._chain
        last = chain.attempts[-1] if chain.attempts else None
        if last is None:
            detail = _("Not tried yet.").removesuffix(".")
        else:
            status = f", HTTP {last.status}" if last.status else ""
            many = self._many("%(num)d attempt", "%(num)d attempts", len(chain.attempts))
            detail = f"{many}{status}, {self._at(last.when)}"
        state = chain.account.state
        mark = "alert" if state in {DeliveryState.REFUSED, DeliveryState.SET_ASIDE} else ""
        title = _("Delivery: %(state)s", state=delivery_label(state, self._language))
        return Node("delivery", title, detail, verb=_("sent"), mark=mark if last else "quiet")

    def _since(self) -> list[Node]:
        _, entries = self._said, self._chain.told.entries
        decided = [each for each in entries if each.kind in DECISIONS]
        changed = _("Nothing was decided or changed")
        if decided:
            changed = self._many("%(num)d decision", "%(num)d decisions", len(decided))
        views = [each for each in entries if each.kind in VIEWS]
        seen = _("Nobody yet.").removesuffix(".")
        if views:
            many = self._many("%(num)d view", "%(num)d views", len(views))
            people = {each.who for each in views if not is_at_the_command_line(each.who)}
            by = [self._many("by %(num)d person", "by %(num)d people", len(people))] if people else []
            if any(is_at_the_command_line(each.who) for each in views):
                by.append(_("at the command line"))
            seen = f"{many} {', '.join(by)}"
        return [
            Node("changes", _("Since then"), changed, verb=_("after that"), mark="" if decided else "quiet"),
            Node("views", _("Seen by"), seen, verb=_("looked at"), mark="" if views else "quiet"),
        ]

    def _proof(self) -> Node:
        _, many, proofs = self._said, self._many, self._chain.proofs
        bad = [each for each in proofs if each.is_bad]
        waits = [each for each in proofs if each.standing is Standing.WAITS]
        proved = len(proofs) - len(bad) - len(waits)
        if bad:
            text = many("%(num)d row not as logged", "%(num)d rows not as logged", len(bad))
        else:
            text = many("%(num)d row proved", "%(num)d rows proved", proved)
        if waits and not bad:
            text = _("%(what)s, %(many)s waiting", what=text, many=len(waits))
        return Node("proof", _("Transparency log"), text, mark="alert" if bad else "")

    def _number(self, value: Decimal | None) -> str:
        return self._said("no value") if value is None else number(value, self._language)
