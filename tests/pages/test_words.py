"""The catalogues: complete for whatever respondents and clinicians read, and chosen as the reader asked."""

import dataclasses
import re
import tomllib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import plugin
from plugin import pages
from plugin.auditing.versions import WORDS
from plugin.pages.auditing import LogPage, render_log
from plugin.pages.caseload import render_caseload
from plugin.pages.engine import ROLE_NAMES
from plugin.pages.note import draft_text
from plugin.pages.patient import ScoreLine, summary_html
from plugin.pages.staff import DeskFrame, NormsPage, ResearchPage, render_norms, render_research
from plugin.pages.worded import Worded
from plugin.pages.words import DOMAINS, LANGUAGES, TRANSLATED, direction, translations
from plugin.research_settings import Research
from plugin.roles import STAFF
from plugin.verify import MEANING
from questionnaires.loader import CITED
from tests.pages import desks, samples

ROOT = Path(plugin.__file__).parent
LOCALES = ROOT / "locales"


TEMPLATES = ROOT / "pages" / "templates"
# Which pages speak from which catalogue; of parts.html the card with the scores uses one macro.
SPOKEN = {
    "respondent": sorted((TEMPLATES / "respondent").glob("*.html")),
    "trends": [
        TEMPLATES / "clinician" / f"{name}.html"
        for name in ("changed", "trend", "plot", "criterion", "findings", "sources", "tips", "unknown")
    ],
}
SPOKEN["clinician"] = [
    *(each for each in sorted((TEMPLATES / "clinician").iterdir()) if each not in SPOKEN["trends"]),
    *(TEMPLATES / "staff" / f"{name}.html" for name in ("frame", "desk", "caseload", "research")),
    *sorted((TEMPLATES / "public").glob("*.html")),
    TEMPLATES / "parts.html",
]
SPOKEN["staff"] = [
    *(each for each in sorted((TEMPLATES / "staff").glob("*.html")) if each not in SPOKEN["clinician"]),
    *sorted((TEMPLATES / "staff" / "audit").glob("*.html")),
]
# Words that are chosen in Python and shown to clinicians.
CHOSEN = [
    ROOT / "pages" / "delivery.py",
    ROOT / "pages" / "engine.py",
    ROOT / "cds" / "cards.py",
    *(
        ROOT / "routes" / f"{name}.py"
        for name in (
            "views",
            "trend_views",
            "absences",
            "schedule_notices",
            "desk",
            "relationships",
            "cds",
            "pressing",
        )
    ),
]
# What is said to respondents and of scores; then words that are chosen in Python and shown to auditors and administrators.
CHOSEN_IN = {
    "respondent": (ROOT / "routes" / "form_views.py",),
    "trends": (ROOT / "pages" / "sentences.py",),  # what is said of scores
}
CHOSEN_FOR_STAFF = [
    *(ROOT / "pages" / f"{name}.py" for name in ("auditing", "chain", "staff", "worded")),
    *(ROOT / "routes" / f"{name}.py" for name in ("administering", "inspecting", "reviewing")),
]
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
KEYWORDS |= {"_many": (1, 2), "many": (1, 2)}  # of the picture of a chain
OF_PARTS = {"%(value)s of %(high)s", "%(value)s (%(low)s to %(high)s)"}


