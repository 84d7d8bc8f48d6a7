"""The languages of Rapport's own words: gettext catalogues, read from `plugin/locales`, and what follows from a language.

Instruments bring their own languages; these are the words around them. English is the source.
"""

from collections.abc import Sequence
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE_LANGUAGE = "en"
TRANSLATED = ("de", "es", "fr", "pt")
LANGUAGES = (SOURCE_LANGUAGE, *TRANSLATED)
DOMAINS = ("respondent", "trends", "clinician", "staff", "told", "checks")
"""What a respondent reads; what is said to clinicians about scores; all else that clinicians and supervisors read; what
auditors and administrators read; reasons; what checks find."""


@cache
def translations(language: str) -> NullTranslations:
    """Give the catalogue of one of LANGUAGES; a message that it lacks stays English."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    first, *others = (_catalogue(language, domain) for domain in DOMAINS)
    for each in others:
        first.add_fallback(each)
    return first


def N_(text: str) -> str:  # noqa: N802 -- gettext's own name for it
    """Mark words that are translated where they are shown."""
    return text


def _catalogue(language: str, domain: str) -> GNUTranslations:
    source = files("plugin") / "locales" / language / "LC_MESSAGES" / f"{domain}.po"
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source.read_bytes()), locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def interface_language(wanted: str) -> str:
    """Give the language of LANGUAGES nearest to a BCP 47 tag: `pt-BR` gets `pt`, what we lack gets English."""
    primary = wanted.replace("_", "-").split("-")[0].lower()
    return primary if primary in LANGUAGES else SOURCE_LANGUAGE


def colon(language: str) -> str:
    """Write a colon as a language sets it: in French behind a space that does not break."""
    return _set(":", language)


def semicolon(language: str) -> str:
    """Write a semicolon likewise."""
    return _set(";", language)


def _set(mark: str, language: str) -> str:
    return f"\N{NO-BREAK SPACE}{mark}" if language == "fr" else mark


def choose_language(accept_language: str | None, default: str = SOURCE_LANGUAGE) -> str:
    """Choose among LANGUAGES by an Accept-Language header (RFC 9110 section 12.5.4); `default` where none fits."""
    ranked = []
    for place, part in enumerate((accept_language or "").split(",")):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if tag and weight > 0:
            ranked.append((-weight, place, tag.strip()))
    for _, _, tag in sorted(ranked):
        if tag.split("-")[0].lower() in LANGUAGES:
            return interface_language(tag)
    return default


def look_up(wanted: str, offered: Sequence[str]) -> str | None:
    """Find the language that is offered for a BCP 47 tag: `es-MX` gets `es` (RFC 4647 section 3.4), `es` gets `es-419`."""
    known = {each.lower(): each for each in offered}
    parts = wanted.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        if (found := known.get("-".join(parts[:length]))) is not None:
            return found
    return next((known[each] for each in known if len(parts) == 1 and each.startswith(f"{parts[0]}-")), None)


def direction(language: str) -> str:
    """Give `rtl` or `ltr` for a BCP 47 tag."""
    locale = _locale(language)
    return "rtl" if locale is not None and locale.character_order == "right-to-left" else "ltr"


def language_name(code: str) -> str:
    """Name a language in itself, as a person who speaks it looks for it: `es` gives `Español`."""
    locale = _locale(code)
    name = locale.get_display_name() if locale is not None else None
    return name[0].upper() + name[1:] if name else code


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _locale(language: str) -> Locale | None:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return None
