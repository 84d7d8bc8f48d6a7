"""The instruments as a FHIR NPM package: what stands in it, how it is packed, and how it gets into a FHIR server."""
