"""Measurements: medians and ratios of one run. Not part of the tests."""
