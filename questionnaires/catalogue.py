"""The catalogue: finds an instrument by its id or by its canonical address and version, earlier versions included."""

from questionnaires.errors import UnknownQuestionnaire, UnversionedQuestionnaire
from questionnaires.model import Instrument, asks_alike


class Catalogue:
    """The instruments that are loaded; never changes.

    Of `earlier` versions no form is begun: they carry on and score what was begun by them.
    """

    __slots__ = ("_alike", "_by_canonical", "_by_id")

    def __init__(self, instruments: tuple[Instrument, ...], earlier: tuple[Instrument, ...] = ()) -> None:
        self._by_id = {instrument.id: instrument for instrument in instruments}
        self._by_canonical = {instrument.canonical: instrument for instrument in (*instruments, *earlier)}
        self._alike: dict[str, tuple[str, ...]] = {}  # found out once: pages ask for each of their scores

    def all(self) -> tuple[Instrument, ...]:
        """Give all instruments in the version that is begun, in the order in which they were loaded."""
        return tuple(self._by_id.values())

    def versions(self) -> tuple[Instrument, ...]:
        """Give all instruments, then their earlier versions."""
        return tuple(self._by_canonical.values())

    def by_id(self, instrument_id: str) -> Instrument:
        """Find an instrument by its id; UnknownQuestionnaire if there is none."""
        found = self._by_id.get(instrument_id)
        if found is None:
            known = ", ".join(sorted(self._by_id))
            raise UnknownQuestionnaire(f"There is no instrument “{instrument_id}”. Use one of: {known}.")
        return found

    def named(self, name: str) -> Instrument:
        """Find an instrument by its id, by its id with an earlier version (`id|version`), or by its address with the version."""
        versions = self.versions()
        found = next(
            (each for each in versions if name in (f"{each.id}|{each.version}", each.canonical)), None
        )
        return found or self.by_id(name)

    def find(self, canonical: str) -> Instrument | None:
        """Find an instrument by `url|version`; None if there is none."""
        return self._by_canonical.get(canonical)

    def nearest(self, canonical: str) -> Instrument | None:
        """Find the instrument of `url|version`, else one of another version of that url, else None: for names only."""
        return self._by_canonical.get(canonical) or self.latest(canonical)

    def latest(self, canonical: str) -> Instrument | None:
        """Find the instrument of a url, with or without a version, in the version that is begun; None if there is none."""
        url = canonical.partition("|")[0]
        return next((each for each in self._by_id.values() if each.url == url), None)

    def versions_of(self, canonical: str) -> tuple[str, ...]:
        """Give the addresses of all versions of a form that are here."""
        url = canonical.partition("|")[0]
        return tuple(each.canonical for each in self._by_canonical.values() if each.url == url)

    def alike(self, canonical: str) -> tuple[str, ...]:
        """Give the addresses of the versions that ask and count the same as one, the version of today first.

        They differ in nothing that an answer, a score or what is known of scores depends on.
        """
        if canonical not in self._alike:
            found = self.find(canonical)
            versions = self.versions_of(canonical) if found else (canonical,)
            self._alike[canonical] = tuple(
                each for each in versions if found is None or asks_alike(self._by_canonical[each], found)
            )
        return self._alike[canonical]

    def by_canonical(self, canonical: str) -> Instrument:
        """Find an instrument by `url|version`.

        UnversionedQuestionnaire if the version is left out: which key counts could not be told later.
        UnknownQuestionnaire if the catalogue has no such instrument, or not in this version.
        """
        found = self.find(canonical)
        if found is not None:
            return found
        url, _, version = canonical.partition("|")
        known = [each.version for each in self._by_canonical.values() if each.url == url]
        versions = ", ".join(sorted(known))
        if not known:
            raise UnknownQuestionnaire(
                f"There is no Questionnaire {url} here. Add its folder, or use another."
            )
        if version:
            raise UnknownQuestionnaire(f"{url} has no version {version} here. Known: {versions}.")
        raise UnversionedQuestionnaire(
            f"{url} comes without its version. Known: {versions}. Write it behind a bar: {url}|{known[0]}."
        )
