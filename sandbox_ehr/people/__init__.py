"""The synthetic people of the sandbox: the same ones each time, with ages and visits relative to today."""

from sandbox_ehr.people.populate import populate

__all__ = ["populate"]
