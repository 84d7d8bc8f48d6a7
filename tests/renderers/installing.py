"""The renderers from npm, pinned by package-lock.json, in `.tools/renderers` or where RAPPORT_RENDERERS says."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
_ROOT = HERE.parents[1]
_SECONDS = 600
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
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "LHC-Forms and Smart Forms need Node.js and npm; they are not on this machine"
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several processes share the folder
        return _install(place) or _bundle(place)


def version_of(package: str) -> str:
    """Give the version of an installed package."""
    tree = json.loads((folder() / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
    return str(tree["version"])


def _install(place: Path) -> str | None:
    wanted = (HERE / "package-lock.json").read_bytes()
    done = place / "installed.json"
    if done.is_file() and done.read_bytes() == wanted:
        return None
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, place / name)
    run = _run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], place)
    if run.returncode:
        return "LHC-Forms and Smart Forms could not be installed: the npm registry did not answer"
    done.write_bytes(wanted)
    return None


def _bundle(place: Path) -> str | None:
    for name in _FROM_HERE:
        shutil.copy(HERE / name, place / name)
    run = _run(_ESBUILD, place)
    return f"Smart Forms could not be bundled: {run.stderr[-500:]}" if run.returncode else None


def _run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=place, check=False, capture_output=True, text=True, timeout=_SECONDS)
