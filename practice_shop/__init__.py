"""A practice shop: an HTTP server that behaves as an observed X-Cart does, for learning, testing and measuring."""

from .shop import FULL_KEY, READ_KEY, PracticeShop
from .store import Store

__all__ = ["FULL_KEY", "READ_KEY", "PracticeShop", "Store"]
