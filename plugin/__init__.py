"""Rapport: therapeutic alliance, measured inside the electronic health record."""

__version__ = "0.1.0"
