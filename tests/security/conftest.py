"""The world of the product's tests serves here too."""

from tests.product.conftest import world

__all__ = ["world"]
