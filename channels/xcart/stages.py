"""What X-Cart's two status codes together say about an order (X-Cart 5.4 code and 5.5 code: the same built-in codes)."""

from __future__ import annotations

from channels.facts import Stage
from channels.xcart.statuses import PAYMENT, SHIPPING
from errors import OrderCalledOff

SHIPPED = frozenset({"S", "D", "R"})
"""Shipped, delivered, returned: the goods have left."""

PUT_BACK = frozenset({"C", "D"})
"""Cancelled, declined: the shop puts the stock back itself, whatever the shipping status (X-Cart 5.4 and 5.5, observed)."""

REFUNDED = "R"
KEEPS_REFUNDED = frozenset({"S", "D"})
"""Shipped, delivered: with these a refunded order's units stay sold. With any other shipping status the shop puts them back
(X-Cart 5.4 and 5.5, observed: its table ``order_status_properties``)."""

CANCELLED_PAYMENT = PUT_BACK | {REFUNDED}
"""Cancelled, declined, refunded."""

CANCELLED_SHIPPING = frozenset({"WND"})
"""Will not deliver."""


def stage_of(payment_status: str, shipping_status: str) -> Stage:
    """``shipped``, ``cancelled`` or ``open``. An order that has left counts as shipped, whatever its payment status.

    Codes are compared without regard to case: X-Cart 5.4 rewrites S to s on a careless write (observed)."""
    if shipping_status.upper() in SHIPPED:
        return "shipped"
    if payment_status.upper() in CANCELLED_PAYMENT or shipping_status.upper() in CANCELLED_SHIPPING:
        return "cancelled"
    return "open"


def refuse_to_ship(payment_status: str) -> None:
    """Raises OrderCalledOff for an order that must not be marked as shipped: X-Cart would take the status S and mail the
    customer (5.5, observed)."""
    code = payment_status.upper()
    if code in CANCELLED_PAYMENT:
        raise OrderCalledOff(
            f"The shop shows the payment of this order as {PAYMENT[code].lower()}, so it was not marked as shipped there."
        )


def puts_back(payment_status: str, shipping_status: str) -> bool | None:
    """Whether the shop has put the units of an order with these statuses back on its shelf; None if that is not known.

    It is not known for a merchant's own status and for one whose code was changed: the shop's table goes by row, and no
    exchange shows that table."""
    payment, shipping = payment_status.upper(), shipping_status.upper()
    if payment in PUT_BACK:
        return True
    if payment not in PAYMENT:
        return None
    if payment != REFUNDED or shipping in KEEPS_REFUNDED:
        return False
    return True if shipping in SHIPPING else None
