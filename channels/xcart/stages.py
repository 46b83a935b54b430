"""What X-Cart's two status codes together say about an order (X-Cart 5.4 code and 5.5 code: the same built-in codes)."""

from __future__ import annotations

SHIPPED = frozenset({"S", "D", "R"})
"""Shipped, delivered, returned: the goods have left."""

CANCELLED_PAYMENT = frozenset({"C", "D", "R"})
"""Cancelled, declined, refunded. For C and D the shop puts the stock back itself (X-Cart 5.4 and 5.5, observed)."""

CANCELLED_SHIPPING = frozenset({"WND"})
"""Will not deliver."""


def stage_of(payment_status: str, shipping_status: str) -> str:
    """``shipped``, ``cancelled`` or ``open``. What has left the house counts as shipped whatever became of the money.

    Codes are compared without regard to case: X-Cart 5.4 rewrites S to s on a careless write (observed)."""
    if shipping_status.upper() in SHIPPED:
        return "shipped"
    if payment_status.upper() in CANCELLED_PAYMENT or shipping_status.upper() in CANCELLED_SHIPPING:
        return "cancelled"
    return "open"
