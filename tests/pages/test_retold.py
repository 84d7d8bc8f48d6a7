"""What Rapport says in English where it arises is told in the reader's language: each message that a clinician can meet."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import plugin
import smart_launch
from plugin.doctor.vendors import load_vendors
from plugin.pages.caseload import render_caseload
from plugin.pages.checks import FLAWS
from plugin.pages.retold import retell, retell_finding, retell_place
from plugin.pages.words import TRANSLATED, translations
from plugin.verify import Flaw
from tests.pages import samples

ROOT = Path(plugin.__file__).parent
LAUNCH = Path(smart_launch.__file__).parent
# Where messages arise that pages of clinicians and respondents show; of others (interfaces, commands) none is.
MODULES = [
    *(ROOT / name for name in ("ehr.py", "errors.py", "scheduling.py", "plan.py")),
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
            "research",
            "reviewing",
        )
    ),
    *(
        ROOT / "delivery" / f"{name}.py"
        for name in ("account", "correcting", "flowsheet", "notes", "reacting", "send")
    ),
    *(ROOT / "researching" / f"{name}.py" for name in ("accounting", "reading")),
    *(ROOT / "auditing" / f"{name}.py" for name in ("chain", "reviews", "searching")),
    *(LAUNCH / f"{name}.py" for name in ("authorization", "discovery", "tokens", "wire")),
]
ERRORS = {
    *("NotSignedIn", "Forbidden", "NotFound", "Conflict", "InvitationUnusable", "Invalid", "TooManyAttempts"),
    *("EhrUnavailable", "OutcomeUnknown", "TokenRefused", "NotPermitted", "Elsewhere", "BadAnswer"),
    *("NoToken", "NoWriter", "ValueError", "held", "_set_aside", "Locked", "kind", "stated_reason"),
    *(
        "LaunchRefused",
        "AddressRefused",
        "DiscoveryFailed",
        "RecordUnreadable",
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


# What is found by checks that pages show: every sentence there, however it is passed on.
CHECKS = [
    *sorted((ROOT / "verify").glob("*.py")),
    *sorted((ROOT / "comparing").glob("*.py")),
    *sorted((ROOT / "doctor").glob("*.py")),
    *(ROOT / "transparency" / f"{name}.py" for name in ("proofs", "tiles")),
    ROOT / "collecting" / "take.py",
    ROOT / "delivery" / "ways.py",
    *(LAUNCH / f"{name}.py" for name in ("identity", "introspection", "issuer_keys", "revocation")),
    LAUNCH / "token_answer.py",
]
# Places of their sentences, by what is written there; any other place holds a number or a name.
HELD = {
    "state": "refused",
    "expected.account.state": "refused",
    "row.d_state": "refused",
    "stands": "no response came of it",
    "name": "configurations",
    "word": "drawn",
    "version": "version 2",
    "named": "another person as having answered",
    "role": "author",
    "PLAN": "PlanDefinition",
    "PLAN_SCOPE": "user/PlanDefinition.rs",
    "'read' if place.id else 'searched by url'": "read",
    "_WORDS[authentication]": "a secret",
}
IN_MODULE = {
    ("verifier.py", "name"): "identifier",
    ("signing_in.py", "named"): "token",
    ("introspection.py", "what"): "is not an introspection response",
    ("token_answer.py", "what"): "is not a token response",
    ("take.py", "kind"): "It does not fit its form",
}
# A product's name with its version is no sentence; the others are of commands, no page shows them.
NOT_TOLD = {
    "7, FHIR 7.",
    "An entry of the log is longer than 65535 bytes.",
    "Rapport cannot be used with this address as it is.",
}


def _filled(node: ast.expr, module: str) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_filled(each, module) or "" for each in parts)
        case ast.FormattedValue(value=value):
            written = ast.unparse(value)
            return IN_MODULE.get((module, written)) or HELD.get(written, "7")
    return None


def _sentences() -> Iterator[str]:
    for module in CHECKS:
        nodes = [*ast.walk(ast.parse(module.read_text(encoding="utf-8")))]
        within = {id(each) for node in nodes if isinstance(node, ast.JoinedStr) for each in node.values}
        within |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        for node in nodes:
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in within:
                text = _filled(node, module.name)
                if text is not None and re.fullmatch(r"[A-Z0-9].* .*\.", text, re.DOTALL):
                    yield text


SENTENCES = sorted({*_sentences()} - NOT_TOLD)


def _is_told(text: str, language: str) -> bool:
    """Tell whether a sentence is in a catalogue: as a whole, or as a meaning or verdict that a page passes to gettext."""
    return retell(text, language) != text or translations(language).gettext(text) != text


def test_checks_have_sentences_to_tell() -> None:
    assert len(SENTENCES) > 250


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_a_check_finds_is_told_in_each_language(sentence: str) -> None:
    assert [each for each in TRANSLATED if not _is_told(sentence, each)] == []


def test_what_is_known_of_vendors_is_told() -> None:
    said = [
        text
        for each in load_vendors()
        for text in (each.note, each.once, *each.questions)
        if text is not None
    ]
    assert len(said) > 12
    assert [text for text in said for each in TRANSLATED if not _is_told(text, each)] == []


def test_every_flaw_has_a_name_in_words() -> None:
    assert set(FLAWS) == {str(each) for each in Flaw}
    assert all(
        translations(language).gettext(name) != name for language in TRANSLATED for name in FLAWS.values()
    )


def test_a_finding_says_where_in_the_language_too() -> None:
    found = "response 5e2a, version 2, bond (Observation/7): It was delivered, and does not stand in the EHR."
    assert retell_finding(found, "de") == (
        "Antwort 5e2a, Fassung 2, bond (Observation/7): Es wurde zugestellt und steht nicht in der Krankenakte."
    )


def test_a_place_that_is_not_known_stays_as_it_is() -> None:
    assert retell_place("manifest.json", "de") == "manifest.json"


def test_a_state_is_told_within_a_finding() -> None:
    told = retell("It counts as set-aside, and no attempt ended so.", "de")
    assert told == "Es gilt als „zurückgestellt“, und kein Versuch ist so ausgegangen."


def test_what_a_token_may_is_told() -> None:
    told = retell("read, search Patient that the system may reach", "fr")
    assert told == "lire, rechercher\N{NO-BREAK SPACE}: Patient auxquels le système a accès"


@pytest.mark.parametrize("why", ["the EHR is slow", "the sign-in to the EHR has ended"])
def test_why_a_supervisor_sees_no_names_is_told(why: str) -> None:
    html = {
        each: render_caseload(replace(samples.caseload(), names_missing=why), each) for each in TRANSLATED
    }
    assert [each for each, page in html.items() if why in page] == []


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
