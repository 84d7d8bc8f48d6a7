"""Loads the catalogue: the instruments of this package, those of a site's own, earlier versions, and the site's wording packs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from questionnaires.adopting import Manner, name_of
from questionnaires.catalogue import Catalogue
from questionnaires.errors import BadInstrument, BadWordingPack, Problem
from questionnaires.loader import DEFINITIONS, EARLIER, FORM, load_instrument, packs_of
from questionnaires.model import Instrument
from questionnaires.packs import version_of


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
    *,
    wording: Path | None = None,
    places: tuple[Path, ...] = (),
    manner: Manner | None = None,
    retired: tuple[tuple[str, Path], ...] = (),
) -> Stock:
    """Load every instrument that can be used; what is broken is left out, and named with the reason.

    Of a bad wording pack only the pack is left out. Of two instruments with one id or canonical address the first counts.
    `retired` are files of earlier versions that stand elsewhere, with the ids of their forms.
    """
    loading = _Loading(wording)
    with as_file(files("questionnaires") / "instruments") as shipped:
        for form in find_forms(shipped):
            loading.add(form, None)
        for place in places:
            forms = _forms_or_nothing(place, loading.left_out)
            for form in forms:
                loading.add(form, manner or Manner())
            loading.add_rest(place, forms, manner or Manner())
        for name, form in retired:
            now = next((each for each in loading.instruments if each.id == name), None)
            loading.take(load_versions([form], name, now, wording=wording, manner=manner or Manner()), now)
    if wording is not None:
        loading.left_out += _find_stray_packs(wording, loading.instruments, loading.earlier)
    return Stock(tuple(loading.instruments), tuple(loading.left_out), tuple(loading.earlier))


class _Loading:
    """What was loaded so far, and what was left out."""

    def __init__(self, wording: Path | None) -> None:
        self._wording = wording
        self.instruments: list[Instrument] = []
        self.earlier: list[Instrument] = []
        self.left_out: list[LeftOut] = []

    def add(self, form: Path, manner: Manner | None) -> None:
        """Load one form and its earlier versions, or say in `left_out` why not. These go on even if it is broken."""
        now: Instrument | None = None
        try:
            now, left_out = _load_or_bare(form, self._wording, manner)
            self.left_out += left_out
            _check_distinct(now, self.instruments)
        except (BadInstrument, BadWordingPack) as bad:
            self.left_out.append(LeftOut(bad.file, bad.problems))
            if now is not None:
                return  # what has its name goes on instead
        else:
            self.instruments.append(now)
        self.take(load_earlier(form, now, wording=self._wording, manner=manner), now)

    def take(self, versions: tuple[list[Instrument], list[LeftOut]], now: Instrument | None) -> None:
        """Take the earlier versions of a form; those of another form are left out."""
        earlier, left_out = versions
        self.left_out += left_out
        for each in earlier:
            other = next((one for one in self.instruments if one is not now and one.url == each.url), None)
            if other is not None:
                found = f"It is an earlier version of {other.id}"
                remedy = f"Move it to {EARLIER}/{other.id}/ beside that form"
            elif any(one.canonical == each.canonical for one in self.earlier):
                found, remedy = (
                    f"Version {each.version} of {each.url} is there already",
                    "Keep each version once",
                )
            else:
                self.earlier.append(each)
                continue
            self.left_out.append(LeftOut(each.file, (Problem(found, remedy),)))

    def add_rest(self, place: Path, forms: list[Path], manner: Manner) -> None:
        """Load what stands in `earlier/` of a place for none of its forms: those that are begun no more."""
        folder = place / EARLIER
        if place in forms or not place.is_dir():
            return
        for each in _entries(place, self.left_out):
            if each not in forms and each != folder and _may_be_folder(each / EARLIER):
                self.take(load_earlier(each, None, wording=self._wording, manner=manner), None)
        if not _may_be_folder(folder):
            return
        names = {each.name if each.is_dir() else each.stem for each in forms}
        for each in _entries(folder, self.left_out):
            if each.is_dir() and each.name not in names:
                form = place / f"{each.name}.json"
                self.take(load_earlier(form, None, wording=self._wording, manner=manner), None)
            elif each.suffix == ".json" and not each.is_dir():
                problem = Problem(
                    "It stands beside the folders of the forms", f"Move it to {EARLIER}/<name of the form>/"
                )
                self.left_out.append(LeftOut(str(each), (problem,)))


def load_earlier(
    form: Path, now: Instrument | None, *, wording: Path | None = None, manner: Manner | None = None
) -> tuple[list[Instrument], list[LeftOut]]:
    """Load the earlier versions of an instrument; gives what is none of them, too, with the reason.

    They stand in `earlier/` in its folder, or in `earlier/<its name>/` beside it. `now` is the version of today, None where
    there is none that works.
    """
    name = form.name if form.is_dir() else form.stem
    left_out: list[LeftOut] = []
    versions: list[Path] = []
    for place in (form.parent / EARLIER / name, form / EARLIER):
        versions += _forms_or_nothing(place, left_out) if _may_be_folder(place) else []
    instrument_id = now.id if now else name if form.is_dir() else name_of(name)
    found, others = load_versions(versions, instrument_id, now, wording=wording, manner=manner)
    return found, left_out + others


def load_versions(
    versions: list[Path], name: str, now: Instrument | None, *, wording: Path | None, manner: Manner | None
) -> tuple[list[Instrument], list[LeftOut]]:
    """Load files as earlier versions of the form that has this id, as `load_earlier` does."""
    found: list[Instrument] = []
    left_out: list[LeftOut] = []
    for version in versions:
        try:
            loaded, bare = _load_or_bare(version, wording, manner, name)
            left_out += bare
            _check_earlier(loaded, now or loaded, found, is_there=now is not None)
        except (BadInstrument, BadWordingPack) as bad:
            left_out.append(LeftOut(bad.file, bad.problems))
        else:
            found.append(loaded)
    return found, left_out


def _may_be_folder(place: Path) -> bool:
    """Tell whether there is a folder; also if it cannot be told, which is named where it is read."""
    try:
        return place.is_dir()
    except OSError:
        return True


def _entries(folder: Path, left_out: list[LeftOut]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        problem = Problem(f"The folder cannot be read: {error.strerror}", "Let Rapport's user read it")
        left_out.append(LeftOut(str(folder), (problem,)))
        return []


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
    try:
        if place.is_file() or (place / FORM).is_file():
            return [place]
        if place.is_dir():
            entries = sorted(each for each in place.iterdir() if each.name != EARLIER)
            return [each for each in entries if (each / FORM).is_file() or _is_form(each)]
    except OSError as error:
        problem = Problem(f"The folder cannot be read: {error.strerror}", "Let Rapport's user read it")
    else:
        problem = Problem("There is no such folder or file", "Correct the path where the settings name it")
    raise BadInstrument(place, [problem])


def _is_form(path: Path) -> bool:
    return path.suffix == ".json" and path.name != DEFINITIONS and path.is_file()


def _forms_or_nothing(place: Path, left_out: list[LeftOut]) -> list[Path]:
    try:
        return find_forms(place)
    except BadInstrument as bad:
        left_out.append(LeftOut(bad.file, bad.problems))
        return []


def _find_stray_packs(
    wording: Path, instruments: list[Instrument], earlier: list[Instrument]
) -> Iterator[LeftOut]:
    known = {each.id for each in (*instruments, *earlier)}
    if not wording.is_dir():
        problem = Problem("There is no such folder", "Correct the setting `wording`")
        yield LeftOut(str(wording), (problem,), wording=True)
        return
    for place in sorted(wording.iterdir()):
        if place.is_dir() and place.name not in known:
            found = f"There is no instrument “{place.name}”"
            remedy = f"Name the folder after one of: {', '.join(sorted(known))}"
            yield LeftOut(str(place), (Problem(found, remedy),), wording=True)
        elif place.is_dir():
            kept = {each.version for each in earlier if each.id == place.name}
            for pack in packs_of(wording, place.name, earlier=True):
                if version_of(pack) not in kept:
                    found = f"It is for no version of “{place.name}” that is kept here"
                    remedy = f"Name its version, and keep the form of it in {EARLIER}/"
                    yield LeftOut(str(pack), (Problem(found, remedy),), wording=True)
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


def _check_earlier(
    loaded: Instrument, now: Instrument, others: Iterable[Instrument], *, is_there: bool
) -> None:
    """An earlier version has the form's address, a rater of its kind, and a version that no other has."""
    if loaded.url != now.url:
        found = f"It is {loaded.url}, not an earlier version of {now.url}"
        problem = Problem(found, "Keep here the file as it was before it changed")
    elif loaded.rater != now.rater:
        problem = Problem(
            f"It is answered by the {loaded.rater}, the form of today by the {now.rater}",
            "Give a form for somebody else an address of its own",
        )
    elif loaded.canonical in {*([now.canonical] if is_there else []), *(each.canonical for each in others)}:
        found = f"Version {loaded.version} is there already"
        problem = Problem(found, "A form that changes needs a new version; keep each version once")
    else:
        return
    raise BadInstrument(loaded.file, [problem])
