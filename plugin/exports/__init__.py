"""An export of a period for an auditor: written from the ledger, verified on any machine without it."""

from plugin.exports.check import ExportVerifier
from plugin.exports.manifest import Manifest, Period, read_manifest
from plugin.exports.write import Exporter

__all__ = ["ExportVerifier", "Exporter", "Manifest", "Period", "read_manifest"]
