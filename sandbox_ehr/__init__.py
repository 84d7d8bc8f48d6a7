"""A simulated EHR (SMART authorization server, FHIR R4 store, charts) for demonstration and tests."""
