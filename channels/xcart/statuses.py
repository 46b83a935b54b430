"""X-Cart's order statuses: the built-in ones, and how far along each is.

The codes are the same in both generations (5.4 and 5.5, observed); ``P``, ``D`` and ``R`` mean different things for payment
and for shipping. A merchant's own status has no code.
"""

from __future__ import annotations

from collections.abc import Sequence

from channels.base import Status
from errors import ShopRefused

PAYMENT = {
    "Q": "Awaiting payment",
    "A": "Authorized",
    "PP": "Partially paid",
    "P": "Paid",
    "D": "Declined",
    "C": "Cancelled",
    "R": "Refunded",
}
SHIPPING = {
    "N": "New",
    "P": "Processing",
    "S": "Shipped",
    "D": "Delivered",
    "WND": "Will not deliver",
    "R": "Returned",
    "WFA": "Waiting for approve",
    "NBA": "New, back-ordered",
}
NAMES = {"payment": PAYMENT, "shipping": SHIPPING}

_PROGRESS = {"NF": 0, "N": 1, "WFA": 1, "NBA": 1, "P": 2, "S": 3, "D": 4, "R": 5}
_SHIPPED = 3
CALLED_OFF = "WND"


def status_name(kind: str, code: str, external_id: str) -> str:
    """A name where the shop gives none."""
    return NAMES[kind].get(code) or code or f"Status {external_id}"


def chosen(statuses: Sequence[Status], wanted: str) -> Status:
    """The shipping status that a setting names, by its code, its id or its name, compared exactly. Raises ShopRefused:
    a status the shop does not have must never be sent, because the add-on then renames the order's present one."""
    shipping = [status for status in statuses if status.kind == "shipping"]
    for attribute in ("code", "external_id", "name"):
        for status in shipping:
            if wanted and getattr(status, attribute) == wanted:
                return status
    raise ShopRefused(
        f"The shop has no shipping status {wanted!r}.", "Choose another 'Processed order status' in the integration's settings."
    )


def stays(present: Status | None, target: Status) -> str:
    """Why an order must not be moved from one shipping status to another: a sentence, empty if it may be moved.

    A merchant's own status as target counts as shipped, because that is what the setting is for. One that the order has at
    present says nothing about how far it is, so it may be left. Codes are compared without regard to case, because a careless
    write of another program rewrites S to s for the whole shop (X-Cart 5.4, observed)."""
    if present is None:
        return ""
    code = present.code.upper()
    if present.external_id == target.external_id or (code and code == target.code.upper()):
        return f"The order is already marked {present.name}."
    if code == CALLED_OFF:
        return f"The shop has marked the order {present.name}; it was left so."
    reached, aimed = _PROGRESS.get(code), _PROGRESS.get(target.code.upper(), _SHIPPED)
    if reached is not None and reached >= aimed:
        return f"The order is already further along: {present.name}."
    return ""
