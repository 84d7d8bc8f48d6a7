"""Rapport's own read-only FHIR interface: everything that is kept of a patient, whatever the EHR took of it."""
