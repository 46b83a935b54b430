"""The answers to polls, from the rows of the orders that changed last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from channels.base import BadRow, Order
from channels.newest import Newest, NewestPage
from channels.xcart.parsing.orders import order_row
from channels.xcart.parsing.values import first_number


def newest_of(rows: Sequence[msgspec.Raw]) -> Newest:
    """A digest that changes when one of these rows changes. A cart, or a row that cannot be read, counts with all it holds."""
    seen: set[tuple[str, str, str]] = set()
    changed: list[datetime] = []
    for row in rows:
        order = order_row(row)
        if isinstance(order, Order):
            seen.add(
                (order.external_id, order.changed_at.isoformat(), f"{order.total} {order.payment_status} {order.shipping_status}")
            )
            changed.append(order.changed_at)
        else:
            seen.add((first_number(bytes(row), "orderId", "order_id", "id"), "", blake2b(bytes(row), digest_size=16).hexdigest()))
    return Newest(frozenset(seen), max(changed, default=None))


def page_of_newest(rows: Sequence[msgspec.Raw], known: bytes) -> NewestPage:
    """The rows of a page, read unless they are, byte for byte, those of which ``known`` is the digest."""
    hashed = blake2b(digest_size=16)
    for row in rows:
        hashed.update(bytes(row))
        hashed.update(b"\n")
    digest = hashed.digest()
    if digest == known:
        return NewestPage(digest, True)
    values = [order_row(row) for row in rows]
    return NewestPage(
        digest, False, tuple([each for each in values if isinstance(each, Order)]),
        tuple([each for each in values if isinstance(each, BadRow)]),
    )  # fmt: skip
