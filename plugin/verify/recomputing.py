"""Scores a stored response again with the key that it names, and holds what is stored against that. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from plugin.delivery.keep import Record
from plugin.delivery.rescored import Again, score_again
from plugin.delivery.revising import RevisionKind
from plugin.observations import build_results
from plugin.observations.build import Results, Subject, with_status
from plugin.responses import Head, InvalidResponse, UnreadableResponse, as_kept, read_response, take_answers
from plugin.responses.labels import labels_of
from plugin.scores import Key, Score, compute
from plugin.verify.findings import Finding, Flaw
from questionnaires import Instrument

_Essence = dict[str, object]

# What each member of an Observation is about; whatever is not listed is a mismatch.
_ABOUT = {
    "codes": (Flaw.WRONG_CODE, "It stands under another code."),
    "subject": (Flaw.WRONG_SUBJECT, "It is about somebody else than its answers."),
    "performer": (Flaw.WRONG_RATER, "It names another person as having answered, or nobody."),
}
_OTHERWISE = (Flaw.MISMATCH, "The stored Observation is not what the answers give.")


def recompute(
    record: Record,
    instrument: Instrument,
    key: Key,
    where: str,
    *,
    software: str | None = None,
    status: str = "final",
) -> Iterator[Finding]:
    """Give every way in which a stored response, its columns, scores and Provenance do not fit each other.

    `software` is the version that scored, where it is known.
    """
    if instrument.rater != record.rater:
        what = f"Stored as {record.rater}; the form is for the {instrument.rater}."
        yield Finding(Flaw.WRONG_RATER, where, what)
    try:
        response, answers = take_answers(record.body, instrument, patient=record.patient)
    except UnreadableResponse:
        yield Finding(Flaw.ALTERED, where, "The stored answers are no response.")
        return
    except InvalidResponse:
        yield from _columns(record, as_kept(read_response(record.body)), where)
        what = "The stored answers are no response to their form about this patient."
        yield Finding(Flaw.ALTERED, where, what)
        return
    scores = compute(key, answers)

    def held(head: Head, stored: Record) -> tuple[Finding, ...]:
        return tuple(_hold(stored, head, instrument, scores, where, software=software, status=status))

    findings = held(response, record)
    if findings:
        earlier = [held(*each) for each in _ways_of_before(record, response)]
        findings = min((findings, *earlier), key=len)
    yield from findings


def _ways_of_before(record: Record, response: Head) -> Iterator[tuple[Head, Record]]:
    """Give the head and the record as earlier versions of Rapport read them, to hold each other by."""
    ways = [(response, record)]
    if as_kept(written := read_response(record.body)) is not written:
        # They stored references with a version or a base as they came.
        ways.append((written, record))
        if record.revision:  # whose contact and source are nowhere but in its answers
            source, encounter = written.source_reference, written.encounter_reference
            ways.append((written, replace(record, source=source, encounter=encounter)))
    yield from ways[1:]
    if record.revised_by:  # they named nobody but the author in the Provenance of what was amended
        yield from ((head, replace(stored, revised_by="")) for head, stored in ways)


def _hold(
    record: Record,
    head: Head,
    instrument: Instrument,
    scores: tuple[Score, ...],
    where: str,
    *,
    software: str | None,
    status: str,
) -> Iterator[Finding]:
    yield from _columns(record, head, where)
    again = build_results(
        record.id,
        instrument,
        scores,
        Subject(record.patient, head.encounter_reference, head.source_reference, head.author_reference),
        authored=head.authored_at or record.authored,
        issued=record.received,
        organization="",
        labels=labels_of(head.meta),
        status=status,
        recorded=True,
        made_by=record.revised_by,
    )
    yield from _compare(record.results, again, scores, where)
    yield from _provenance(record, again, software, where)


def recompute_again(
    record: Record, again: Again, instrument: Instrument, key: Key, where: str
) -> Iterator[Finding]:
    """Give every way in which scores by another version of the form do not fit the answers that they were computed from."""
    try:
        scores, results = score_again(record, instrument, key, again.why.computed)
    except (UnreadableResponse, InvalidResponse):
        yield Finding(Flaw.ALTERED, where, "The answers do not fit the form that scored them again.")
        return
    yield from _compare(again.results, results, scores, where)
    stored = replace(record, instrument=again.instrument, key_hash=again.key_hash, results=again.results)
    yield from _provenance(stored, results, again.software, where)


def check_follows(record: Record, earlier: Record, where: str) -> Iterator[Finding]:
    """Hold a later version against the one before it: one that marks it as entered in error is that one, marked."""
    if record.revision != earlier.revision + 1:
        yield Finding(Flaw.DELETED, where, "A version before it is missing.")
    if not record.voided:
        return
    if record.results not in _marked(record, earlier) or record.body != earlier.body:
        yield Finding(Flaw.MISMATCH, where, "It is not the version before it, marked.")


def _marked(record: Record, earlier: Record) -> Iterator[Results]:
    """Give what marking makes of a version: with who marked it and when; and as earlier versions of Rapport did, with neither."""
    kind = RevisionKind.ENTERED_IN_ERROR
    yield with_status(earlier.results, kind, made_by=record.revised_by, made=record.revised)
    yield with_status(earlier.results, kind)


def _columns(record: Record, response: Head, where: str) -> Iterator[Finding]:
    if response.questionnaire != record.instrument:
        what = "The answers name another form, or another version of it, than the row."
        yield Finding(Flaw.WRONG_VERSION, where, what)
    if response.subject_reference != record.patient:
        yield Finding(Flaw.WRONG_SUBJECT, where, "The answers are about somebody else than the row.")
    if response.source_reference != record.source:
        yield Finding(Flaw.WRONG_RATER, where, "The answers name another person than the row, or nobody.")
    if response.encounter_reference != record.encounter:
        yield Finding(Flaw.MISMATCH, where, "The answers name another contact than the row, or none.")
    if response.authored_at not in (None, record.authored):
        yield Finding(Flaw.WRONG_DATE, where, "The answers have another date than the row.")


def _compare(stored: Results, again: Results, scores: tuple[Score, ...], where: str) -> Iterator[Finding]:
    if (stored.panel, stored.scores, stored.identifiers) == (again.panel, again.scores, again.identifiers):
        return  # to the byte: as good as always, and what takes the time below
    try:
        told = tuple(_compare_each(stored, again, scores, where))
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        told = (Finding(Flaw.ALTERED, where, "The stored results cannot be read."),)
    yield from told


def _compare_each(
    stored: Results, again: Results, scores: tuple[Score, ...], where: str
) -> Iterator[Finding]:
    if len(stored.scores) != len(again.scores):
        what = f"{len(stored.scores)} scores are stored; its key gives {len(again.scores)}."
        yield Finding(Flaw.MISMATCH, where, what)
    values = [msgspec.json.decode(each)["identifier"][0]["value"] for each in (stored.panel, *stored.scores)]
    if len(set(values)) < len(values) or len(set(stored.identifiers)) < len(stored.identifiers):
        yield Finding(Flaw.DUPLICATE, where, "One of its Observations is stored twice.")
    names = ("panel", *(name.partition("/")[2] for name in again.identifiers[1:]))
    bounds = [(None, None), *((score.low, score.high) for score in scores)]
    pairs = zip((stored.panel, *stored.scores), (again.panel, *again.scores), strict=False)
    for name, possible, (before, after) in zip(names, bounds, pairs, strict=False):
        for flaw, what in _differences(_essence(before), _essence(after), possible):
            yield Finding(flaw, f"{where}, {name}", what)


def _differences(
    before: _Essence, after: _Essence, possible: tuple[Decimal | None, Decimal | None]
) -> Iterator[tuple[Flaw, str]]:
    if before["value"] is None and after["value"] is not None:
        yield Flaw.MISSING_VALUE, "It has no value, and its answers give one."
    elif before["value"] != after["value"] and is_outside(before["value"], *possible):
        yield Flaw.OUT_OF_RANGE, "No answers give such a value."
    then, now = (_moment(each["effectiveDateTime"]) for each in (before, after))
    if then is None or now is None or then > now:
        different_date = (Flaw.WRONG_DATE, "It has another date than its answers.")
    else:
        different_date = (Flaw.STALE, "Its answers are newer than it.")
    about = {**_ABOUT, "effectiveDateTime": different_date}
    told = {about.get(name, _OTHERWISE) for name in after if before[name] != after[name]}
    yield from sorted(told)


def is_outside(value: object, low: Decimal | None, high: Decimal | None) -> bool:
    """Tell whether a number is beyond what can be reached."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return False
    exact = Decimal(str(value))
    return (low is not None and exact < low) or (high is not None and exact > high)


