"""Orders for a reader who may not see whose they are: what is about a person is taken out of the copy that is shown.

Which columns are about a person stands in services/order_columns.py; services/privacy.py erases the same ones for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import set_committed_value

from extensions import db
from models import Order, Shipment, WriteBack
from services.order_columns import WITHOUT_CUSTOMER

WITHOUT_TRACKING: dict[type, dict[str, Any]] = {
    Shipment: {"tracking_number": "", "note": ""},
    WriteBack: {"tracking_numbers": [], "note": "", "error": "", "advice": ""},
}
"""A tracking number leads to a name and an address on the carrier's page, and what is noted about one quotes it."""


def hide(order: Order, shipments: Sequence[Shipment], write_backs: Sequence[WriteBack]) -> None:
    """Take the customer out of these rows. They leave the session first, so neither is anything written nor read again."""
    lines = order.lines
    _blank([order], {**WITHOUT_CUSTOMER, "raw": b""})
    _blank(lines, {"options": []})
    _blank(shipments, WITHOUT_TRACKING[Shipment])
    _blank(write_backs, WITHOUT_TRACKING[WriteBack])


def without_customer(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a change of an order noted, without what of it is about a person."""
    return {name: values for name, values in fields.items() if name not in WITHOUT_CUSTOMER}


def _blank(rows: Iterable[Any], values: Mapping[str, Any]) -> None:
    for row in rows:
        if inspect(row).persistent:
            db.session.expunge(row)
        for name, value in values.items():
            set_committed_value(row, name, value)
