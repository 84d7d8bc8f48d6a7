"""A folder that is there whole or not at all: written beside its place under another name, then renamed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plugin.errors import Conflict


def check_free(out: Path) -> None:
    """Conflict if something stands at `out`, or where its parts are written meanwhile."""
    if out.exists():
        raise Conflict(f"{out} exists already.", "Name a folder that does not exist yet with --out.")
    if _beside(out).exists():
        raise Conflict(
            f"{_beside(out)} exists already: an export that was broken off may have left it, with people's data in it.",
            "Look into it, and remove it if nobody is writing it, or name another folder with --out.",
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a new folder, which only its user may read, to be written; it stands at `out` if that ends well.

    Else it goes, and so do the folders above it that were made for it.
    """
    beside = _beside(out)
    above = [each for each in beside.parents if not each.exists()]
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.mkdir(mode=0o700)
    except FileExistsError:
        check_free(out)
        raise
    try:
        yield beside
        beside.rename(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):  # somebody else has written there meanwhile
            for each in above:
                each.rmdir()
        raise


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.part")