def _essence(observation: bytes) -> _Essence:
    """Take what the number means, not how this version writes it down: unit spelling, profiles and texts may change."""
    resource = msgspec.json.decode(observation)
    quantity = resource.get("valueQuantity") or {}
    return {
        "identifier": resource["identifier"],
        "status": resource["status"],
        "codes": [(each.get("system"), each.get("code")) for each in resource["code"]["coding"]],
        "value": quantity.get("value"),
        "unit": quantity.get("code"),
        "absent": "dataAbsentReason" in resource,
        **{name: resource.get(name) for name in ("subject", "encounter", "effectiveDateTime", "performer")},
        **{name: resource.get(name) for name in ("hasMember", "derivedFrom")},
    }


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _provenance(record: Record, again: Results, software: str | None, where: str) -> Iterator[Finding]:
    """Compare the Provenance but for the organisation's name, which is the site's to change."""
    try:
        before, after = (_origin(each) for each in (record.results.provenance, again.provenance))
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        yield Finding(Flaw.PROVENANCE, where, "Its Provenance cannot be read.")
        return
    if before.pop("form") != (record.instrument, f"{record.instrument} ({record.key_hash})"):
        what = "Its Provenance names another form, version or key than the row."
        yield Finding(Flaw.WRONG_VERSION, where, what)
    version = before.pop("software")
    if software is not None and version != f"software/rapport-fhir/{software}":
        what = "Its Provenance names another version of this software than the row."
        yield Finding(Flaw.PROVENANCE, where, what)
    del after["form"], after["software"]
    for name in (each for each in after if before[each] != after[each]):
        yield Finding(Flaw.PROVENANCE, where, f"Its Provenance tells another {name}.")


def _origin(provenance: bytes) -> _Essence:
    resource = msgspec.json.decode(provenance)
    who = [(each["type"]["coding"][0]["code"], each["who"]) for each in resource["agent"]]
    response, form = (each["what"] for each in resource["entity"])
    (device,) = (each for role, each in who if role == "assembler")
    # Of the first responses that were kept, the Provenance was that of the scores alone.
    return {
        "target": [each["reference"] for each in resource["target"] if each != response],
        "time": resource["recorded"],
        "author": [each for role, each in who if role != "assembler"],
        "source": response["reference"],
        "software": device["identifier"]["value"],
        "form": (form["identifier"]["value"], form["display"]),
    }
