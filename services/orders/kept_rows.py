"""What is kept beside orders in the same transaction: the search index and the daily sales.

Every change that goes through the session is seen here: the rows are made again when it is flushed. Bulk statements, which the
session does not see, call ``added`` or services/orders/search.py themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from models import Order, OrderLine, Shop
from services.orders import daily_sales, search
from services.orders.daily_sales import Sold

SEARCHED = {Order: ("number", "customer", "email", "tracking_numbers"), OrderLine: ("sku",)}
COUNTED = {
    Order: ("shop_id", "placed_at", "currency", "decimals", "total"), OrderLine: ("sku", "quantity", "total", "order_id"),
}  # fmt: skip
KEY = "kept_rows"


@dataclass(slots=True)
class _Touched:
    """Orders, or lines of orders, whose rows have to be made again; ``before`` is what they added to the sales."""

    searched: list[Order | OrderLine] = field(default_factory=list)
    counted: list[Order | OrderLine] = field(default_factory=list)
    before: Sequence[Sold] = ()


def added(rows: Iterable[tuple[int, dict[str, Any], Sequence[dict[str, Any]]]]) -> None:
    """Orders were inserted in bulk: (id, columns, columns of their lines). All are of one shop. Call it in the same transaction."""
    searched, sold = [], []
    zone = None
    for order_id, order, lines in rows:
        searched.append(
            search.Searched(
                order_id,
                order["number"],
                order["customer"],
                order["email"],
                [line["sku"] for line in lines],
                order["tracking_numbers"],
            )
        )
        if daily_sales.counts(order["state"], order["number"]):
            zone = zone or daily_sales.zone_of(order["shop_id"])
            sold.append(
                Sold(order["shop_id"], daily_sales.day_of(order["placed_at"], zone), order["currency"], order["decimals"], order["total"],
                     [(line["sku_key"], line["quantity"], line["total"]) for line in lines])
            )  # fmt: skip
    search.write(searched, new=True)
    daily_sales.add(daily_sales.difference((), sold))


@event.listens_for(Session, "before_flush")
def _note(session: Session, context: object, instances: object) -> None:
    touched = _Touched()
    for row in (*session.new, *session.deleted):
        if isinstance(row, Order | OrderLine):
            touched.searched.append(row)
            touched.counted.append(row)
    for row in session.dirty:
        if isinstance(row, Shop) and inspect(row).attrs.zone.history.has_changes():
            # Its days begin at other times: all of them are counted again in the background.
            row.sales_checked_to = None
        if isinstance(row, Order | OrderLine):
            if _changed(row, SEARCHED):
                touched.searched.append(row)
            if _changed(row, COUNTED) or (isinstance(row, Order) and _counts_otherwise(row)):
                touched.counted.append(row)
    if touched.searched or touched.counted:
        known = _ids(row for row in touched.counted if not (isinstance(row, Order) and row in session.new))
        touched.before = daily_sales.stored(Order.__table__.c.id.in_(known)) if known else ()
        session.info[KEY] = touched


@event.listens_for(Session, "after_flush")
def _follow(session: Session, context: object) -> None:
    touched: _Touched | None = session.info.pop(KEY, None)
    if touched is None:
        return
    search.rewrite(_ids(touched.searched))
    counted = _ids(touched.counted)
    after = daily_sales.stored(Order.__table__.c.id.in_(counted)) if counted else ()
    daily_sales.add(daily_sales.difference(touched.before, after))


def _changed(row: Any, names: dict[Any, tuple[str, ...]]) -> bool:
    attributes = inspect(row).attrs
    return any(attributes[name].history.has_changes() for name in names[type(row)])


def _counts_otherwise(order: Order) -> bool:
    """Whether the order may have begun or stopped to count."""
    state, number = (inspect(order).attrs[name].history for name in ("state", "number"))
    was_or_is = {*(state.added or ()), *(state.deleted or ())}
    return bool((state.has_changes() and ("cancelled" in was_or_is or not state.deleted)) or number.has_changes())


def _ids(rows: Iterable[Order | OrderLine]) -> list[int]:
    found = set[int | None]()
    for row in rows:
        if isinstance(row, Order):
            found.add(row.id)
        else:
            order = row.__dict__.get("order")
            found.add(row.order_id or (order.id if order is not None else None))
    return sorted(order_id for order_id in found if order_id is not None)
