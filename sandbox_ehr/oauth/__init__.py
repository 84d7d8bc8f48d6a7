"""The SMART App Launch 2.2 authorization server of the sandbox EHR, on authlib's server side."""
