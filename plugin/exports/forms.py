"""The forms that go with an export, so that its scores can be computed again where they are not installed."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from plugin.exports.administrations import Scoring
from plugin.exports.manifest import Form
from plugin.scores import Key, compile_key
from plugin.scores.errors import BadExpression
from questionnaires import BadInstrument, Catalogue, Instrument, Manner, Rater, load_instrument

FORMS = "forms"
_FORM, _DEFINITIONS = "questionnaire.json", "observation-definitions.json"


def copy_forms(
    folder: Path, named: Iterable[tuple[str, str]], catalogue: Catalogue, keys: Mapping[str, Key]
) -> tuple[tuple[Form, ...], Scoring]:
    """Copy the forms that responses name (address, content hash), without any site's wording packs.

    One that is not installed as it was is left out: its scores cannot be computed again from the export alone.
    """
    forms: list[Form] = []
    scoring: Scoring = {}
    for canonical, content_hash in named:
        nearest = catalogue.nearest(canonical)
        if nearest is None or (nearest.canonical, nearest.content_hash) != (canonical, content_hash):
            continue
        place = f"{FORMS}/{len(forms) + 1}/{nearest.id}"
        if _copy(nearest, folder / place):
            rater = str(nearest.rater) if nearest.own else None
            forms.append(Form(canonical, content_hash, place, nearest.own, rater))
            scoring[content_hash] = (nearest, keys[canonical])
    return tuple(forms), scoring


def open_form(folder: Path, form: Form, base: str) -> tuple[Instrument, Key] | None:
    """Load a form of an export and compile its key; None if it is not the one that its hash names, or not usable."""
    manner = Manner(Rater(form.rater) if form.rater else None, {}, base) if form.own else None
    try:
        instrument = load_instrument(folder / form.folder, manner=manner)
        if (instrument.canonical, instrument.content_hash) != (form.canonical, form.content_hash):
            return None
        return instrument, compile_key(instrument)
    except (BadInstrument, BadExpression, OSError, ValueError):
        return None


def _copy(instrument: Instrument, target: Path) -> bool:
    form = Path(instrument.file)
    definitions = form.parent / _DEFINITIONS
    contents = {_FORM: form.read_bytes()}
    if definitions.is_file():
        contents[_DEFINITIONS] = definitions.read_bytes()
    if f"sha256:{hashlib.sha256(b''.join(contents.values())).hexdigest()}" != instrument.content_hash:
        return False  # changed on disk since it was loaded
    target.mkdir(parents=True)
    for name, content in contents.items():
        (target / name).write_bytes(content)
    return True
