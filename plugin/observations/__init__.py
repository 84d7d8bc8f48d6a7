"""What the record will say: a panel, its scores, and their Provenance."""

from plugin.observations.build import Results, build_bundle, build_results

__all__ = ["Results", "build_bundle", "build_results"]
