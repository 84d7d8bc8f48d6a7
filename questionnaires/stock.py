"""Loads the catalogue: the instruments of this package, those of a site's own, earlier versions, and the site's wording packs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from questionnaires.adopting import Manner
from questionnaires.catalogue import Catalogue
from questionnaires.errors import BadInstrument, BadWordingPack, Problem
from questionnaires.loader import DEFINITIONS, EARLIER, FORM, load_instrument, packs_of
from questionnaires.model import Instrument


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An instrument, or a wording pack, that cannot be used, and why; everything else works without it."""

    file: str
    problems: tuple[Problem, ...]
    wording: bool = False

    def __str__(self) -> str:
        return "\n".join(f"{self.file}: {problem}" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Stock:
    """The instruments that can be used, what was left out, and the earlier versions of those that can be used."""

    instruments: tuple[Instrument, ...]
    left_out: tuple[LeftOut, ...] = ()
    earlier: tuple[Instrument, ...] = ()


def load_catalogue(
    *, wording: Path | None = None, folders: tuple[Path, ...] = (), manner: Manner | None = None
) -> Catalogue:
    """Load every instrument; BadInstrument and BadWordingPack name file, linkId and remedy of what is broken.

    `folders` are the places of a site's own instruments (`find_forms` says what may stand there); `wording` holds packs as
    `<instrument>/<language>.json`. `load_stock` leaves out what is broken instead.
    """
    stock = load_stock(wording=wording, places=folders, manner=manner)
    for each in stock.left_out:
        raise (BadWordingPack if each.wording else BadInstrument)(each.file, each.problems)
    return Catalogue(stock.instruments, stock.earlier)


def load_stock(
    *, wording: Path | None = None, places: tuple[Path, ...] = (), manner: Manner | None = None
) -> Stock:
    """Load every instrument that can be used; what is broken is left out, and named with the reason.

    Of a bad wording pack only the pack is left out. Of two instruments with one id or canonical address the first counts.
    """
    loading = _Loading(wording)
    with as_file(files("questionnaires") / "instruments") as shipped:
        for form in find_forms(shipped):
            loading.add(form, None)
        for place in places:
            for form in _forms_or_nothing(place, loading.left_out):
                loading.add(form, manner or Manner())
    if wording is not None:
        loading.left_out += _find_stray_packs(wording, {each.id for each in loading.instruments})
    return Stock(tuple(loading.instruments), tuple(loading.left_out), tuple(loading.earlier))


class _Loading:
    """What was loaded so far, and what was left out."""

    def __init__(self, wording: Path | None) -> None:
        self._wording = wording
        self.instruments: list[Instrument] = []
        self.earlier: list[Instrument] = []
        self.left_out: list[LeftOut] = []

    def add(self, form: Path, manner: Manner | None) -> None:
        """Load one form and its earlier versions, or say in `left_out` why not."""
        try:
            loaded, left_out = _load_or_bare(form, self._wording, manner)
            self.left_out += left_out
            _check_distinct(loaded, self.instruments)
        except (BadInstrument, BadWordingPack) as bad:
            self.left_out.append(LeftOut(bad.file, bad.problems))
            return
        self.instruments.append(loaded)
        earlier, left_out = load_earlier(form, loaded, wording=self._wording, manner=manner)
        self.earlier += earlier
        self.left_out += left_out


def load_earlier(
    form: Path, now: Instrument, *, wording: Path | None = None, manner: Manner | None = None
) -> tuple[list[Instrument], list[LeftOut]]:
    """Load the earlier versions of an instrument that was loaded from `form`; gives what is none of them, too, with the reason.

    They stand in `earlier/` in its folder, or beside its file in `earlier/<name of the file>/`.
    """
    place = form / EARLIER if form.is_dir() else form.parent / EARLIER / form.stem
    found: list[Instrument] = []
    left_out: list[LeftOut] = []
    for version in find_forms(place) if place.is_dir() else ():
        try:
            loaded, bare = _load_or_bare(version, wording, manner, now.id)
            left_out += bare
            _check_earlier(loaded, now, found)
        except (BadInstrument, BadWordingPack) as bad:
            left_out.append(LeftOut(bad.file, bad.problems))
        else:
            found.append(loaded)
    return found, left_out


def _load_or_bare(
    form: Path, wording: Path | None, manner: Manner | None, earlier_of: str | None = None
) -> tuple[Instrument, list[LeftOut]]:
    """Load one form, without its packs if one of them is bad, which is given then."""
    try:
        return _load(form, wording, manner, earlier_of), []
    except BadWordingPack as bad:
        return _load(form, None, manner, earlier_of), [LeftOut(bad.file, bad.problems, wording=True)]


def _load(form: Path, wording: Path | None, manner: Manner | None, earlier_of: str | None) -> Instrument:
    if manner is None and (
        wording is None or not packs_of(wording, earlier_of or form.name, earlier=earlier_of is not None)
    ):
        return _load_shipped(form, earlier_of)
    return load_instrument(form, wording=wording, manner=manner, earlier_of=earlier_of)


@cache
def _load_shipped(form: Path, earlier_of: str | None = None) -> Instrument:
    """Load one of this package's own instruments; they stay as they are while a process runs."""
    return load_instrument(form, earlier_of=earlier_of)


def find_forms(place: Path) -> list[Path]:
    """Find the forms in a place, sorted by name.

    A place is a Questionnaire file, the folder of one instrument, or a folder of either. BadInstrument if there is no such
    place.
    """
    if place.is_file() or (place / FORM).is_file():
        return [place]
    if not place.is_dir():
        problem = Problem("There is no such folder or file", "Correct the path where the settings name it")
        raise BadInstrument(place, [problem])
    return sorted(each for each in place.iterdir() if (each / FORM).is_file() or _is_form(each))


def _is_form(path: Path) -> bool:
    return path.suffix == ".json" and path.name != DEFINITIONS and path.is_file()


def _forms_or_nothing(place: Path, left_out: list[LeftOut]) -> list[Path]:
    try:
        return find_forms(place)
    except BadInstrument as bad:
        left_out.append(LeftOut(bad.file, bad.problems))
        return []


def _find_stray_packs(wording: Path, known: set[str]) -> Iterator[LeftOut]:
    if not wording.is_dir():
        problem = Problem("There is no such folder", "Correct the setting `wording`")
        yield LeftOut(str(wording), (problem,), wording=True)
        return
    for place in sorted(wording.iterdir()):
        if place.is_dir() and place.name not in known:
            found = f"There is no instrument “{place.name}”"
            remedy = f"Name the folder after one of: {', '.join(sorted(known))}"
            yield LeftOut(str(place), (Problem(found, remedy),), wording=True)
        elif place.suffix == ".json":
            found = "It lies in no instrument's folder, so it words nothing"
            remedy = "Move it to <instrument>/<language>.json, as tasc-r-child/de.json"
            yield LeftOut(str(place), (Problem(found, remedy),), wording=True)


def _check_distinct(loaded: Instrument, others: Iterable[Instrument]) -> None:
    for other in others:
        for name in ("id", "canonical"):
            value = getattr(loaded, name)
            if value == getattr(other, name):
                remedy = "Give each its own; forms that are the same need to be there once only"
                problem = Problem(f"Another instrument has the {name} {value}", remedy)
                raise BadInstrument(loaded.file, [problem])


def _check_earlier(loaded: Instrument, now: Instrument, others: Iterable[Instrument]) -> None:
    """An earlier version has the form's address, a rater of its kind, and a version that no other has."""
    if loaded.url != now.url:
        found = f"It is {loaded.url}, not an earlier version of {now.url}"
        problem = Problem(found, "Keep here the file as it was before it changed")
    elif loaded.rater != now.rater:
        problem = Problem(
            f"It is answered by the {loaded.rater}, the form of today by the {now.rater}",
            "Give a form for somebody else an address of its own",
        )
    elif loaded.canonical in {now.canonical, *(each.canonical for each in others)}:
        found = f"Version {loaded.version} is there already"
        problem = Problem(found, "A form that changes needs a new version; keep each version once")
    else:
        return
    raise BadInstrument(loaded.file, [problem])
