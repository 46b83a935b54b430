"""The version of an order: a program that acts on what it has read can say which state of the order that was."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import request

from api.operations import matches
from extensions import db
from models import Order
from services.stock import allocations


def version_of(row: Any, lines: Sequence[Any]) -> str:
    """A digest of what acts change: a sync that changes something else of an order leaves it as it is."""
    shipped = [(line.id, line.shipped) for line in lines]
    said = f"{row.id} {row.state} {row.held_codes} {row.cancel_unseen} {shipped}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def check_if_sent(order_id: int) -> None:
    """Check ``If-Match``, if the request has it, and keep the order as it is until the transaction ends. Raises Problem 412."""
    if "If-Match" not in request.headers:
        return
    # Stock items are locked before orders (services/common/deadlocks.py).
    allocations.load_items_of(Order.id == order_id)
    row = db.session.get(Order, order_id, with_for_update=True, populate_existing=True)
    if row is not None:
        matches(version_of(row, row.lines))
