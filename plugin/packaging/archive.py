"""Packs resources as a FHIR NPM package, the same bytes for the same content: https://hl7.org/fhir/packages.html. Pure."""

import gzip
import hashlib
import io
import tarfile
from typing import Any

import msgspec

from questionnaires.datatypes import read_decimal

JsonObject = dict[str, Any]

_INDEX_VERSION = 2
_INDEXED = ("id", "url", "version", "kind", "type", "supplements", "content", "valueSet", "derivation")
_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")


def read_json(data: bytes) -> JsonObject:
    """Read a resource, its decimals as they are written."""
    tree: JsonObject = msgspec.json.Decoder(JsonObject, float_hook=read_decimal).decode(data)
    return tree


def write_json(tree: object) -> bytes:
    """Write JSON as the package holds it: keys sorted, two spaces, decimals as they are."""
    return msgspec.json.format(_encoder.encode(tree), indent=2) + b"\n"


def pack(
    manifest: JsonObject,
    resources: dict[str, JsonObject],
    examples: dict[str, JsonObject],
    others: dict[str, bytes],
) -> bytes:
    """Pack package.json, resources and examples (file name -> resource), each folder with its index; `others` as they are.

    `others` (path -> content) stand below `other/`, where FHIR servers do not look for definitions.

    The manifest gets the SHA-256 of every file, so that a package can be told from another of the same version.
    """
    files = {
        **{f"package/{name}": write_json(tree) for name, tree in resources.items()},
        **{f"package/example/{name}": write_json(tree) for name, tree in examples.items()},
        **{f"package/other/{name}": data for name, data in others.items()},
    }
    hashes = {name.removeprefix("package/"): _digest(data) for name, data in sorted(files.items())}
    files["package/package.json"] = write_json({**manifest, "rapport": {"sha256": hashes}})
    files["package/.index.json"] = write_json(build_index(resources))
    files["package/example/.index.json"] = write_json(build_index(examples))
    return _compress(files)


def build_index(resources: dict[str, JsonObject]) -> JsonObject:
    """Build `.index.json`, version 2."""
    rows = [
        {
            "filename": name,
            "resourceType": tree["resourceType"],
            **{key: tree[key] for key in _INDEXED if isinstance(tree.get(key), str)},
        }
        for name, tree in sorted(resources.items())
    ]
    return {"index-version": _INDEX_VERSION, "files": rows}


def _compress(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    # No name and no time in the gzip header; no owner, mode or time of this machine in the tar headers.
    with (
        gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        # package.json first: registries read it without unpacking the rest.
        for name in sorted(files, key=lambda each: (each != "package/package.json", each)):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    return out.getvalue()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
