"""A simulated EHR (SMART authorization server, FHIR R4 store, charts) for demonstration and tests."""

from sandbox_ehr.app import create_app
from sandbox_ehr.errors import SandboxError
from sandbox_ehr.settings import Clock, EmbeddedApp, RegisteredClient, SandboxSettings

__all__ = ["Clock", "EmbeddedApp", "RegisteredClient", "SandboxError", "SandboxSettings", "create_app"]
