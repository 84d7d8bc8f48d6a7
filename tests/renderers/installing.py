"""The renderers from npm, pinned by package-lock.json, in `.tools/renderers` or where RAPPORT_RENDERERS says."""

import json
import os
import shutil
from pathlib import Path

from tests import npm

HERE = Path(__file__).parent
_ROOT = HERE.parents[1]
_FROM_HERE = ("lhc-forms.html", "lhc-forms.js", "smart-forms.html", "smart-forms.jsx")
_ESBUILD = [
    "node_modules/.bin/esbuild",
    "smart-forms.jsx",
    "--bundle",
    "--format=esm",
    "--jsx=automatic",
    "--minify",
    "--log-level=error",
    "--outfile=bundle/smart-forms.js",
    "--loader:.woff=dataurl",
    "--loader:.woff2=dataurl",
    '--define:process.env.NODE_ENV="production"',
]


def folder() -> Path:
    """Give where the renderers are installed."""
    return Path(os.environ.get("RAPPORT_RENDERERS") or _ROOT / ".tools" / "renderers")


def why_not() -> str | None:
    """Say why the renderers are not here; None if they are ready. Installs and bundles them where npm can."""
    if not npm.is_there():
        return "LHC-Forms and Smart Forms need Node.js and npm; they are not on this machine"
    place = folder()
    with npm.alone_in(place):
        if not npm.install(HERE, place):
            return "LHC-Forms and Smart Forms could not be installed: the npm registry did not answer"
        return _bundle(place)


def version_of(package: str) -> str:
    """Give the version of an installed package."""
    tree = json.loads((folder() / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
    return str(tree["version"])


def _bundle(place: Path) -> str | None:
    for name in _FROM_HERE:
        shutil.copy(HERE / name, place / name)
    run = npm.run(_ESBUILD, place)
    return f"Smart Forms could not be bundled: {run.stderr[-500:]}" if run.returncode else None


if __name__ == "__main__":  # ahead of the tests, while something else waits for a network
    print(why_not() or f"LHC-Forms and Smart Forms are in {folder()}")
