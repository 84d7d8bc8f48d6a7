"""What `rapport audit log timestamp` and `log witness` do: have others vouch for the checkpoint, and keep that they did."""

import json
from datetime import datetime
from pathlib import Path

import httpx

from plugin.audit.anchors import Anchors, stamped
from plugin.commands.auditing import Opened, opening
from plugin.errors import Invalid, NotFound, SettingsInvalid, Unavailable
from plugin.tls import make_context
from plugin.transparency import (
    Checkpoint,
    CheckpointInvalid,
    consistency_proof,
    open_checkpoint,
)
from plugin.transparency.cosignatures import Witness, ask_to_cosign, split_note, with_cosignatures
from plugin.verify.anchoring import StampInvalid, check_stamp

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_LARGEST = 65_536  # bytes of an answer
_CONFLICT = 409


def timestamp(config: Path, authority: str, roots: Path) -> None:
    """Have a time-stamping authority stamp the checkpoint; Unavailable if it does not, Invalid if its stamp does not hold."""
    try:
        import rfc3161_client as rfc3161
    except ImportError:
        raise SettingsInvalid(
            "Time-stamping needs the extra rapport-fhir[timestamps], which is not installed.",
            "Install it: pip install 'rapport-fhir[timestamps]'",
        ) from None
    trusted = roots.read_bytes()
    with opening(config) as opened:
        note, _ = _signed(opened)
        key = opened.signer.verifier
        message = stamped(note, key)
        request = (
            rfc3161.TimestampRequestBuilder()
            .data(message)
            .hash_algorithm(rfc3161.HashAlgorithm.SHA256)
            .build()
        )
        answer = _post(authority, request.as_bytes(), "application/timestamp-query")
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(
                f"The time-stamping authority answered {answer.status_code}.", "Try again, or try another."
            )
        try:
            when = check_stamp(answer.content, message, trusted)
        except StampInvalid as invalid:
            raise Invalid(
                str(invalid), "Check the authority's address and the root certificates; nothing was kept."
            ) from None
        anchors = Anchors(opened.settings.log_folder)
        name = anchors.keep(note, key)
        anchors.keep_stamp(name, answer.content)
    _tell(name, "stamped", when)


def witness(config: Path, address: str, key: str) -> None:
    """Have a witness cosign the checkpoint (C2SP tlog-witness); Invalid if it refuses or its cosignature does not hold."""
    try:
        known = Witness.parse(key)
    except CheckpointInvalid as invalid:
        raise Invalid(str(invalid), "Take it from the witness, as name+id+key.") from None
    with opening(config) as opened:
        note, signed = _signed(opened)
        anchors = Anchors(opened.settings.log_folder)
        answer = _ask(opened, address, note, signed, _seen(anchors, opened.signer.verifier, known))
        lines = tuple(line for line in answer.split("\n") if line.startswith(f"— {known.name} "))
        cosigned = with_cosignatures(note, lines)
        try:
            when = known.check(cosigned)
        except CheckpointInvalid as invalid:
            raise Invalid(str(invalid), "Check the witness's key; nothing was kept.") from None
        name = anchors.keep(note, opened.signer.verifier, cosignatures=lines)
    _tell(name, f"cosigned by {known.name}", when)


def _ask(opened: Opened, address: str, note: bytes, signed: Checkpoint, seen: int) -> str:
    url = f"{address.rstrip('/')}/add-checkpoint"
    answer = _post(url, _question(opened, note, signed, seen), "text/plain; charset=utf-8")
    if (
        answer.status_code == _CONFLICT
        and (held := answer.text.strip()).isdecimal()
        and int(held) <= signed.size
    ):
        # It has seen another size than we know of: it says which.
        answer = _post(url, _question(opened, note, signed, int(held)), "text/plain; charset=utf-8")
    if answer.status_code != httpx.codes.OK:
        raise Invalid(
            f"The witness refused the checkpoint ({answer.status_code}).",
            "409 and 422: it saw a log that this one does not continue; run rapport audit verify. 403 and 404: it does not "
            "know this log's name and key.",
        )
    return answer.text


def _question(opened: Opened, note: bytes, signed: Checkpoint, seen: int) -> bytes:
    return ask_to_cosign(note, seen, consistency_proof(opened.tiles.subtree, seen, signed.size))


def _seen(anchors: Anchors, verifier_key: str, known: Witness) -> int:
    """Give the size of the newest checkpoint that this witness has cosigned; 0 if there is none."""
    cosigned = (
        open_checkpoint(each.note, verifier_key).size
        for each in anchors.all()
        if any(line.startswith(f"— {known.name} ") for line in split_note(each.note)[1])
    )
    return max(cosigned, default=0)


def _signed(opened: Opened) -> tuple[bytes, Checkpoint]:
    note = opened.tiles.read_checkpoint()
    if note is None:
        raise NotFound("There is no checkpoint yet.", "Start rapport serve; it signs within seconds.")
    return note, open_checkpoint(note, opened.signer.verifier)


def _post(address: str, body: bytes, media_type: str) -> httpx.Response:
    try:
        with httpx.Client(verify=make_context(), timeout=_TIMEOUT, follow_redirects=False) as http:
            answer = http.post(address, content=body, headers={"Content-Type": media_type})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"{address} cannot be reached ({type(error).__name__}).", "Check the address, and try again."
        ) from None
    if len(answer.content) > _LARGEST:
        raise Unavailable(f"{address} answered with more than {_LARGEST} bytes.", "Check the address.")
    return answer


def _tell(name: str, what: str, when: datetime) -> None:
    print(json.dumps({"checkpoint": name, "what": what, "when": when.isoformat()}))
