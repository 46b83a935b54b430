"""The shop's own order statuses, and which of them take stock.

Codes, ids and positions are those of X-Cart 5.4, observed.
"""

from .records import Status

PAYMENT = (
    (1, "Q", 10, "Awaiting payment"),
    (2, "A", 20, "Authorized"),
    (3, "PP", 30, "Partially Paid"),
    (4, "P", 40, "Paid"),
    (5, "D", 50, "Declined"),
    (6, "C", 60, "Cancelled"),
    (7, "R", 70, "Refunded"),
)
SHIPPING = (
    (1, "N", 10, "New"),
    (2, "P", 20, "Processing"),
    (3, "S", 30, "Shipped"),
    (4, "D", 40, "Delivered"),
    (5, "WND", 50, "Will Not Deliver"),
    (6, "R", 60, "Returned"),
    (7, "WFA", 70, "Waiting for approve"),
    (8, "NBA", 80, "New (Backordered)"),
    (9, "NF", 100, "Not finished"),
)
# The shop's table `order_status_properties` (X-Cart 5.4 and 5.5, observed) refers to statuses by row id: a status whose code
# or name was changed keeps its place in it, and one that the merchant added has none.
_PUT_BACK_ALWAYS = frozenset({5, 6})
_REFUNDED = 7
_KEEPS_REFUNDED = frozenset({3, 4})
# The letter of the payment transaction that goes with a payment status.
TRANSACTION_STATUS = {"Q": "W", "A": "W", "PP": "S", "P": "S", "D": "F", "C": "C", "R": "S"}


def table(rows) -> dict[int, Status]:
    """The rows as records by id."""
    return {row[0]: Status(*row) for row in rows}


def puts_back(payment: int | None, shipping: int | None) -> bool | None:
    """Whether an order with these statuses, by row id, has its units back on the shelf; None where the table has no row.

    Cancelled and declined always have; refunded has unless the shipping status is shipped or delivered. Without a row the
    shop moves nothing when an order comes to these statuses.
    """
    if payment in _PUT_BACK_ALWAYS:
        return True
    if payment is not None and payment > _REFUNDED:
        return None
    if payment != _REFUNDED or shipping in _KEEPS_REFUNDED:
        return False
    return True if shipping is not None and shipping <= SHIPPING[-1][0] else None


def mails_for(changes: dict[str, str | None]) -> list[tuple[str, tuple[str, ...]]]:
    """The mails a real change sends: each its subject and who gets it.

    `changes` maps "payment" or "shipping" to the new code. The general mail goes out only where none of the
    particular ones does. X-Cart 5.4, observed: shipped goes to the customer alone, the others to the shop as well.
    """
    particular = {"P": "order processed", "C": "order canceled", "D": "order failed"}
    mails = []
    if changes.get("shipping") == "S":
        mails.append(("order shipped", ("customer",)))
    if changes.get("payment") in particular:
        mails.append((particular[changes["payment"]], ("admin", "customer")))
    return mails or [("order changed", ("admin", "customer"))]