@cache
def _messages(domain: str) -> frozenset[str | tuple[str, ...]]:
    """Extract every message of the templates that speak from a catalogue."""
    if domain == "told":
        return frozenset(_chosen((ROOT / "pages" / "reasons.py",)))
    if domain == "checks":
        others = (each for each in DOMAINS if each != "checks")
        return frozenset(_chosen((ROOT / "pages" / "checks.py",)).difference(*map(_messages, others)))
    found: set[str | tuple[str, ...]] = set(OF_PARTS) if domain == "trends" else set()
    for template in SPOKEN[domain]:
        for _, _, message, _ in babel_extract(BytesIO(template.read_bytes()), ("_", "ngettext"), (), {}):
            parts = (message,) if isinstance(message, str) else tuple(part for part in message or () if part)
            if parts:  # nothing where a variable is told
                found.add(parts[0] if len(parts) == 1 else parts)
    found |= _chosen(CHOSEN_IN.get(domain, ()))
    if domain == "clinician":
        # What the other catalogues say already is said once.
        found = (found | _chosen(CHOSEN)) - _messages("trends") - _messages("respondent")
    if domain == "staff":
        found |= _chosen(CHOSEN_FOR_STAFF) | {*MEANING.values(), *WORDS.values(), *CITED, "Description"}
        found -= _messages("clinician") | _messages("trends") | _messages("respondent")
    return frozenset(found)


def _chosen(modules: Iterable[Path]) -> set[str | tuple[str, ...]]:
    """Extract the messages that Python chooses."""
    found: set[str | tuple[str, ...]] = set()
    for module in modules:
        with module.open("rb") as source:
            for _, message, _, context in extract("python", source, KEYWORDS):
                if message:
                    found.add(f"{context}: {message}" if context else message)
    return found


def catalogue_of(language: str, domain: str) -> Catalog:
    with (LOCALES / language / "LC_MESSAGES" / f"{domain}.po").open("rb") as source:
        return read_po(source, locale=language)


