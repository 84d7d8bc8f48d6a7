"""The package of the shipped instruments, built once for all tests that only read it."""

from functools import cache

from plugin.packaging.build import Package, build_package


@cache
def built() -> Package:
    """Build it the first time; nobody changes what is in it. That building again gives the same is tested in test_build."""
    return build_package()
