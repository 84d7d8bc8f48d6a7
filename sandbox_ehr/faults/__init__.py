"""Faults on purpose: what goes wrong, where, how often; a book of them, and the layer that makes them happen."""

from sandbox_ehr.faults.book import Fault, FaultBook, FaultKind, FaultSpec

__all__ = ["Fault", "FaultBook", "FaultKind", "FaultSpec"]
