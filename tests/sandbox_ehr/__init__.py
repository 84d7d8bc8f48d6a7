"""Tests of the sandbox EHR, through its HTTP interfaces."""
