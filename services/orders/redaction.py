"""Orders for readers who may not see customers: personal data is removed from the copy that is shown.

services/order_basics/columns.py lists the columns with personal data; services/operations/privacy.py erases the same ones for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import set_committed_value

from extensions import db
from models import Order, Shipment, ShopTask, WriteBack
from services.order_basics.columns import WITHOUT_CUSTOMER

WITHOUT_TRACKING: dict[type, dict[str, Any]] = {
    Shipment: {"tracking_number": "", "note": "", "edits": []},
    WriteBack: {"tracking_numbers": [], "note": "", "error": "", "advice": ""},
    ShopTask: {"value": ""},
}
"""A tracking number leads to a name and an address on the carrier's page, and what is noted about one quotes it."""


def hide(order: Order, shipments: Sequence[Shipment], write_backs: Sequence[WriteBack], tasks: Sequence[ShopTask] = ()) -> None:
    """Take the customer out of these rows. They leave the session first, so neither is anything written nor read again."""
    lines = order.lines
    _blank([order], {**WITHOUT_CUSTOMER, "raw": b""})
    _blank(lines, {"options": []})
    _blank(shipments, WITHOUT_TRACKING[Shipment])
    _blank(write_backs, WITHOUT_TRACKING[WriteBack])
    _blank(tasks, WITHOUT_TRACKING[ShopTask])


def without_customer(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The noted changes of an order without personal data."""
    return {name: values for name, values in fields.items() if name not in WITHOUT_CUSTOMER}


def _blank(rows: Iterable[Any], values: Mapping[str, Any]) -> None:
    for row in rows:
        if inspect(row).persistent:
            db.session.expunge(row)
        for name, value in values.items():
            set_committed_value(row, name, value)
