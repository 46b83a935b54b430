"""Orders that people shipped in the shop before Cartlink first saw them.

Their units have left the shelf. Stock that was counted after such an order was placed leaves them out already."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from channels.base import Order as ShopOrder
from extensions import db
from models import Shop, StockEntry
from services.order_basics.columns import Storing

COUNTED = ("start", "set", "import")
"""Causes of ledger entries that set how much is on hand."""


def is_history(shop: Shop, placed_at: datetime) -> bool:
    """Whether an order was placed before the first reading of this shop's orders ended."""
    return shop.orders_read_to is None or shop.orders_from is None or placed_at < shop.orders_from


def left_shelf(storing: Storing, order: ShopOrder, item_ids: Iterable[int]) -> set[int]:
    """Those of the stock items whose units this order, first seen as shipped, has taken off the shelf.

    None for an order of the history, which was placed before the first reading ended and which the opening stock leaves out, and
    none where the shop has put the units back or may have."""
    ids = set(item_ids)
    if not ids:
        return set()
    shop = db.session.get_one(Shop, storing.shop_id)
    if is_history(shop, order.placed_at) or storing.holds.puts_back(order.payment_status, order.shipping_status) is not False:
        return set()
    # A shop's times are whole seconds.
    placed_at = order.placed_at - timedelta(seconds=shop.clock_ahead or 0) + timedelta(seconds=1)
    counted_later = select(StockEntry.stock_item_id).where(
        StockEntry.stock_item_id.in_(ids), StockEntry.cause.in_(COUNTED), StockEntry.at > placed_at
    )
    return ids - set(db.session.scalars(counted_later.distinct()))