def test_there_is_something_to_translate() -> None:
    assert {*SPOKEN, "told", "checks"} == set(DOMAINS)
    assert all(len(_messages(domain)) > 40 for domain in DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_message_that_its_pages_show(language: str, domain: str) -> None:
    catalogue = {
        f"{message.context}: {message.id}" if message.context else message.id: message
        for message in catalogue_of(language, domain)
        if message.id
    }
    assert set(catalogue) == _messages(domain)
    for message in catalogue.values():
        strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        assert all(strings), message.id
        assert not message.fuzzy


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_the_places_to_fill(language: str, domain: str) -> None:
    for message in catalogue_of(language, domain):
        if not message.id:
            continue
        sources = (message.id,) if isinstance(message.id, str) else tuple(message.id)
        strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        for source, string in zip(sources, strings, strict=True):
            assert _places(source) == _places(string)


def _places(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w+\}|%\(\w+\)\w", text))


def test_portuguese_speaks_to_the_young_as_the_forms_do() -> None:
    """The Check-in says "você"; words for "tu" around it would be another voice."""
    for message in (*catalogue_of("pt", "respondent"), *catalogue_of("pt", "told")):
        assert not re.search(r"\b(tu|teus?|tuas?|ti|te|contigo)\b", str(message.string), re.IGNORECASE), (
            message.id
        )


@pytest.mark.parametrize("language", ["es", "fr", "pt"])
def test_a_code_ends_at_a_time_of_day(language: str) -> None:
    ends = {"es": "hasta las", "fr": "jusqu’à", "pt": "até às"}
    assert translations(language).gettext("The code works once, until").endswith(ends[language])


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_line_of_french_begins_with_a_mark(domain: str) -> None:
    for message in catalogue_of("fr", domain):
        strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        assert not [each for each in strings if re.search(" [:;?!»]|« ", each)], message.id
        assert not [each for each in strings if re.search(r"(?<=\w)'", each)], message.id  # the curved one


def test_a_french_colon_that_a_page_sets_keeps_to_its_word() -> None:
    assert "Jeune\N{NO-BREAK SPACE}: 10 sur 24" in render_caseload(samples.caseload(), "fr")
    assert "Young person: 10 of 24" in render_caseload(samples.caseload(), "en")


def test_a_french_colon_before_a_reason_keeps_to_its_word_too() -> None:
    trend = samples.marked_trend()
    points = (dataclasses.replace(trend.series[0].points[0], value=None, absent="sans réponse"),)
    trend = dataclasses.replace(trend, series=(dataclasses.replace(trend.series[0], points=points),))
    page = samples.patient(language="fr", trend=trend, notes=samples.NOTES)
    assert "non calculé\N{NO-BREAK SPACE}: sans réponse" in pages.render_patient(page)
    assert 'data-who="Note pour le dossier\N{NO-BREAK SPACE}:"' in pages.render_patient(page)
    assert "non calculé\N{NO-BREAK SPACE}: sans réponse" in summary_html(page, "Mia")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("criterion", ["gumz-1sd", "gumz-2sd", "tukey", "any"])
def test_a_drafted_note_has_no_line_that_breaks_off(language: str, criterion: str) -> None:
    trend = dataclasses.replace(samples.marked_trend(), criterion=criterion)
    lines = draft_text(samples.patient(language=language, trend=trend)).splitlines()
    assert all(line == line.strip() and line[-1:] not in {",", "("} for line in lines)
    (rule,) = (line for line in lines if re.search("Gumz|Tukey|ACORN", line))
    assert rule.endswith(".")
    assert rule.count(". ") + rule.count(") ") >= 2  # the whole of it


@pytest.mark.parametrize(
    ("criterion", "repair"),
    [
        ("gumz-1sd", "one standard deviation of the best score, or the smallest fall"),
        ("gumz-2sd", "one standard deviation of the best score, or half the smallest fall"),
        ("tukey", "A repair is a return to that fence."),
        ("any", "A repair is a return to the best score."),
    ],
)
def test_what_a_repair_is_and_when_the_next_fall_is_looked_for_stand_with_the_rule(
    criterion: str, repair: str
) -> None:
    trend = dataclasses.replace(samples.marked_trend(), criterion=criterion, repair_within=2)
    shown = pages.render_patient(samples.patient(trend=trend))
    assert repair in shown
    assert "It counts within 2 sessions of a fall; until then" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_acts_at_the_command_line_is_told_in_the_readers_language(language: str) -> None:
    desk = dataclasses.replace(desks.DESK, language=language)
    shown = render_norms(dataclasses.replace(desks.NORMS, desk=desk))
    assert "operator " in shown
    assert ("at the command line" in shown) is (language == "en")


def test_a_french_semicolon_that_a_page_sets_keeps_to_its_word() -> None:
    shown = pages.render_patient(samples.patient(language="fr"))
    assert "\N{NO-BREAK SPACE}; 21 la fois précédente" in shown


def test_no_line_of_a_french_tip_begins_with_a_mark() -> None:
    shipped = tomllib.loads((ROOT / "tips_translated.toml").read_text(encoding="utf-8"))["fr"]
    assert len(shipped) > 10
    assert not [each for each in shipped.values() if re.search(r" [:;?!»]|« |(?<=\w)'", each)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_in_which_language_it_is(language: str) -> None:
    assert f'<html lang="{language}" dir="ltr">' in pages.render_fill(language)


def test_a_language_without_catalogue_gets_english_words_that_say_so() -> None:
    assert '<html lang="en"' in pages.render_fill("nl")


def test_a_region_gets_the_words_of_its_language() -> None:
    assert '<html lang="pt"' in pages.render_fill("pt-BR")


def test_attempts_are_counted_in_the_plural_of_the_language() -> None:
    assert (
        translations("fr").ngettext("%(num)d attempt left.", "%(num)d attempts left.", 0)
        == "Il reste %(num)d essai."
    )
    assert (
        translations("de").ngettext("%(num)d attempt left.", "%(num)d attempts left.", 2)
        == "Noch %(num)d Versuche."
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("nl,fr;q=0.5", "fr"),
        ("en;q=0.4, es;q=0.9", "es"),
        ("de;q=0, pt", "pt"),
        ("*;q=0.5", "en"),
        ("de;q=much", "en"),
        ("fr;q=nan, es", "es"),
    ],
)
def test_the_header_chooses_the_language(header: str | None, language: str) -> None:
    assert pages.choose_language(header) == language


@pytest.mark.parametrize(
    ("language", "expected"), [("ar", "rtl"), ("he-IL", "rtl"), ("es", "ltr"), ("", "ltr"), ("?", "ltr")]
)
def test_the_direction_follows_the_language(language: str, expected: str) -> None:
    assert direction(language) == expected


def test_a_language_is_named_in_itself() -> None:
    assert [pages.language_name(code) for code in ("es", "pt", "fr", "xx")] == [
        "Español",
        "Português",
        "Français",
        "xx",
    ]


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_on_the_clinicians_pages(language: str) -> None:
    english = {
        "Start a form",
        "Recent responses",
        "Notes for the record",
        "Hand over",
        "Scores over sessions",
        "Draft a note",
    }
    html = pages.render_patient(samples.patient(language=language, notes=samples.NOTES))
    assert f'<html lang="{language}"' in html
    assert [each for each in english if each in html] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_on_the_supervisors_page(language: str) -> None:
    html = render_caseload(samples.caseload(), language)
    assert [each for each in ("Needs a look", "Overdue", "Last answered", "Clinician<") if each in html] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_on_the_researchers_page(language: str) -> None:
    desk = DeskFrame(id="d", site="Clinic", csrf="c", places=(), patient=None, language=language)
    html = render_research(ResearchPage(desk, Research(Path("salt")), date(2026, 5, 20)))
    assert f'<html lang="{language}"' in html
    assert [each for each in ("What you get", "First day", "Make the export") if each in html] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_on_the_pages_of_administrators(language: str) -> None:
    desk = DeskFrame(id="d", site="Clinic", csrf="c", places=(), patient=None, language=language)
    html = render_norms(NormsPage(desk, "clinic", (), (), ()))
    assert f'<html lang="{language}"' in html
    assert [each for each in ("In use", "Nobody yet", "Who has answered") if each in html] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_on_the_pages_of_auditors(language: str) -> None:
    desk = DeskFrame(id="d", site="Clinic", csrf="c", places=(), patient=None, language=language)
    page = LogPage(
        desk, None, "", "key", None, None, 1, (), (), None, "an SQLite file that is opened read-only"
    )
    html = render_log(page)
    assert f'<html lang="{language}"' in html
    assert [each for each in ("Signed checkpoint", "Verify the ledger", "read-only") if each in html] == []


def test_words_of_a_form_say_their_language_where_it_is_not_the_readers() -> None:
    spoken = Worded("Ziele & Aufgaben", "de")
    response = dataclasses.replace(
        samples.responses()[0],
        instrument=spoken,
        scores=(ScoreLine(Worded("Gesamt", "de"), Decimal(3)), ScoreLine(Worded("Total", "en"), Decimal(4))),
    )
    series = dataclasses.replace(samples.trend().series[0], measure=spoken, scale_label=spoken)
    page = samples.patient(responses=(response,), trend=pages.Trend((series,)))
    html = pages.render_patient(page)
    assert '· <span lang="de">Ziele &amp; Aufgaben</span> ·' in html
    assert '<dt><span lang="de">Gesamt</span></dt>' in html
    assert "<dt>Total</dt>" in html
    assert '<b><span lang="de">Ziele &amp; Aufgaben</span></b> <span lang="de">' in html
    german = pages.render_patient(dataclasses.replace(page, language="de"))
    assert 'lang="de">Ziele' not in german
    arabic = dataclasses.replace(response, instrument=Worded("كيف نعمل معًا؟", "ar"))
    assert '· <span lang="ar" dir="rtl">كيف' in pages.render_patient(samples.patient(responses=(arabic,)))
    assert '<dt><span lang="en">Total</span></dt>' in german


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_role_that_a_site_gives_has_a_name_in_every_language(language: str) -> None:
    assert set(ROLE_NAMES) == {str(each) for each in STAFF}
    named = catalogue_of(language, "clinician")
    assert all((found := named.get(each)) and found.string for each in ROLE_NAMES.values())
