"""The FHIR R4 API of the sandbox EHR: store, search, transactions, and what a token may see of them."""
