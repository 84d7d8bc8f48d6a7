"""What Rapport says in English where it arises is told in the reader's language: each message that a clinician can meet."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import plugin
import smart_launch
from plugin.pages.retold import retell
from plugin.pages.words import TRANSLATED

ROOT = Path(plugin.__file__).parent
LAUNCH = Path(smart_launch.__file__).parent
# Where messages arise that pages of clinicians and respondents show; of others (interfaces, commands) none is.
MODULES = [
    *(ROOT / name for name in ("ehr.py", "scheduling.py", "plan.py")),
    *(ROOT / "access" / f"{name}.py" for name in ("gates", "invitations", "sessions", "throttle")),
    *(
        ROOT / "routes" / f"{name}.py"
        for name in (
            "carried",
            "errata",
            "hand_over",
            "notes",
            "patient",
            "remote",
            "smart",
            "state",
            "administering",
            "auditing",
            "inspecting",
            "parting",
            "reviewing",
        )
    ),
    *(
        ROOT / "delivery" / f"{name}.py"
        for name in ("account", "correcting", "flowsheet", "notes", "reacting", "send")
    ),
    *(ROOT / "auditing" / f"{name}.py" for name in ("chain", "reviews", "searching")),
    *(LAUNCH / f"{name}.py" for name in ("authorization", "discovery", "tokens", "wire")),
]
ERRORS = {
    *("NotSignedIn", "Forbidden", "NotFound", "Conflict", "InvitationUnusable", "Invalid", "TooManyAttempts"),
    *("EhrUnavailable", "OutcomeUnknown", "TokenRefused", "NotPermitted", "Elsewhere", "BadAnswer"),
    *("NoToken", "NoWriter", "ValueError", "held", "_set_aside", "Locked"),
    *(
        "LaunchRefused",
        "AddressRefused",
        "DiscoveryFailed",
        "NotOffered",
        "AnswerUnusable",
        "LaunchExpired",
        "StateMismatch",
        "TokenExpired",
        "UnknownIssuer",
    ),
}
FILLED = {
    "word": "read",
    "how": "broke off",
    "what": "Rapport could not work on it (KeyError)",
    "detail": "Rapport could not work on it (KeyError), 7 times in a row.",
}


def _words(node: ast.expr) -> str | None:
    """Give a literal message, its places filled; None for what is worded elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_words(each) or "" for each in parts)
        case ast.FormattedValue(value=ast.Name(id=name)):
            return FILLED.get(name, "7")
        case ast.FormattedValue():
            return "7"
    return None


def _messages() -> Iterator[str]:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                yield from filter(None, map(_words, node.args))


MESSAGES = sorted({each for each in _messages() if " " in each})


def test_there_are_messages_to_tell() -> None:
    assert len(MESSAGES) > 80


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_told_in_each_language(message: str) -> None:
    assert {retell(message, each) for each in TRANSLATED}.isdisjoint({message})


def test_english_stays() -> None:
    assert retell("The EHR cannot be reached.", "en") == "The EHR cannot be reached."


def test_what_others_worded_stays_as_it_is() -> None:
    assert retell("Falscher Patient; noch einmal", "de") == "Falscher Patient; noch einmal"


def test_the_codes_of_an_ehr_stay_within_the_sentence() -> None:
    told = retell("The EHR refused it (HTTP 422: invalid at Observation.code; required).", "de")
    assert told == "Die Krankenakte hat es abgelehnt (HTTP 422: invalid at Observation.code; required)."


def test_a_reason_within_a_reason_is_told_too() -> None:
    told = retell("Companion server: The EHR is too busy (HTTP 429).", "de")
    assert told == "Begleitserver: Die Krankenakte ist überlastet (HTTP 429)."


def test_each_of_several_is_told() -> None:
    several = (
        "Document: the EHR does not declare creation of DocumentReference. Kept in Rapport; "
        "Observation/17: somebody changed it meanwhile; read again, then corrected; "
        "Provenance: not accepted here, kept in Rapport"
    )
    assert retell(several, "de") == (
        "Dokument: die Krankenakte gibt nicht an, dass DocumentReference angelegt werden kann. "
        "In Rapport aufbewahrt; Observation/17: inzwischen von jemandem geändert; erneut gelesen, dann korrigiert; "
        "Provenance: hier nicht angenommen, in Rapport aufbewahrt"
    )


def test_what_is_said_of_something_named_is_told() -> None:
    told = "Flowsheet: Entered in error before it was sent: it does not stand in the record"
    assert (
        retell(told, "de")
        == "Verlaufstabelle: Vor dem Senden als irrtümlich gekennzeichnet: Es steht nicht in der Akte"
    )
