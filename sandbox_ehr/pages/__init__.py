"""The pages of the sandbox EHR: choosing a clinician, the list of patients, charts with their apps."""
