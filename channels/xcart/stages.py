"""What X-Cart's two status codes together say about an order (X-Cart 5.4 code and 5.5 code: the same built-in codes)."""

from __future__ import annotations

SHIPPED = frozenset({"S", "D", "R"})
"""Shipped, delivered, returned: the goods have left."""

PUT_BACK = frozenset({"C", "D"})
"""Cancelled, declined: the shop puts the stock back itself, shipped or not (X-Cart 5.4 and 5.5, observed)."""

CANCELLED_PAYMENT = PUT_BACK | {"R"}
"""Cancelled, declined, refunded."""

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


def puts_back(payment_status: str) -> bool:
    """Whether the shop has put the units of an order with this payment status back on its shelf."""
    return payment_status.upper() in PUT_BACK
