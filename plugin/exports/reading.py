"""Reads the files of an export line by line, and holds each sheet against its NDJSON on the way."""

from collections import deque
from collections.abc import Iterable, Iterator
from io import SEEK_CUR, BytesIO
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import msgspec

from plugin.exports import sheets
from plugin.exports.rows import Line
from plugin.verify import Finding, Flaw
from questionnaires.datatypes import read_decimal

_LOOK_AHEAD = 4  # responses: so far apart two files may be, and are still read side by side
_decoder = msgspec.json.Decoder(Line, float_hook=read_decimal)  # 1.50 stays 1.50


class Lines:
    """The lines of one kind. What cannot be read, and where the sheet says something else, is added to `findings`."""

    def __init__(self, folder: Path, sheet: str, findings: list[Finding]) -> None:
        self._ndjson, self._csv = folder / f"{sheet}.ndjson", folder / f"{sheet}.csv"
        self.sheet, self._findings = sheet, findings
        self.number = 0

    @property
    def where(self) -> str:
        """The line that was read last."""
        return f"{self._ndjson.name} line {self.number}"

    def __iter__(self) -> Iterator[Line]:
        if not self._ndjson.is_file():
            return
        with self._ndjson.open("rb") as file, self._open_csv() as csv:
            whole = self._same(csv, "its head", (sheets.header(self.sheet),))
            for text in file:
                self.number += 1
                try:
                    line = _decoder.decode(text)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self._tell(Flaw.ALTERED, self.where, "It cannot be read.")
                    whole = False
                    continue
                whole = whole and self._same(csv, f"row {self.number}", self._rows(line))
                yield line
            if whole and csv.read(1):
                self._tell(Flaw.FILE, self._csv.name, "It has more rows than the NDJSON has lines.")

    def _open_csv(self) -> BinaryIO:
        return self._csv.open("rb") if self._csv.is_file() else BytesIO()

    def _rows(self, line: Line) -> Iterator[bytes]:
        """Give how a line may stand in its sheet; how exports of before have it is asked for only if it stands otherwise."""
        yield sheets.row(self.sheet, line)
        if self.sheet == "audit":
            yield sheets.row_of_before(self.sheet, line)

    def _same(self, csv: BinaryIO, what: str, expected: Iterable[bytes]) -> bool:
        # Behind the first difference rows are not where they should be: the others are not compared.
        for each in expected:
            found = csv.read(len(each))
            if found == each:
                return True
            csv.seek(-len(found), SEEK_CUR)
        self._tell(Flaw.FILE, f"{self._csv.name}, {what}", f"It is not what {self._ndjson.name} says.")
        return False

    def _tell(self, flaw: Flaw, where: str, what: str) -> None:
        self._findings.append(Finding(flaw, where, what))


class Grouped:
    """Lines that belong to responses, taken response by response in their order."""

    def __init__(self, lines: Lines) -> None:
        self._groups = (
            (str(response), list(group))
            for response, group in groupby(lines, key=lambda line: line.get("response"))
        )
        self._ahead: deque[tuple[str, list[Line]]] = deque()

    def take(self, response: str) -> tuple[list[Line], list[tuple[str, list[Line]]]]:
        """Give the lines of a response, and groups before them that nobody asked for."""
        while len(self._ahead) < _LOOK_AHEAD:
            following = next(self._groups, None)
            if following is None:
                break
            self._ahead.append(following)
        place = next((at for at, (found, _) in enumerate(self._ahead) if found == response), None)
        if place is None:
            return [], []
        skipped = [self._ahead.popleft() for _ in range(place)]
        return self._ahead.popleft()[1], skipped

    def rest(self) -> Iterator[tuple[str, list[Line]]]:
        """Give what nobody asked for."""
        yield from self._ahead
        self._ahead.clear()
        yield from self._groups
